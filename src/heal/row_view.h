// What a person sees of an endpoint's rows one by one: a sample of the prediction log's window held against
// one of what it is compared with. Asked for by name, because it reads the log and explains some hundred
// answers.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "heal/watch_view.h"
#include "serve/prediction_log.h"

namespace trimtab::heal {

// {"classifier":watch::DomainVerdict,"attributions":watch::AttributionDrift}, or of either {"reason"} why
// there is none: the rows of training are not kept one by one, so `against` must be previous or season. At
// most 2,000 rows of each side are looked at, drawn evenly with a fixed seed, so that it takes about a second
// and a few MB: small enough to be done where it is asked for. Errors: not_found (no version serves yet),
// storage_broken.
Result<Json> row_view(store::Home& home, const registry::EndpointFacts& endpoint,
                      const serve::PredictionLog& log, const watch::WatchQuery& query, TimeUs now,
                      const KeptOut& kept_out);

}  // namespace trimtab::heal
