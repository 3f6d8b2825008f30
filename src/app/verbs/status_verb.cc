#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "project/load.h"
#include "registry/endpoints.h"

namespace trimtab::app {
namespace {

// What the door of a running server has found.
Json::Array repaired(const Json& endpoint) {
  const Json& findings = endpoint["contract"]["findings"];
  return findings.is_array() ? findings.as_array() : Json::Array();
}

std::string describe(const Json& endpoint) {
  std::string text = endpoint.text_or("name") + ": " + endpoint.text_or("health");
  text +=
      endpoint["champion"].is_null() ? ", no version serves yet" : ", version " + endpoint["champion"].dump();
  if (!endpoint["challenger"].is_null()) text += ", challenger " + endpoint["challenger"].dump();
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
    list.push(facts.to_json());
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
