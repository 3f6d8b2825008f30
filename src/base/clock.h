// Time is a value that is handed in, so that a test or a backtest can move it. Nothing else reads the clock.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace trimtab::base {

// Microseconds since 1970-01-01T00:00:00Z.
using TimeUs = std::int64_t;

inline constexpr TimeUs kMillisecondUs = 1000;
inline constexpr TimeUs kSecondUs = 1'000'000;
inline constexpr TimeUs kMinuteUs = 60 * kSecondUs;
inline constexpr TimeUs kHourUs = 60 * kMinuteUs;
inline constexpr TimeUs kDayUs = 24 * kHourUs;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimeUs now() const = 0;
};

class SystemClock final : public Clock {
 public:
  TimeUs now() const override;
};

// Stands still until it is moved; never goes back.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(TimeUs start) : now_(start) {}
  TimeUs now() const override { return now_.load(); }
  void advance_to(TimeUs to);

 private:
  std::atomic<TimeUs> now_;
};

// Monotonic microseconds for measuring durations; unrelated to the calendar and never injected.
TimeUs steady_now();

// "2013-04-01T00:00:00Z" (with fractions only when there are any). Times outside of the years 0000 to 9999,
// which stand for "always" and "never", are written as the first or last moment of those years.
std::string format_time(TimeUs time);
// Takes a date, or a date and time with optional seconds, fraction and "Z" or "+hh:mm"; no zone means UTC.
// Errors: invalid.
Result<TimeUs> parse_time(std::string_view text);
// Takes "30s", "15m", "24h", "2d", "4w"; also "ms" and "us", so that it reads whatever is formatted.
// Errors: invalid.
Result<TimeUs> parse_duration(std::string_view text);
// "90s", "2h", "3d", "1w": the largest unit that divides it.
std::string format_duration(TimeUs duration);

}  // namespace trimtab::base

namespace trimtab {
using base::TimeUs;
}  // namespace trimtab
