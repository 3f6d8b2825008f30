#include <charconv>

#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "heal/approval.h"
#include "heal/incident.h"
#include "project/load.h"

namespace trimtab::app {
namespace {

// "3", "examples/flights" or both.
struct Wanted {
  std::optional<std::int64_t> incident;
  Arguments place;  // Project and home.
};

Wanted read_words(const Arguments& arguments) {
  Wanted wanted{std::nullopt, arguments};
  for (const std::string& word : arguments.words) {
    std::int64_t number = 0;
    const auto [end, failure] = std::from_chars(word.data(), word.data() + word.size(), number);
    const bool is_number = failure == std::errc() && end == word.data() + word.size();
    if (is_number) {
      wanted.incident = number;
    } else {
      wanted.place.project = word;
    }
  }
  return wanted;
}

Result<Json> one_incident(const std::string& home, const Wanted& wanted) {
  if (std::optional<http::Client> server = TRY(find_running_server(home))) {
    return ask(*server, "GET", "/api/v1/incidents/" + std::to_string(*wanted.incident));
  }
  const std::unique_ptr<Workbench> bench =
      TRY(open_workbench_to_look(home, TRY(project::load(wanted.place.project))));
  return TRY(heal::find_incident(*bench->home, *wanted.incident)).to_json();
}

Result<Json> all_incidents(const std::string& home, const Wanted& wanted) {
  if (std::optional<http::Client> server = TRY(find_running_server(home))) {
    return ask(*server, "GET", "/api/v1/incidents");
  }
  const std::unique_ptr<Workbench> bench =
      TRY(open_workbench_to_look(home, TRY(project::load(wanted.place.project))));
  Json list = Json::array();
  TRY(bench->home->database().read([&](store::Connection& connection) -> Status {
    for (const heal::Incident& incident : TRY(heal::list_incidents(connection, "", false))) {
      list.push(incident.to_json());
    }
    return {};
  }));
  return Json::object({{"incidents", std::move(list)}});
}

std::string head(const Json& incident) {
  return "#" + incident["id"].dump() + " " + incident.text_or("endpoint") + ", " + incident.text_or("state") +
         ": " + incident.text_or("summary") + "\n";
}

std::string in_brief(const Json& incident) {
  std::string text = head(incident);
  for (const Json& event : incident["events"].as_array()) {
    text +=
        "   " + event.text_or("time") + "  " + event.text_or("kind") + "  " + event["detail"].dump() + "\n";
  }
  return text;
}

// A figure a line; what the loop keeps for itself (sums of evidence, batch by batch) is left to --json.
void append_figures(const Json& detail, const std::string& blanks, std::string& text) {
  for (const auto& [name, value] : detail.as_object()) {
    if (name == "not_worse" || name == "worse") continue;
    if (value.is_object()) {
      text += blanks + name + "\n";
      append_figures(value, blanks + "  ", text);
    } else {
      text += blanks + name + ": " + (value.is_string() ? value.as_string() : value.dump()) + "\n";
    }
  }
}

std::string whole(const Json& incident) {
  std::string text = head(incident);
  for (const Json& event : incident["events"].as_array()) {
    const std::string plan = event["plan"].is_int() ? " " + event["plan"].dump() : "";
    text += "\n" + event.text_or("time") + "  " + event.text_or("kind") + plan + "\n";
    append_figures(event["detail"], "    ", text);
  }
  if (incident.text_or("state") != "waiting") return text;
  const std::string id = incident["id"].dump();
  return text + "\nIt waits for a person: `trimtab approve " + id + "` or `trimtab reject " + id + "`.\n";
}

}  // namespace

Status incidents_verb(const Arguments& arguments) {
  const Wanted wanted = read_words(arguments);
  const std::string home = home_folder(wanted.place, TRY(project::load(wanted.place.project)));
  TRY(expect_named_home(wanted.place, home));
  if (wanted.incident) {
    const Json incident = TRY(one_incident(home, wanted));
    print_report(arguments, whole(incident), incident);
    return {};
  }
  const Json incidents = TRY(all_incidents(home, wanted));
  std::string text;
  for (const Json& incident : incidents["incidents"].as_array()) text += in_brief(incident);
  if (text.empty()) text = "No incidents.\n";
  print_report(arguments, text, incidents);
  return {};
}

}  // namespace trimtab::app
