// A cleaning step that cannot run once for each file: it is fitted on the training rows, or needs the whole
// table. clean/ makes the list, features/ executes it when a training frame is made.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "table/row_program.h"

namespace trimtab::model {

struct FrameStep {
  enum class Kind : std::uint8_t { stage, fill, drop_duplicates };
  Kind kind = Kind::stage;
  table::Stage stage;  // Of `stage`.
  std::map<std::string, Json>
      fill;                     // Of `fill`: column → "mean" | "median" | "mode", fitted on training rows.
  std::vector<std::string> by;  // Of `drop_duplicates`: keeps the first in (time, part, row).

  Json to_json() const;
  static Result<FrameStep> from_json(const Json& json);
  bool operator==(const FrameStep&) const = default;
};

}  // namespace trimtab::model
