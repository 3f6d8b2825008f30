// What a person sees of an endpoint under watch: watch/'s report on the version that serves, with who serves,
// since when, and how fresh it all is.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "model/prediction.h"
#include "project/project.h"
#include "registry/endpoints.h"
#include "serve/privacy.h"
#include "store/home.h"
#include "table/engine.h"
#include "watch/label.h"
#include "watch/watch_report.h"

namespace trimtab::heal {

// What is kept out of an endpoint's log, and what finds out which features that concerns.
struct KeptOut {
  table::Engine& engine;
  serve::Privacy* privacy = nullptr;  // Null: nothing is.
};
// What is kept out of a declared endpoint's log; null: nothing is. Errors: those of open_privacy_key.
Result<std::unique_ptr<serve::Privacy>> open_privacy(const project::LogRule& rule, const store::Home& home);

// What a version was like at training, with what is kept out of the log marked as withheld; null: it was made
// before that was kept, or does not load.
std::shared_ptr<const watch::Baseline> load_baseline(store::Home& home, const std::string& model,
                                                     std::int64_t version, const KeptOut& kept_out);
// A row of the log and, when it is known, its truth.
void count_logged(watch::Watcher& watcher, const model::Prediction& prediction,
                  const watch::TruthById& truths);
// The counts of an endpoint that nobody serves just now, from its log. Errors: storage_broken.
// `kept_out` outlives the watcher.
Result<std::unique_ptr<watch::Watcher>> watcher_from_log(store::Home& home,
                                                         const registry::EndpointFacts& endpoint, TimeUs now,
                                                         const KeptOut& kept_out);

// {"endpoint","version","health","serving_since"} and watch::watch_report's members. Errors: not_found (no
// version serves yet; the version has no baseline).
Result<Json> watch_view(const registry::EndpointFacts& endpoint, watch::Watcher& watcher,
                        const watch::WatchQuery& query, TimeUs now);

}  // namespace trimtab::heal
