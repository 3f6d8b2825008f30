#include "api/access_rules.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <utility>

#include "api/access_subjects.h"
#include "api/mlflow/wire.h"

namespace trimtab::api {
namespace {

using http::Role;

struct Rule {
  std::string_view method;  // "*": any.
  std::string_view
      path;  // Of the route, without "/api/2.0" and the like before "/mlflow"; "…*": a beginning.
  Role role;
  Subject subject;
};

// The first rule that matches a route is its rule.
constexpr std::array kRules = {
    // Nobody has to say who they are for these.
    Rule{"GET", "/healthz", Role::none, Subject::anybody},
    Rule{"GET", "/readyz", Role::none, Subject::anybody},
    Rule{"GET", "/health", Role::none, Subject::anybody},
    Rule{"GET", "/ping", Role::none, Subject::anybody},
    Rule{"GET", "/version", Role::none, Subject::anybody},
    Rule{"GET", "/v2/health/live", Role::none, Subject::anybody},
    Rule{"GET", "/v2/health/ready", Role::none, Subject::anybody},
    Rule{"GET", "/.well-known/databricks-config", Role::none, Subject::anybody},
    Rule{"GET", "/openapi.json", Role::none, Subject::anybody},
    Rule{"GET", "/mlflow/server-info", Role::none, Subject::anybody},
    Rule{"POST", "/api/v1/login", Role::none, Subject::anybody},
    Rule{"GET", "/api/v1/oidc/login", Role::none, Subject::anybody},
    Rule{"GET", "/api/v1/oidc/callback", Role::none, Subject::anybody},

    // Everybody's own things.
    Rule{"GET", "/api/v1/session", Role::none, Subject::signed_in},
    Rule{"POST", "/api/v1/logout", Role::none, Subject::signed_in},
    Rule{"GET", "/api/v1/account/*", Role::viewer, Subject::own},
    Rule{"*", "/api/v1/account/*", Role::admin, Subject::own},
    Rule{"GET", "/mlflow/users/current", Role::none, Subject::signed_in},
    Rule{"GET", "/mlflow/users/get", Role::viewer, Subject::own},
    Rule{"PATCH", "/mlflow/users/update-password", Role::admin, Subject::own},

    // Roles are given by those who administer what they are in.
    Rule{"POST", "/api/v1/roles", Role::admin, Subject::scope_of_order},
    Rule{"*", "/mlflow/users/permissions/*", Role::admin, Subject::resource},

    // MLflow's experiments. Whoever makes one may administer it.
    Rule{"POST", "/mlflow/experiments/create", Role::editor, Subject::new_experiment},
    Rule{"*", "/mlflow/experiments/search", Role::none, Subject::signed_in},
    Rule{"GET", "/mlflow/experiments/get", Role::viewer, Subject::experiment},
    Rule{"GET", "/mlflow/experiments/get-by-name", Role::viewer, Subject::experiment_name},
    Rule{"*", "/mlflow/experiments/search-datasets", Role::viewer, Subject::experiments},
    Rule{"*", "mlflow/experiments/search-datasets", Role::viewer, Subject::experiments},
    Rule{"POST", "/mlflow/experiments/delete", Role::admin, Subject::experiment},
    Rule{"POST", "/mlflow/experiments/restore", Role::admin, Subject::experiment},
    Rule{"POST", "/mlflow/experiments/update", Role::editor, Subject::experiment},
    Rule{"POST", "/mlflow/experiments/set-experiment-tag", Role::editor, Subject::experiment},
    Rule{"POST", "/mlflow/experiments/delete-experiment-tag", Role::editor, Subject::experiment},

    // Runs and their metrics.
    Rule{"POST", "/mlflow/runs/create", Role::editor, Subject::experiment_or_default},
    Rule{"POST", "/mlflow/runs/search", Role::viewer, Subject::experiments},
    Rule{"GET", "/mlflow/runs/get", Role::viewer, Subject::run},
    Rule{"POST", "/mlflow/runs/*", Role::editor, Subject::run},
    Rule{"GET", "/mlflow/metrics/get-history", Role::viewer, Subject::run},
    Rule{"GET", "/mlflow/metrics/get-history-bulk*", Role::viewer, Subject::runs},
    Rule{"GET", "/api/v1/runs/{id}/metrics/{key*}", Role::viewer, Subject::run_of_path},
    Rule{"POST", "/api/v1/runs/{run_id}/heartbeat", Role::editor, Subject::run_of_path},
    Rule{"GET", "/mlflow/artifacts/list", Role::viewer, Subject::run},
    Rule{"GET", "/get-artifact", Role::viewer, Subject::run},

    // Files.
    Rule{"GET", "/mlflow-artifacts/artifacts", Role::viewer, Subject::artifact_folder},
    Rule{"GET", "/mlflow-artifacts/artifacts/{artifact_path*}", Role::viewer, Subject::artifact},
    Rule{"*", "/mlflow-artifacts/artifacts/{artifact_path*}", Role::editor, Subject::artifact},
    // Clients send nothing but the part: the upload's id, which nobody can guess, is what lets it in.
    Rule{"PUT", "/mlflow-artifacts/mpu/part/{upload_id}/{number}", Role::none, Subject::anybody},
    Rule{"POST", "/mlflow-artifacts/mpu/*", Role::editor, Subject::artifact},
    Rule{"GET", "/mlflow-artifacts/presigned/*", Role::viewer, Subject::artifact},
    Rule{"GET", "/model-versions/get-artifact", Role::viewer, Subject::model},

    // Logged models belong to an experiment.
    Rule{"POST", "/mlflow/logged-models", Role::editor, Subject::new_logged_model},
    Rule{"POST", "/mlflow/logged-models/search", Role::viewer, Subject::experiments},
    Rule{"GET", "/mlflow/logged-models/*", Role::viewer, Subject::logged_model},
    Rule{"*", "/mlflow/logged-models/*", Role::editor, Subject::logged_model},

    // Traces belong to an experiment, whether they came with their spans or before them.
    Rule{"GET", "/mlflow/traces", Role::viewer, Subject::trace_search},
    Rule{"POST", "/mlflow/traces/search", Role::viewer, Subject::trace_search},
    Rule{"GET", "/mlflow/traces/get", Role::viewer, Subject::trace},
    Rule{"GET", "/mlflow/traces/batchGet", Role::viewer, Subject::trace},
    Rule{"POST", "/mlflow/traces/batchGetInfos", Role::viewer, Subject::trace},
    Rule{"POST", "/mlflow/traces", Role::editor, Subject::new_trace},
    Rule{"POST", "/mlflow/traces/delete-traces", Role::editor, Subject::experiment},
    Rule{"POST", "/mlflow/traces/link-to-run", Role::editor, Subject::trace},
    Rule{"POST", "/mlflow/traces/link-prompts", Role::editor, Subject::trace},
    Rule{"GET", "/mlflow/traces/{*", Role::viewer, Subject::trace_of_path},
    Rule{"*", "/mlflow/traces/{*", Role::editor, Subject::trace_of_path},

    // Registered models. What decides which version answers is for deployers.
    Rule{"POST", "/mlflow/registered-models/create", Role::editor, Subject::new_model},
    Rule{"GET", "/mlflow/registered-models/search", Role::none, Subject::signed_in},
    Rule{"GET", "/mlflow/model-versions/search", Role::none, Subject::signed_in},
    Rule{"POST", "/mlflow/registered-models/get-latest-versions", Role::viewer, Subject::model},
    Rule{"POST", "/mlflow/registered-models/alias", Role::deployer, Subject::model},
    Rule{"DELETE", "/mlflow/registered-models/alias", Role::deployer, Subject::model},
    Rule{"DELETE", "/mlflow/registered-models/delete", Role::admin, Subject::deleted_model},
    Rule{"POST", "/mlflow/registered-models/rename", Role::admin, Subject::renamed_model},
    Rule{"POST", "/mlflow/model-versions/transition-stage", Role::deployer, Subject::model},
    Rule{"DELETE", "/mlflow/model-versions/delete", Role::deployer, Subject::model},
    Rule{"POST", "/mlflow/model-versions/create", Role::editor, Subject::new_version},
    Rule{"GET", "/mlflow/registered-models/*", Role::viewer, Subject::model},
    Rule{"GET", "/mlflow/model-versions/*", Role::viewer, Subject::model},
    Rule{"GET", "/api/v1/models/{name}/history", Role::viewer, Subject::model_of_path},
    Rule{"*", "/mlflow/registered-models/*", Role::editor, Subject::model},
    Rule{"*", "/mlflow/model-versions/*", Role::editor, Subject::model},

    // This server's project: predictions in all dialects, and what Trimtab says and does about it.
    Rule{"POST", "/api/v1/endpoints/{name}/rollback", Role::deployer, Subject::project},
    Rule{"POST", "/api/v1/incidents/{id}/approve", Role::approver, Subject::project},
    Rule{"POST", "/api/v1/incidents/{id}/reject", Role::approver, Subject::project},
    Rule{"POST", "/api/v1/apply", Role::deployer, Subject::project},
    Rule{"POST", "/api/v1/plan", Role::editor, Subject::project},
    Rule{"POST", "/api/v1/endpoints/{name}/labels", Role::editor, Subject::project},
    Rule{"POST", "/api/v1/tables/{name}/rows", Role::editor, Subject::project},
    Rule{"GET", "/api/v1/endpoints*", Role::viewer, Subject::project},
    Rule{"GET", "/api/v1/tables/*", Role::viewer, Subject::project},
    Rule{"GET", "/api/v1/incidents*", Role::viewer, Subject::project},
    Rule{"GET", "/api/v1/scoring/{target}", Role::viewer, Subject::project},
    Rule{"POST", "/endpoints/{name}/invocations", Role::viewer, Subject::project},
    Rule{"POST", "/invocations", Role::viewer, Subject::project},
    Rule{"GET", "/api/2.0/serving-endpoints*", Role::viewer, Subject::project},
    Rule{"POST", "/serving-endpoints/*", Role::viewer, Subject::project},
    Rule{"POST", "/models/{name}/invoke", Role::viewer, Subject::project},
    Rule{"GET", "/models*", Role::viewer, Subject::project},
    Rule{"*", "/v2*", Role::viewer, Subject::project},
    Rule{"POST", "/api/v1/endpoints/{name}/what-if", Role::viewer, Subject::project},
    Rule{"POST", "/v1/traces", Role::editor, Subject::spans},
    Rule{"POST", "/v1/*", Role::viewer, Subject::project},
};

constexpr Rule kOtherwise = {"*", "*", Role::admin, Subject::server};

std::string_view without_version(std::string_view path) {
  for (const std::string_view prefix : {"/api/2.0", "/ajax-api/2.0", "/api/3.0", "/ajax-api/3.0"}) {
    if (!path.starts_with(prefix)) continue;
    const std::string_view rest = path.substr(prefix.size());
    if (rest.starts_with("/mlflow") || rest.starts_with("mlflow")) return rest;
  }
  return path;
}

const Rule& rule_of(const http::Route& route) {
  const std::string_view path = without_version(route.path);
  for (const Rule& rule : kRules) {
    if (rule.method != "*" && rule.method != route.method) continue;
    const bool matches = rule.path.ends_with('*') && !rule.path.ends_with("}")
                             ? path.starts_with(rule.path.substr(0, rule.path.size() - 1))
                             : path == rule.path;
    if (matches) return rule;
  }
  return kOtherwise;
}

bool is_mlflow(const http::Request& request) { return request.path.find("mlflow") != std::string_view::npos; }

http::Reply worded(const http::Request& request, const Error& error) {
  return is_mlflow(request) ? mlflow_error(error) : http::error_reply(error);
}

// Errors: forbidden.
Status check(const http::Caller& caller, const Demand& demand) {
  const bool may =
      demand.scopes.empty()
          ? caller.most() >= demand.role
          : std::any_of(demand.scopes.begin(), demand.scopes.end(),
                        [&](const std::string& scope) { return caller.role_in(scope) >= demand.role; });
  if (may) return {};
  return fail(ErrorCode::forbidden,
              "'" + caller.name() + "', as signed in here, is no " +
                  std::string(http::role_name(demand.role)) + " of " + demand.of,
              "ask somebody who administers it for `trimtab role grant`");
}

http::Handler behind(const Rule& rule, AccessRooms& rooms, http::Handler handler) {
  return [&rule, &rooms, handler = std::move(handler)](const http::Request& request,
                                                       http::ReplyPromise promise) -> http::Answer {
    // Without a caller nobody guards this server; the gate lets no other request come here.
    if (request.caller == nullptr) return handler(request, std::move(promise));
    const Result<std::vector<Demand>> demands = find_demands(rule.subject, rule.role, request, rooms);
    if (!demands) return worded(request, demands.error());
    for (const Demand& demand : *demands) {
      if (const Status may = check(*request.caller, demand); !may) return worded(request, may.error());
    }
    if (!changes_scopes(rule.subject)) return handler(request, std::move(promise));
    const http::ReplyPromise after = follow_up(rule.subject, request, rooms, std::move(promise));
    http::Answer answer = handler(request, after);
    if (http::Reply* reply = std::get_if<http::Reply>(&answer))
      http::ReplyPromise(after).send(std::move(*reply));
    return http::Pending{};
  };
}

}  // namespace

std::vector<http::Route> with_access(std::vector<http::Route> routes, AccessRooms& rooms) {
  for (http::Route& route : routes) {
    const Rule& rule = rule_of(route);
    route.is_for_anybody = rule.subject == Subject::anybody;
    if (!route.is_for_anybody) route.handler = behind(rule, rooms, std::move(route.handler));
  }
  return routes;
}

std::string access_text(const http::Route& route) {
  const Rule& rule = rule_of(route);
  const std::string of(subject_name(rule.subject));
  return rule.role == Role::none ? of : std::string(http::role_name(rule.role)) + " of " + of;
}

}  // namespace trimtab::api
