// What a model's versions, aliases, stages and champions have been, when, by whom and why: read out of the
// audit chain, which nothing is ever taken out of. So it outlives the versions, and the model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "store/home.h"

namespace trimtab::registry {

struct HistoryEntry {
  std::int64_t sequence = 0;  // Of the audit chain.
  TimeUs time = 0;
  std::string who;
  std::string what;     // "version", "alias", "stage", "champion", "challenger", "model".
  std::string subject;  // "version 3", "alias champion", "endpoint late", …
  std::string change;   // "made", "deleted", "moved", "promoted", "rolled back", "renamed", …
  Json from;            // A version, a stage or a name; null: nothing.
  Json to;
  std::string why;

  Json to_json() const;
  std::string to_text() const;  // One line.
};

// Newest first, at most `count_max`, under this name and those that the model was renamed from. Errors:
// not_found (a model that never was).
Result<std::vector<HistoryEntry>> model_history(store::Home& home, const std::string& model,
                                                std::int64_t count_max = 1'000);
// {"model":…,"history":[…],"text":…}
Json history_json(const std::string& model, const std::vector<HistoryEntry>& history);

}  // namespace trimtab::registry
