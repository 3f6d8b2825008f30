// An endpoint under care without a model, on a real record, for tests that let the loop live and die many
// times: restarted by what the record says, and killed by a record that takes no more writes.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "heal/incident.h"
#include "heal/patient.h"
#include "heal/recall.h"
#include "heal/rounds.h"
#include "heal/trial_counts.h"
#include "registry/endpoints.h"
#include "registry/record.h"
#include "store/home.h"

namespace trimtab::heal {

inline constexpr const char* kProject = "flights";
inline constexpr const char* kEndpoint = "late";

class SimulatedPatient final : public Patient {
 public:
  SimulatedPatient(store::Home& home, PolicyOptions options, watch::BatchRule rule = {})
      : home_(home), options_(std::move(options)), rule_(rule) {
    restart();
  }

  const std::string& name() const override { return name_; }
  const PolicyOptions& options() const override { return options_; }
  watch::Batches& batches() override { return *batches_; }
  PolicyState& policy() override { return policy_; }
  const PolicyState& policy() const override { return policy_; }
  std::vector<serve::PairVitals> vitals() const override {
    return side_by_side.empty() ? counted->pairs() : side_by_side;
  }
  Status redeploy() override {
    const Result<registry::EndpointFacts> found = registry::find_endpoint(home_, name_);
    const registry::EndpointFacts facts = TRY(Result<registry::EndpointFacts>(found));
    deployed = facts.serving_version;
    warm = facts.previous_version;
    challenger = facts.challenger_version;
    share = facts.challenger_share;
    note_champion(policy_, *facts.serving_version);
    std::vector<serve::PairVitals> pairs;
    const auto beside = [&](std::optional<std::int64_t> version, model::Role role) {
      if (!version || version == deployed) return;
      pairs.push_back({.served = *deployed, .other = *version, .role = role});
    };
    beside(challenger, share > 0 ? model::Role::canary : model::Role::shadow);
    if (warm != challenger) beside(warm, model::Role::previous);
    counted->watch(std::move(pairs), options_.time_max_us);
    return {};
  }

  Status can_serve(std::int64_t version) override {
    if (does_not_load || (is_broken && is_broken(version)))
      return fail(ErrorCode::storage_broken, "its learner is damaged");
    return {};
  }
  Result<std::vector<double>> score_again(std::int64_t version, const watch::LabelledBatch& batch) override {
    std::vector<double> scores;
    for (std::size_t row = 0; row < batch.truth.size(); ++row) {
      scores.push_back(says ? says(version, &batch.features[2 * row])
                            : says_again.value_or(batch.truth[row]));
    }
    return scores;
  }
  std::optional<watch::Correction> weakness_of(std::int64_t) override { return std::nullopt; }
  std::vector<model::Feature> features_of(std::int64_t) override { return {}; }
  std::vector<LimitFinding> limits() override { return limits_found; }
  void answer_at(double moved_by) override { level = moved_by; }

  // All that was in memory is gone, and what the disk has is read again.
  void restart() {
    side_by_side.clear();
    counted = std::make_unique<serve::Vitals>();
    counted->watch(kept_counts(home_, name_).value(), 0);
    batches_ = std::make_unique<watch::Batches>(rule_);
    for (const watch::Label& label : labels) batches_->add(label);
    Recall recall = Recall::begin(home_, name_, rule_.duration, *batches_).value();
    for (const model::Prediction& prediction : predictions) recall.add(prediction);
    policy_ = recall.finish();
    CHECK(redeploy().has_value());
  }
  void answer(model::Prediction prediction) {
    batches_->add(prediction);
    predictions.push_back(std::move(prediction));
  }
  void tell(watch::Label label) {
    batches_->add(label);
    labels.push_back(std::move(label));
  }

  std::optional<std::int64_t> deployed, warm;  // The champion, and who scores along.
  double level = 0;                            // By which its answers are moved.
  bool does_not_load = false;                  // What is to become the champion.
  std::optional<double> says_again;            // A version to all rows, asked again; nothing: the truth.
  std::function<bool(std::int64_t)>
      is_broken;  // Or which versions do not load, and what one says to a row of
  std::function<double(std::int64_t, const double*)> says;  // two features.
  std::optional<std::int64_t> challenger;  // Who is rolled out, and the share that it answers.
  double share = 0;
  std::unique_ptr<serve::Vitals> counted;       // How versions did beside each other,
  std::vector<serve::PairVitals> side_by_side;  // or as a test has it.
  std::vector<LimitFinding> limits_found;       // How the declared limits stand.
  std::vector<model::Prediction> predictions;   // What the log holds, …
  std::vector<watch::Label> labels;             // … and the labels.

 private:
  store::Home& home_;
  std::string name_ = kEndpoint;
  PolicyOptions options_;
  watch::BatchRule rule_;
  std::unique_ptr<watch::Batches> batches_;
  PolicyState policy_;
};

// A record that ends after a given number of written rows, as the disk of a killed process does: the
// transaction that would write the next one does not happen.
class MortalRecord {
 public:
  explicit MortalRecord(store::Home& home) : home_(home) {
    std::string script = "INSERT OR REPLACE INTO setting (name, value) VALUES ('rows_left', 1000000000);";
    for (const char* event : {"INSERT ON incident_event", "INSERT ON heal_state", "UPDATE ON endpoint",
                              "INSERT ON model_version", "INSERT ON incident", "INSERT ON setting"}) {
      std::string name = event;
      for (char& c : name) c = c == ' ' ? '_' : c;
      script += "CREATE TRIGGER mortal_" + name + " BEFORE " + event +
                " BEGIN SELECT raise(ABORT, 'the process was killed') WHERE (SELECT CAST(value AS INTEGER) "
                "FROM setting WHERE name = 'rows_left') <= 0; UPDATE setting SET value = value - 1 WHERE "
                "name = 'rows_left'; END;";
    }
    run(script);
  }
  void dies_after(std::int64_t rows) {
    run("UPDATE setting SET value = " + std::to_string(rows) + " WHERE name = 'rows_left';");
  }
  void lives() { dies_after(1'000'000'000); }
  void run(const std::string& script) {
    const Status done =
        home_.database().write([&](store::Connection& connection) { return connection.run_script(script); });
    CHECK(done.has_value());
  }

 private:
  store::Home& home_;
};

// A version of the endpoint's model as training would make it.
inline registry::NewVersion version_with(const std::string& step_key, bool passes) {
  registry::NewVersion version;
  version.project = kProject;
  version.model = kEndpoint;
  version.step_key = step_key;
  version.files["manifest.json"] = {std::string(56, '0') + std::to_string(10'000'000 + step_key.size()), 1};
  version.gates_passed = passes;
  version.actor = "test";
  return version;
}

// Makes the endpoint, with a first version that serves.
inline void open_endpoint(store::Home& home, const base::Clock& clock,
                          const std::string& step_key = "first") {
  CHECK(registry::register_version(home, clock, version_with(step_key, true)).has_value());
  CHECK(registry::declare_endpoint(home, clock, kProject, kEndpoint, kEndpoint).has_value());
  CHECK(
      registry::change_champion(home, clock, kEndpoint, 1, "apply", "endpoint.promote", "first").has_value());
}

// All of the endpoint, newest first.
inline std::vector<Incident> incidents_of(store::Home& home) {
  std::vector<Incident> all;
  const Status looked = home.database().read([&](store::Connection& connection) -> Status {
    all = TRY(list_incidents(connection, kEndpoint, false));
    return {};
  });
  CHECK(looked.has_value());
  return all;
}

}  // namespace trimtab::heal
