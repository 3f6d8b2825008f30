#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "heal/version_approval.h"
#include "project/load.h"
#include "registry/endpoints.h"

namespace trimtab::app {
namespace {

// What the door of a running server has found.
Json::Array repaired(const Json& endpoint) {
  const Json& findings = endpoint["contract"]["findings"];
  return findings.is_array() ? findings.as_array() : Json::Array();
}

// What a person is asked about.
Json::Array waiting(const Json& endpoint) {
  return endpoint["waiting"].is_array() ? endpoint["waiting"].as_array() : Json::Array();
}

std::string what_waits(const Json& plan) {
  if (!plan["version"].is_int()) return plan.text_or("treatment");
  const std::string version = "version " + plan["version"].dump();
  const std::string wanted = plan["wanted"].dump();
  return wanted == "1" ? version : version + " (" + plan["approvals"].dump() + " of " + wanted + ")";
}

// Of a running server: versions whose place another one takes, or that should score along and do not.
std::string missing_versions(const Json& endpoint) {
  std::string text;
  const Json& failures = endpoint["do_not_load"];
  for (std::size_t i = 0; failures.is_array() && i < failures.as_array().size(); ++i) {
    const Json& failure = failures.as_array()[i];
    text += "\n  version " + failure["version"].dump() + " does not load, since " + failure.text_or("since");
    const Json& loaded = endpoint["loaded_versions"];
    const bool is_replaced = failure.text_or("role") == "served" && loaded.is_array();
    if (is_replaced && !loaded.as_array().empty())
      text += "; version " + loaded.as_array()[0].dump() + " answers";
    text += "\n  " + failure.text_or("why");
  }
  return text;
}

std::string describe(const Json& endpoint) {
  std::string text = endpoint.text_or("name") + ": " + endpoint.text_or("health");
  text +=
      endpoint["champion"].is_null() ? ", no version serves yet" : ", version " + endpoint["champion"].dump();
  if (!endpoint["challenger"].is_null()) text += ", challenger " + endpoint["challenger"].dump();
  text += missing_versions(endpoint);
  for (const Json& plan : waiting(endpoint)) {
    const std::string id = plan["incident"].dump();
    text += "\n  " + what_waits(plan) + " waits for approval: `trimtab approve " + id +
            "` or `trimtab reject " + id + "`";
  }
  for (const Json& finding : repaired(endpoint))
    text += "\n  repaired: " + finding.text_or("column") + ": " + finding.text_or("what") + " since " +
            finding.text_or("since") + ", " + finding["rows"].dump() + " rows";
  return text + "\n";
}

Result<Json> endpoints_of(const std::string& home, const Arguments& arguments) {
  if (std::optional<http::Client> server = TRY(find_running_server(home))) {
    return ask(*server, "GET", "/api/v1/endpoints");
  }
  const std::unique_ptr<Workbench> bench =
      TRY(open_workbench_to_look(home, TRY(project::load(arguments.project))));
  Json list = Json::array();
  for (const registry::EndpointFacts& facts : TRY(registry::list_endpoints(*bench->home)))
    list.push(facts.to_json().set("waiting", TRY(heal::waiting_json(*bench->home, facts.name))));
  return Json::object({{"endpoints", std::move(list)}});
}

}  // namespace

Status status_verb(const Arguments& arguments) {
  const std::string home = home_folder(arguments, TRY(project::load(arguments.project)));
  TRY(expect_named_home(arguments, home));
  const Json status = TRY(endpoints_of(home, arguments));
  std::string text;
  for (const Json& endpoint : status["endpoints"].as_array()) text += describe(endpoint);
  if (text.empty()) text = "Nothing has been applied to this home yet; run `trimtab apply`.\n";
  print_report(arguments, text, status);
  return {};
}

}  // namespace trimtab::app
