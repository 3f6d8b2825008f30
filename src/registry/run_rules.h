// What MLflow demands of names and sizes before it looks at a run, in its own words (3.17.2): its clients
// show these texts to people, and some match on them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "registry/run_facts.h"

namespace trimtab::registry {

// The refusal of what a client has sent, in MLflow's words.
inline tl::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::invalid, std::move(message));
}

inline constexpr std::string_view kRunNameTag = "mlflow.runName";

// Checks one request and cuts texts that are too long where MLflow's server does (values of params and tags).
// Errors: invalid.
Status check_batch(std::string_view run_id, RunBatch& batch);
// `path` is what the message calls the tag: "tags[3]", or "" for a tag that came alone.
Status check_tag(KeyValue& tag, std::string_view path);
Status check_experiment_name(std::string_view name);
Status check_experiment_tag(const KeyValue& tag);
Status check_dataset(const DatasetInput& dataset);

// Characters, as Python counts them.
std::size_t count_characters(std::string_view utf8);
// A text as Python's repr writes it: 'it', or "it's".
std::string python_repr(std::string_view text);

}  // namespace trimtab::registry
