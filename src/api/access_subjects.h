// What a request is about, as far as permissions are concerned: found with the same readers of parameters
// that the handlers use, so that both see the same thing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/access_rules.h"
#include "http/caller.h"

namespace trimtab::api {

enum class Subject : std::uint8_t {
  anybody,
  signed_in,  // The handler shows to each what they may see.
  own,        // What is the caller's alone.
  server,
  project,
  experiment,
  experiment_or_default,
  experiment_name,
  experiments,
  new_experiment,
  run,
  run_of_path,
  runs,
  artifact,
  artifact_folder,
  logged_model,
  new_logged_model,
  model,
  model_of_path,
  new_model,
  deleted_model,
  renamed_model,
  new_version,
  spans,  // Of the experiment that a header names.
  trace,
  trace_of_path,
  new_trace,
  trace_search,
  scope_of_order,
  resource,
};

std::string_view subject_name(Subject subject);

// A role that the caller must have in one of some scopes.
struct Demand {
  http::Role role = http::Role::admin;
  std::vector<std::string> scopes;  // Empty: it must not be narrowed to less, wherever it is used.
  std::string of;                   // For the refusal: "run 5f…".
};

// All of them must be met. `role` is the rule's. Errors: not_found (a run, a model …), invalid, malformed.
Result<std::vector<Demand>> find_demands(Subject subject, http::Role role, const http::Request& request,
                                         AccessRooms& rooms);

// Whether a successful request makes, renames or ends something that has roles of its own.
bool changes_scopes(Subject subject);
// Then the answer waits until the roles have followed: whoever makes something may administer it.
http::ReplyPromise follow_up(Subject subject, const http::Request& request, AccessRooms& rooms,
                             http::ReplyPromise promise);

}  // namespace trimtab::api
