// An immutable state of a source or table: a list of parts, each a Parquet blob, and where each came from.
// New or rewritten files make a new snapshot; nothing is ever changed in place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "table/schema.h"

namespace trimtab::table {

struct Part {
  std::string blob_sha256;  // The Parquet file.
  std::uint64_t bytes = 0;
  std::int64_t rows = 0;
  std::optional<TimeUs> time_min;  // Of the declared time column, when there is one and any row.
  std::optional<TimeUs> time_max;
  std::string origin;  // The file's name relative to the project, or "arrived rows".
  std::string origin_sha256;
  std::string step_key;    // Of the step that made it.
  std::int64_t left = 0;   // Rows of the file that could not be read,
  bool set_aside = false;  // or the whole file,
  std::string left_why;    // and why the first did not: "b.csv:3: column 'x' wants a number, found 'many'".

  bool operator==(const Part&) const = default;
};

struct Snapshot {
  std::string name;  // "source/flights", "table/departures".
  Schema schema;
  std::string time_column;    // "" when none is declared.
  std::vector<Part> parts;    // Sorted by (time_min, origin).
  std::string parent_sha256;  // Manifest of the snapshot this one grew from, or "".

  std::int64_t rows() const;
  Json to_json() const;  // The manifest; its bytes are the snapshot's identity.
  static Result<Snapshot> from_json(const Json& json);
};

}  // namespace trimtab::table
