// How far the work is: one live line with rate and time left on a terminal, plain lines in a pipe, nothing
// for --json.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/clock.h"
#include "flow/executor.h"

namespace trimtab::app {

class ProgressPrinter final : public flow::ProgressListener {
 public:
  enum class Style { live, plain, silent };
  // The style that standard error and --json call for.
  static Style style_for(bool json);
  explicit ProgressPrinter(Style style) : style_(style) {}
  ~ProgressPrinter() override;  // Clears the live line.

  void started(const flow::Task& task) override;
  void progressed(const flow::Task& task, std::int64_t done, std::int64_t total,
                  const std::string& unit) override;
  void finished(const flow::Task& task, const flow::TaskResult& result) override;
  void failed(const flow::Task& task, const Error& error) override;

 private:
  struct Operation {
    std::int64_t steps = 0;
    std::int64_t rows = 0;
    double cpu_s = 0;
    TimeUs started = 0;
    std::string example;  // Label of the only step, while it is the only one.
  };
  void show(const std::string& line);
  void close(const std::string& operation);
  void abandon(const std::string& operation);

  Style style_;
  std::string current_;  // The operation whose steps are running.
  std::map<std::string, Operation> operations_;
  std::size_t shown_ = 0;  // Length of the live line.
  TimeUs last_shown_ = 0;
};

}  // namespace trimtab::app
