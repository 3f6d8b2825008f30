// Lines for the operator on standard error: time, level, room, words. Never a secret, never a row's values.
#pragma once

#include <string>
#include <string_view>

namespace trimtab::base {

enum class LogLevel { debug, info, warning, error };

void set_log_level(LogLevel level);
// Thread-safe.
void log(LogLevel level, std::string_view room, std::string_view words);

inline void log_info(std::string_view room, std::string_view words) { log(LogLevel::info, room, words); }
inline void log_warning(std::string_view room, std::string_view words) {
  log(LogLevel::warning, room, words);
}
inline void log_error(std::string_view room, std::string_view words) { log(LogLevel::error, room, words); }

}  // namespace trimtab::base
