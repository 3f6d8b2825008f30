// A joined table in memory: equality keys hashed, rows of one key sorted by time. Answers a join for a batch
// of training rows and for one request with the same code.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "table/batch.h"
#include "table/schema.h"

namespace trimtab::table {

// How a table is joined; part of a recipe.
struct LookupSpec {
  std::string table;                    // Source that is joined, e.g. "weather".
  std::vector<std::string> left_keys;   // Columns of the row, equal to …
  std::vector<std::string> right_keys;  // … these of the joined table.
  std::string left_time;                // As-of: the row's time column; "" for a plain join.
  std::string right_time;               // As-of: the joined table's time column.
  TimeUs age_max = 0;                   // As-of: no older than this; 0 = any age.
  std::vector<std::string> select;      // Columns of the joined table that enter.

  Json to_json() const;
  static Result<LookupSpec> from_json(const Json& json);
  bool operator==(const LookupSpec&) const = default;
};

// Thread-safe: many readers, appends exclude them. A key with a null never matches.
// Plain join: the last row appended for a key wins. As-of: the newest row with time ≤ the row's time that had
// arrived by then (arrival ≤ the row's time), no older than age_max; of equal times the last appended wins.
class LookupIndex {
 public:
  // `schema` is the joined table's; it has right_keys, right_time and select. Errors: invalid: a spec that
  // contradicts itself, a column that is missing, a time that is none.
  static Result<std::shared_ptr<LookupIndex>> make(LookupSpec spec, const Schema& schema);
  ~LookupIndex();

  // Rows of the joined table's schema. `arrived`: when they became known; nullopt = at their own time.
  Status append(const Batch& rows, std::optional<TimeUs> arrived = std::nullopt);
  std::int64_t rows() const;
  const LookupSpec& spec() const;
  // The selected columns, as they enter the row.
  const Schema& selected() const;

  // For each row of `rows` fills the selected columns of `out` (columns first_column, first_column+1, …) with
  // the match, or nulls. Errors: invalid naming a key that is missing or of another type than its partner.
  Status find(const Batch& rows, Batch& out, int first_column) const;

  // Where the columns stand that the index reads of a row. For whoever asks again and again.
  struct Places {
    std::vector<int> keys;
    int time = -1;
  };
  // Errors: those of find.
  Result<Places> places(const Schema& rows) const;
  // The same find, of rows of the schema that `places` was asked with.
  void find(const Batch& rows, const Places& places, Batch& out, int first_column) const;

 private:
  struct State;
  explicit LookupIndex(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::table
