// The truth about a prediction, when it arrives.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "store/database.h"
#include "store/home.h"

namespace trimtab::watch {

struct Label {
  std::string prediction_id;
  double value = 0;  // 0 or 1 (binary), or the number.
  TimeUs time = 0;   // When it became known.
};

// From {"labels":[{"id","label","time"?}]}. Errors: malformed, invalid (names the row and what it should be),
// too_large (more than 10,000 in one request).
Result<std::vector<Label>> parse_labels(const Json& body, bool binary, TimeUs now);

struct LabelReport {
  int accepted = 0;  // New ones.
  int repeated = 0;  // Known already with the same value: nothing changed.
  int revised = 0;   // Known with another value: both are kept, the latest counts.
};

// Work for Database::submit: writes the rows. Idempotent.
Status write_labels(store::Connection& connection, const std::string& endpoint,
                    const std::vector<Label>& labels, TimeUs received, LabelReport& report);

// The latest truth of each prediction whose label was received from `from` on.
using TruthById = std::unordered_map<std::string, double>;
Result<TruthById> read_truths(store::Home& home, const std::string& endpoint, TimeUs from);

}  // namespace trimtab::watch
