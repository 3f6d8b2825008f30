#include "base/clock.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>

namespace trimtab::base {

TimeUs SystemClock::now() const {
  using namespace std::chrono;
  return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

void ManualClock::advance_to(TimeUs to) {
  TimeUs seen = now_.load();
  while (seen < to && !now_.compare_exchange_weak(seen, to)) {
  }
}

TimeUs steady_now() {
  using namespace std::chrono;
  return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

namespace {

// The four-digit years that the text form has room for: 0000-01-01T00:00:00Z to 9999-12-31T23:59:59.999999Z.
constexpr TimeUs kTimeMin = -719'528 * kDayUs;
constexpr TimeUs kTimeMax = 2'932'897 * kDayUs - 1;

// Reads a text from left to right; every step says whether it found what it was asked for.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  bool next_is(std::string_view any_of) const {
    return !rest_.empty() && any_of.find(rest_.front()) != std::string_view::npos;
  }
  bool take(std::string_view any_of) {
    if (!next_is(any_of)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // Exactly `count` digits whose value lies within the limits.
  bool number(int count, int min, int max, int& value) {
    value = 0;
    for (int i = 0; i < count; ++i) {
      if (!next_is("0123456789")) return false;
      value = value * 10 + (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    return value >= min && value <= max;
  }
  // One to nine digits after the point, as microseconds; what is finer is cut off.
  bool fraction(TimeUs& value) {
    value = 0;
    int count = 0;
    for (; next_is("0123456789"); ++count) {
      if (count < 6) value = value * 10 + (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    for (int i = count; i < 6; ++i) value *= 10;
    return count >= 1 && count <= 9;
  }

 private:
  std::string_view rest_;
};

bool read_date(Reader& reader, TimeUs& time) {
  int year = 0;
  int month = 0;
  int day = 0;
  const bool read = reader.number(4, 0, 9999, year) && reader.take("-") && reader.number(2, 1, 12, month) &&
                    reader.take("-") && reader.number(2, 1, 31, day);
  if (!read) return false;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return false;
  time = std::chrono::sys_days(date).time_since_epoch().count() * kDayUs;
  return true;
}

bool read_time_of_day(Reader& reader, TimeUs& time) {
  int hour = 0;
  int minute = 0;
  int second = 0;
  TimeUs fraction = 0;
  if (!reader.number(2, 0, 23, hour) || !reader.take(":") || !reader.number(2, 0, 59, minute)) return false;
  if (reader.take(":")) {
    if (!reader.number(2, 0, 59, second)) return false;
    if (reader.take(".") && !reader.fraction(fraction)) return false;
  }
  time += hour * kHourUs + minute * kMinuteUs + second * kSecondUs + fraction;
  return true;
}

bool read_zone(Reader& reader, TimeUs& time) {
  if (reader.at_end() || reader.take("Zz")) return true;
  const bool east = reader.next_is("+");
  int hours = 0;
  int minutes = 0;
  const bool read = reader.take("+-") && reader.number(2, 0, 23, hours) && reader.take(":") &&
                    reader.number(2, 0, 59, minutes);
  const TimeUs offset = hours * kHourUs + minutes * kMinuteUs;
  time += east ? -offset : offset;
  return read;
}

struct Unit {
  std::string_view name;
  TimeUs us;
};
// Longest first. Microseconds and milliseconds are here so that whatever is formatted can be read again.
constexpr std::array kUnits = {Unit{"w", 7 * kDayUs}, Unit{"d", kDayUs},    Unit{"h", kHourUs},
                               Unit{"m", kMinuteUs},  Unit{"s", kSecondUs}, Unit{"ms", 1'000},
                               Unit{"us", 1}};

}  // namespace

namespace {

// Appends the number with leading zeros.
void append_digits(std::string& out, TimeUs number, int digits) {
  out.append(static_cast<std::size_t>(digits), '0');
  for (std::size_t i = out.size(); number > 0; number /= 10) out[--i] = static_cast<char>('0' + number % 10);
}

}  // namespace

std::string format_time(TimeUs time) {
  // Times outside of the four-digit years only occur as "always" and "never".
  const TimeUs within = std::clamp(time, kTimeMin, kTimeMax);
  const TimeUs days = within / kDayUs - (within % kDayUs < 0 ? 1 : 0);
  const TimeUs of_day = within - days * kDayUs;
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
  std::string text;
  text.reserve(27);
  append_digits(text, static_cast<int>(date.year()), 4);
  text += '-';
  append_digits(text, static_cast<unsigned>(date.month()), 2);
  text += '-';
  append_digits(text, static_cast<unsigned>(date.day()), 2);
  text += 'T';
  append_digits(text, of_day / kHourUs, 2);
  text += ':';
  append_digits(text, of_day / kMinuteUs % 60, 2);
  text += ':';
  append_digits(text, of_day / kSecondUs % 60, 2);
  const TimeUs fraction = of_day % kSecondUs;
  if (fraction != 0) {
    const bool whole_ms = fraction % 1'000 == 0;
    text += '.';
    append_digits(text, whole_ms ? fraction / 1'000 : fraction, whole_ms ? 3 : 6);
  }
  text += 'Z';
  return text;
}

Result<TimeUs> parse_time(std::string_view text) {
  Reader reader(text);
  TimeUs time = 0;
  bool read = read_date(reader, time);
  if (read && !reader.at_end()) {
    read = reader.take("Tt ") && read_time_of_day(reader, time) && read_zone(reader, time) && reader.at_end();
  }
  if (!read || time < kTimeMin || time > kTimeMax) {
    return fail(ErrorCode::invalid, "'" + std::string(text.substr(0, 64)) + "' is no time",
                "write it like 2013-04-01 or 2013-04-01T08:30:00Z");
  }
  return time;
}

Result<TimeUs> parse_duration(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view name = text.substr(digits);
  const auto unit =
      std::find_if(kUnits.begin(), kUnits.end(), [name](const Unit& u) { return u.name == name; });
  // Eighteen digits always fit into 64 bits.
  if (digits >= 1 && digits <= 18 && unit != kUnits.end()) {
    TimeUs count = 0;
    for (const char digit : text.substr(0, digits)) count = count * 10 + (digit - '0');
    if (count <= std::numeric_limits<TimeUs>::max() / unit->us) return count * unit->us;
  }
  return fail(ErrorCode::invalid, "'" + std::string(text.substr(0, 64)) + "' is no duration",
              "write a whole number and a unit: 30s, 15m, 24h, 2d or 4w");
}

std::string format_duration(TimeUs duration) {
  if (duration == 0) return "0s";
  const auto unit =
      std::find_if(kUnits.begin(), kUnits.end(), [duration](const Unit& u) { return duration % u.us == 0; });
  return std::to_string(duration / unit->us) + std::string(unit->name);
}

}  // namespace trimtab::base
