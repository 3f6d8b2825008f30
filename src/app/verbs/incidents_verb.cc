#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "heal/incident.h"
#include "project/load.h"

namespace trimtab::app {
namespace {

Result<Json> incidents_of(const std::string& home, const Arguments& arguments) {
  if (std::optional<http::Client> server = TRY(find_running_server(home))) {
    return ask(*server, "GET", "/api/v1/incidents");
  }
  const std::unique_ptr<Workbench> bench = TRY(open_workbench(arguments));
  Json list = Json::array();
  TRY(bench->home->database().read([&](store::Connection& connection) -> Status {
    for (const heal::Incident& incident : TRY(heal::list_incidents(connection, "", false))) {
      list.push(incident.to_json());
    }
    return {};
  }));
  return Json::object({{"incidents", std::move(list)}});
}

std::string describe(const Json& incident) {
  std::string text = "#" + incident["id"].dump() + " " + incident.text_or("endpoint") + ", " +
                     incident.text_or("state") + ": " + incident.text_or("summary") + "\n";
  for (const Json& event : incident["events"].as_array()) {
    text +=
        "   " + event.text_or("time") + "  " + event.text_or("kind") + "  " + event["detail"].dump() + "\n";
  }
  return text;
}

}  // namespace

Status incidents_verb(const Arguments& arguments) {
  const std::string home = home_folder(arguments, TRY(project::load(arguments.project)));
  const Json incidents = TRY(incidents_of(home, arguments));
  std::string text;
  for (const Json& incident : incidents["incidents"].as_array()) text += describe(incident);
  if (text.empty()) text = "No incidents.\n";
  print_report(arguments, text, incidents);
  return {};
}

}  // namespace trimtab::app
