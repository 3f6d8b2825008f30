#include "app/progress.h"

#include <cstdio>
#include <unistd.h>

namespace trimtab::app {
namespace {

constexpr TimeUs kRedrawUs = 100'000;

std::string thousands(std::int64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

std::string seconds(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", value);
  return text;
}

}  // namespace

ProgressPrinter::Style ProgressPrinter::style_for(bool json) {
  if (json) return Style::silent;
  return ::isatty(STDERR_FILENO) != 0 ? Style::live : Style::plain;
}

ProgressPrinter::~ProgressPrinter() {
  if (!current_.empty()) close(current_);
}

void ProgressPrinter::show(const std::string& line) {
  const TimeUs now = base::steady_now();
  if (style_ != Style::live || now - last_shown_ < kRedrawUs) return;
  last_shown_ = now;
  const std::string blank(shown_ > line.size() ? shown_ - line.size() : 0, ' ');
  std::fprintf(stderr, "\r%s%s", line.c_str(), blank.c_str());
  std::fflush(stderr);
  shown_ = line.size();
}

// Nothing came to its end, so nothing remains to be told.
void ProgressPrinter::abandon(const std::string& name) {
  if (style_ == Style::live && shown_ > 0) {
    std::fprintf(stderr, "\r%s\r", std::string(shown_, ' ').c_str());
    std::fflush(stderr);
  }
  shown_ = 0;
  operations_.erase(name);
  current_.clear();
}

// One line remains for each run of steps of one operation.
void ProgressPrinter::close(const std::string& name) {
  Operation& operation = operations_[name];
  if (operation.steps == 0) return abandon(name);
  const double wall = static_cast<double>(base::steady_now() - operation.started) / 1e6;
  const std::string what =
      operation.steps == 1 ? operation.example : name + ": " + thousands(operation.steps) + " steps";
  std::string line = "  " + what;
  if (operation.rows > 0) line += ", " + thousands(operation.rows) + " rows";
  line += ", " + seconds(wall) + " (" + seconds(operation.cpu_s) + " of processor)";
  const std::string blank(shown_ > line.size() ? shown_ - line.size() : 0, ' ');
  if (style_ == Style::live) std::fprintf(stderr, "\r%s%s\n", line.c_str(), blank.c_str());
  if (style_ == Style::plain) std::fprintf(stderr, "%s\n", line.c_str());
  shown_ = 0;
  operations_.erase(name);
  current_.clear();
}

void ProgressPrinter::started(const flow::Task& task) {
  if (!current_.empty() && current_ != task.operation) close(current_);
  current_ = task.operation;
  Operation& operation = operations_[task.operation];
  if (operation.started == 0) operation.started = base::steady_now();
  if (operation.steps == 0) operation.example = task.label;
  show("  " + task.label);
}

void ProgressPrinter::progressed(const flow::Task& task, std::int64_t done, std::int64_t total,
                                 const std::string& unit) {
  const Operation& operation = operations_[task.operation];
  const double elapsed = static_cast<double>(base::steady_now() - operation.started) / 1e6;
  const double rate = elapsed > 0 ? static_cast<double>(done) / elapsed : 0;
  std::string line = "  " + task.label + ": " + thousands(done);
  if (total > 0) line += " of " + thousands(total);
  line += " " + unit + ", " + thousands(static_cast<std::int64_t>(rate)) + "/s";
  if (total > done && rate > 0) line += ", " + seconds(static_cast<double>(total - done) / rate) + " left";
  show(line);
}

void ProgressPrinter::finished(const flow::Task& task, const flow::TaskResult& result) {
  Operation& operation = operations_[task.operation];
  ++operation.steps;
  operation.rows += result.resources.rows;
  operation.cpu_s += result.resources.cpu_s;
}

void ProgressPrinter::failed(const flow::Task& task, const Error&) {
  if (style_ == Style::silent) return;
  std::fprintf(stderr, "%s  failed: %s\n", style_ == Style::live ? "\r" : "", task.label.c_str());
  shown_ = 0;
}

}  // namespace trimtab::app
