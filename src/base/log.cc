#include "base/log.h"

// Without these two the header brings the whole library along: nine seconds of compile time, and a second
// fmt. The build defines them as well; this keeps the file right on its own.
#ifndef SPDLOG_COMPILED_LIB
#define SPDLOG_COMPILED_LIB
#endif
#ifndef SPDLOG_FMT_EXTERNAL
#define SPDLOG_FMT_EXTERNAL
#endif
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace trimtab::base {
namespace {

spdlog::logger make_logger() {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  sink->set_formatter(std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %l %v",
                                                                  spdlog::pattern_time_type::utc));
  return spdlog::logger("trimtab", std::move(sink));
}

// Never destroyed: threads may log until the process is gone.
spdlog::logger& logger() {
  static spdlog::logger& only = *new spdlog::logger(make_logger());
  return only;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// Words may quote what a stranger sent. Lines after the first are indented and other control characters
// replaced, so that nobody can forge a log line or steer the terminal.
std::string harmless(std::string_view words) {
  std::string text;
  text.reserve(words.size());
  for (const char c : words) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    if (c == '\n') {
      text += "\n   ";
    } else {
      text += control && c != '\t' ? '?' : c;
    }
  }
  return text;
}

}  // namespace

void set_log_level(LogLevel level) { logger().set_level(to_spdlog(level)); }

void log(LogLevel level, std::string_view room, std::string_view words) {
  const spdlog::level::level_enum severity = to_spdlog(level);
  if (!logger().should_log(severity)) return;
  const std::string line = std::string(room) + ": " + harmless(words);
  logger().log(severity, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace trimtab::base
