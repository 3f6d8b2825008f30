#include "registry/model_history.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "base/diagnostics.h"
#include "store/connection.h"

namespace trimtab::registry {
namespace {

using store::Connection;
using store::Statement;

// How the rows of the chain read. What is not here (descriptions, tags) changes nothing that was in
// production.
struct Reading {
  std::string_view action;
  std::string_view what;
  std::string_view change;
};
constexpr std::array kReadings = {
    Reading{"registered_model.create", "model", "made"},
    Reading{"registered_model.rename", "model", "renamed"},
    Reading{"registered_model.delete", "model", "deleted"},
    Reading{"model_version.create", "version", "made"},
    Reading{"model_version.judge", "version", "judged again"},
    Reading{"model_version.delete", "version", "deleted"},
    Reading{"model_version.stage", "stage", "moved"},
    Reading{"model_alias.set", "alias", "set"},
    Reading{"model_alias.delete", "alias", "deleted"},
    Reading{"endpoint.declare", "champion", "declared"},
    Reading{"endpoint.promote", "champion", "promoted"},
    Reading{"endpoint.refit", "champion", "promoted"},
    Reading{"endpoint.roll_back", "champion", "rolled back"},
    Reading{"endpoint.challenge", "challenger", "set"},
};

const Reading* reading_of(std::string_view action) {
  const auto found = std::find_if(kReadings.begin(), kReadings.end(),
                                  [&](const Reading& reading) { return reading.action == action; });
  return found == kReadings.end() ? nullptr : &*found;
}

// "model/late/3" → "version 3"; "model/late@champion" → "alias champion"; "endpoint/late" → "endpoint late".
std::string subject_of(const std::string& object, const std::string& model) {
  constexpr std::string_view kEndpoint = "endpoint/";
  if (object.starts_with(kEndpoint)) return "endpoint " + object.substr(kEndpoint.size());
  const std::string rest =
      object.substr(std::min(object.size(), std::string("model/").size() + model.size()));
  if (rest.starts_with('/')) return "version " + rest.substr(1);
  if (rest.starts_with('@')) return "alias " + rest.substr(1);
  return "model " + model;
}

std::string words_of(const Json& value) {
  if (value.is_null()) return "nothing";
  return value.is_string() ? value.as_string() : value.dump();
}

HistoryEntry read_entry(const Statement& row, const Reading& reading, const std::string& model) {
  HistoryEntry entry;
  entry.sequence = row.integer(0);
  entry.time = row.integer(1);
  entry.who = row.text(2);
  entry.what = reading.what;
  entry.change = reading.change;
  entry.subject = subject_of(row.text(4), model);
  const Json detail = base::parse_json(row.text(5)).value_or(Json::object());
  entry.from = detail["from"];
  entry.to = detail["to"];
  entry.why = detail.text_or("why");
  if (detail.bool_or("push")) entry.why += entry.why.empty() ? "a client's push" : ", a client's push";
  return entry;
}

// The names that the model has had, the newest first.
Result<std::vector<std::string>> names_of(Connection& connection, const std::string& model) {
  std::vector<std::string> names = {model};
  for (std::size_t i = 0; i < names.size(); ++i) {
    Statement row = connection.prepare(
        "SELECT json_extract(detail, '$.from') FROM audit WHERE action = 'registered_model.rename' AND "
        "object = ?");
    row.with("model/" + names[i]);
    while (TRY(row.step())) {
      if (std::find(names.begin(), names.end(), row.text(0)) == names.end()) names.push_back(row.text(0));
    }
  }
  return names;
}

Status read_name(Connection& connection, const std::string& model, std::vector<HistoryEntry>& history) {
  // The characters behind the name that end it: '/' before a version, '@' before an alias.
  Statement row = connection.prepare(
      "SELECT sequence, time, actor, action, object, detail FROM audit WHERE object = ?1 "
      "OR (substr(object, 1, length(?1) + 1) IN (?1 || '/', ?1 || '@')) "
      "OR (substr(object, 1, 9) = 'endpoint/' AND json_extract(detail, '$.model') = ?2)");
  row.with("model/" + model, model);
  while (TRY(row.step())) {
    if (const Reading* reading = reading_of(row.text(3))) history.push_back(read_entry(row, *reading, model));
  }
  return {};
}

}  // namespace

Json HistoryEntry::to_json() const {
  Json json = Json::object({{"sequence", sequence}, {"time", base::format_time(time)}, {"who", who}});
  json.set("what", what).set("subject", subject).set("change", change);
  return json.set("from", from).set("to", to).set("why", why);
}

std::string HistoryEntry::to_text() const {
  std::string text = base::format_time(time) + "  " + subject + " " + change;
  if (!from.is_null() && !to.is_null()) {
    text += " from " + words_of(from) + " to " + words_of(to);
  } else if (!to.is_null()) {
    text += " to " + words_of(to);
  } else if (!from.is_null()) {
    text += ", was " + words_of(from);
  }
  text += ", by " + who;
  return why.empty() ? text : text + ": " + why;
}

Result<std::vector<HistoryEntry>> model_history(store::Home& home, const std::string& model,
                                                std::int64_t count_max) {
  std::vector<HistoryEntry> history;
  std::vector<std::string> known;
  TRY(home.database().read([&](Connection& connection) -> Status {
    for (const std::string& name : TRY(names_of(connection, model)))
      TRY(read_name(connection, name, history));
    Statement row = connection.prepare("SELECT name FROM registered_model");
    while (TRY(row.step())) known.push_back(row.text(0));
    return {};
  }));
  if (history.empty() && std::find(known.begin(), known.end(), model) == known.end()) {
    std::string hint = base::did_you_mean(model, known);
    return fail(ErrorCode::not_found, "no model is or was called '" + model + "'",
                hint.empty() ? "the registry lists the models that there are" : hint);
  }
  std::sort(history.begin(), history.end(),
            [](const HistoryEntry& a, const HistoryEntry& b) { return a.sequence > b.sequence; });
  if (static_cast<std::int64_t>(history.size()) > count_max)
    history.resize(static_cast<std::size_t>(count_max));
  return history;
}

Json history_json(const std::string& model, const std::vector<HistoryEntry>& history) {
  Json list = Json::array();
  std::string text;
  for (const HistoryEntry& entry : history) {
    list.push(entry.to_json());
    text += entry.to_text() + "\n";
  }
  return Json::object({{"model", model}, {"history", std::move(list)}, {"text", std::move(text)}});
}

}  // namespace trimtab::registry
