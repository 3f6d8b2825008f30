// What the text of one cell of a CSV file may mean. Stricter than the engine, which reads 1.5 as the whole
// number 2 and the text 1-2-3 as a day of the year 1: a value is taken as it stands, or refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "table/schema.h"

namespace trimtab::ingest {

// Blanks around a value do not count. "5.0" is the whole number 5, as programs write it that know fractions
// only.
std::optional<std::int64_t> integer_of_cell(std::string_view text);
// Also "nan", "inf" and "infinity"; not a number that is too large to be held.
std::optional<double> real_of_cell(std::string_view text);
std::optional<bool> boolean_of_cell(std::string_view text);
// True when the text starts as a date with a year of four digits does. The engine, which knows the zones,
// reads it.
bool starts_as_date(std::string_view text);
// The instant of a time that names its own zone, as 2013-01-05T06:00Z or 2013-01-05 06:00-05:00. The engine
// reads such times only when they have seconds. Nothing for a time whose zone is the source's to say.
std::optional<TimeUs> instant_of_cell(std::string_view text);

// Narrows down, cell by cell, which type a column can have.
class TypeVote {
 public:
  void add(std::string_view text);
  bool has_value() const { return any_; }
  // A column without a single value is text. True and false stay apart from numbers: a mix of them is text.
  table::ColumnType winner() const;

 private:
  bool any_ = false;
  bool boolean_ = true;
  bool integer_ = true;
  bool real_ = true;
  bool time_ = true;
};

}  // namespace trimtab::ingest
