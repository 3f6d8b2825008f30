#include "watch/label.h"

#include <cmath>

#include "base/diagnostics.h"

namespace trimtab::watch {
namespace {

constexpr std::size_t kLabelsMax = 10'000;
constexpr std::size_t kIdBytesMax = 256;  // As long as serve/ lets an id be.
constexpr const char* kShape =
    R"(send {"labels":[{"id":"…","label":1,"time":"2013-04-01T00:00:00Z"},…]}; time may be left out)";

std::string shown(const Json& value) {
  constexpr std::size_t kShownMax = 80;
  std::string text = value.is_string() ? "'" + value.as_string() + "'" : value.dump();
  if (text.size() <= kShownMax) return text;
  std::size_t cut = kShownMax;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;  // Not inside a character.
  return text.substr(0, cut) + "…";
}

tl::unexpected<Error> refused(const std::string& place, const std::string& what, std::string hint = {}) {
  return fail(ErrorCode::invalid, place + ": " + what, std::move(hint));
}

Result<std::string> read_id(const Json& row, const std::string& place) {
  const Json* id = row.find("id");
  if (id == nullptr) return refused(place, "'id' is missing", "it is one of the reply's prediction_ids");
  if (id->is_int()) return std::to_string(id->as_int());
  if (!id->is_string()) return refused(place, "'id' is " + shown(*id) + ", which is no text");
  if (id->as_string().empty())
    return refused(place, "'id' is empty", "it is one of the reply's prediction_ids");
  if (id->as_string().size() > kIdBytesMax) {
    return refused(place, "'id' has " + std::to_string(id->as_string().size()) + " bytes",
                   "an id has at most " + std::to_string(kIdBytesMax));
  }
  return id->as_string();
}

Result<double> read_value(const Json& row, bool binary, const std::string& place) {
  const Json* label = row.find("label");
  const std::string wanted = binary ? "0 or 1 (or false or true)" : "a number";
  if (label == nullptr) return refused(place, "'label' is missing", "it is " + wanted);
  if (binary && label->is_bool()) return label->as_bool() ? 1.0 : 0.0;
  const bool fits = label->is_number() && std::isfinite(label->as_double()) &&
                    (!binary || label->as_double() == 0 || label->as_double() == 1);
  if (!fits)
    return refused(place, "'label' is " + shown(*label) + ", but a label of this endpoint is " + wanted);
  return label->as_double() + 0.0;  // Minus zero is zero.
}

Result<TimeUs> read_label_time(const Json& row, TimeUs now, const std::string& place) {
  const Json* time = row.find("time");
  if (time == nullptr || time->is_null()) return now;
  if (time->is_string()) {
    if (const Result<TimeUs> parsed = base::parse_time(time->as_string())) return *parsed;
  }
  return refused(place, "'time' is " + shown(*time) + ", which is no time",
                 "times are written as \"2013-04-01T00:00:00Z\"");
}

Result<Label> read_label(const Json& row, bool binary, TimeUs now, const std::string& place) {
  if (!row.is_object()) return refused(place, "it is no object", kShape);
  for (const auto& [name, value] : row.as_object()) {
    if (name == "id" || name == "label" || name == "time") continue;
    return refused(place, "unknown field '" + name + "'", base::did_you_mean(name, {"id", "label", "time"}));
  }
  Label label;
  label.prediction_id = TRY(read_id(row, place));
  label.value = TRY(read_value(row, binary, place));
  label.time = TRY(read_label_time(row, now, place));
  return label;
}

enum class Outcome { accepted, repeated, revised };

Result<Outcome> write_label(store::Connection& connection, const std::string& endpoint, const Label& label,
                            TimeUs received) {
  std::int64_t revision = 0;
  {
    store::Statement latest = connection.prepare(
        "SELECT revision, value FROM label WHERE endpoint = ? AND prediction_id = ? ORDER BY revision DESC "
        "LIMIT 1");
    if (TRY(latest.with(endpoint, label.prediction_id).step())) {
      if (latest.real(1) == label.value) return Outcome::repeated;
      revision = latest.integer(0);
    }
  }
  TRY(connection
          .prepare("INSERT INTO label (endpoint, prediction_id, revision, value, time, received) "
                   "VALUES (?, ?, ?, ?, ?, ?)")
          .with(endpoint, label.prediction_id, revision + 1, label.value, label.time, received)
          .run());
  return revision == 0 ? Outcome::accepted : Outcome::revised;
}

}  // namespace

Result<std::vector<Label>> parse_labels(const Json& body, bool binary, TimeUs now) {
  const Json& rows = body["labels"];
  if (!rows.is_array()) return fail(ErrorCode::malformed, "the body has no list 'labels'", kShape);
  const std::size_t count = rows.as_array().size();
  if (count > kLabelsMax) {
    return fail(ErrorCode::too_large, "the request has " + std::to_string(count) + " labels",
                "send at most " + std::to_string(kLabelsMax) + " at once");
  }
  std::vector<Label> labels;
  labels.reserve(count);
  for (const Json& row : rows.as_array()) {
    labels.push_back(TRY(read_label(row, binary, now, "label " + std::to_string(labels.size() + 1))));
  }
  return labels;
}

Status write_labels(store::Connection& connection, const std::string& endpoint,
                    const std::vector<Label>& labels, TimeUs received, LabelReport& report) {
  report = {};  // The work may run again.
  for (const Label& label : labels) {
    switch (TRY(write_label(connection, endpoint, label, received))) {
      case Outcome::accepted:
        ++report.accepted;
        break;
      case Outcome::repeated:
        ++report.repeated;
        break;
      case Outcome::revised:
        ++report.revised;
        break;
    }
  }
  return {};
}

Result<TruthById> read_truths(store::Home& home, const std::string& endpoint, TimeUs from) {
  TruthById truths;
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    store::Statement row = connection.prepare(
        "SELECT prediction_id, value FROM label WHERE endpoint = ? AND received >= ? "
        "ORDER BY received, revision");
    row.with(endpoint, from);
    while (TRY(row.step())) truths[row.text(0)] = row.real(1);
    return {};
  }));
  return truths;
}

}  // namespace trimtab::watch
