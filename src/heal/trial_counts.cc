#include "heal/trial_counts.h"

#include <utility>

#include "base/json.h"

namespace trimtab::heal {
namespace {

std::string setting_of(const std::string& endpoint) { return "trial_counts/" + endpoint; }

Result<std::string> read_counts(store::Home& home, const std::string& endpoint) {
  std::string text;
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    store::Statement row = connection.prepare("SELECT value FROM setting WHERE name = ?");
    if (TRY(row.with(setting_of(endpoint)).step())) text = row.text(0);
    return {};
  }));
  return text;
}

}  // namespace

Status keep_counts(store::Home& home, const std::string& endpoint,
                   const std::vector<serve::PairVitals>& on_trial) {
  Json pairs = Json::array();
  for (const serve::PairVitals& pair : on_trial) pairs.push(pair.to_json());
  const std::string text = on_trial.empty() ? "" : pairs.dump();
  if (text == TRY(read_counts(home, endpoint))) return {};
  return home.database().write([&](store::Connection& connection) -> Status {
    if (text.empty()) return forget_counts(connection, endpoint);
    return connection.prepare("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)")
        .with(setting_of(endpoint), text)
        .run();
  });
}

Result<std::vector<serve::PairVitals>> kept_counts(store::Home& home, const std::string& endpoint) {
  const std::string text = TRY(read_counts(home, endpoint));
  std::vector<serve::PairVitals> kept;
  if (text.empty()) return kept;
  const Json pairs = TRY(base::parse_json(text));
  for (const Json& pair : pairs.as_array()) kept.push_back(serve::PairVitals::from_json(pair));
  return kept;
}

Status forget_counts(store::Connection& connection, const std::string& endpoint) {
  return connection.prepare("DELETE FROM setting WHERE name = ?").with(setting_of(endpoint)).run();
}

}  // namespace trimtab::heal
