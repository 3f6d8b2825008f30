// The loop alone, ten thousand lives of it: a seed draws a stream (quiet, changed, or with wrong labels), a
// trainer that now and then fails or makes a bad version, an owner's settings, and the moments at which the
// process is killed. The record is the real one, and so is everything from live_on downwards; only the model
// is a formula. What must hold in every life is said at the end of each step and of each life. It stands in
// app/ because the order of the loop's passes does (life_of_a_row.cc). TRIMTAB_SIMULATION_SEED=N lives one
// life again, TRIMTAB_SIMULATION_LIVES=N so many.
#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <iostream>
#include <map>
#include <set>
#include <sstream>

#include "app/life_of_a_row.h"
#include "heal/simulated_patient_test.h"
#include "heal/stream_test.h"
#include "store/scratch_folder.h"

namespace trimtab::app {
namespace {

using heal::Concept;
using heal::PolicyState;
using heal::SimulatedPatient;
using heal::StreamRow;

constexpr int kLives = 10'000;
constexpr TimeUs kDay = base::kDayUs;
constexpr std::int64_t kFirstDay = 15'000;
constexpr int kRows = 40;  // A day. Few, but the two concepts are far apart.

enum class Weather { quiet, changed, poisoned };

// What a version believes: one of the two concepts, or the contrary of the second, which is worse than either
// once the world has changed. It is in the key of the training that made it.
enum class Belief { first, second, contrary };

std::string key_of(Belief belief, TimeUs as_of) {
  const char* names[] = {"first ", "second ", "contrary "};
  return names[static_cast<int>(belief)] + std::to_string(as_of);
}
Belief belief_of(const std::string& key) {
  if (key.starts_with("contrary")) return Belief::contrary;
  return key.starts_with("first") ? Belief::first : Belief::second;
}
Belief belief_in(Concept known) { return known == Concept::first ? Belief::first : Belief::second; }
double score_of(Belief belief, const StreamRow& row) {
  if (belief == Belief::contrary) return 1 - heal::Stream::believed(Concept::second, row);
  return heal::Stream::believed(belief == Belief::first ? Concept::first : Concept::second, row);
}

// How often and where the process of a life is killed, and what its owner and its trainer are like.
struct Fate {
  Weather weather = Weather::quiet;
  int days = 0;
  int turns_on = 0;  // Day of the change, or of the first wrong label.
  int poison_days = 0;
  int label_days = 0;  // Until labels are there.
  int bad_versions_percent = 0, failed_trainings_percent = 0;
  int kills_percent = 0;  // Of the days.
  heal::PolicyOptions options;
};

Fate draw(heal::Stream& random) {
  Fate fate;
  fate.weather = static_cast<Weather>(random.below(3));
  fate.turns_on = 3 + static_cast<int>(random.below(4));
  fate.days = fate.weather == Weather::changed ? 28 : 10;
  fate.label_days = static_cast<int>(random.below(3));
  fate.options.heal.poison_budget = static_cast<int>(random.below(5));
  fate.options.heal.retrains_max = 1 + static_cast<int>(random.below(3));
  fate.poison_days = std::min(fate.options.heal.poison_budget, 1 + static_cast<int>(random.below(4)));
  if (random.below(3) == 0) fate.bad_versions_percent = 50;
  if (random.below(3) == 0) fate.failed_trainings_percent = 50;
  if (random.below(2) == 0) fate.kills_percent = 40;
  return fate;
}

class Life {
 public:
  Life(std::uint64_t seed, store::Home& home, heal::MortalRecord& record)
      : random_(seed), fate_(draw(random_)), home_(home), record_(record), clock_(kFirstDay * kDay) {
    wipe();
    heal::open_endpoint(home_, clock_, key_of(Belief::first, 0));
    watch::BatchRule rule;
    rule.label_delay = 4 * kDay;
    patient_.emplace(home_, fate_.options, rule);
  }

  // The first thing that did not hold; empty when all did.
  std::string live() {
    for (int day = 0; day < fate_.days && wrong_.empty(); ++day) {
      answer_a_day(day);
      tell_labels(day - fate_.label_days);
      // The clock stops where something is due, as the healer lets it.
      for (const TimeUs hour : {kDay + 1, kDay + 2 * base::kHourUs}) {
        clock_.advance_to((kFirstDay + day) * kDay + hour);
        look();
      }
      if (wrong_.empty()) check_now();
    }
    if (wrong_.empty()) judge_the_end();
    return wrong_;
  }
  const Fate& fate() const { return fate_; }
  // What the journal says, for whoever lives one life again.
  std::string story() {
    std::string text;
    for (const heal::Incident& incident : incidents()) {
      for (const heal::IncidentEvent& event : incident.events) {
        text += "day " + std::to_string(event.time / kDay - kFirstDay) + ": " + event.kind + " " +
                event.detail.dump() + "\n";
      }
    }
    return text + patient_->policy().to_json().dump() + "\n";
  }
  std::int64_t rollbacks() { return count("SELECT count(*) FROM audit WHERE action = 'endpoint.roll_back'"); }
  int trainings() const { return static_cast<int>(begun_.size()); }

 private:
  void wipe() {
    record_.lives();
    record_.run(
        "DELETE FROM incident_event; DELETE FROM incident; DELETE FROM heal_state; DELETE FROM "
        "batch_performance;"
        "DELETE FROM endpoint; DELETE FROM model_alias; DELETE FROM gate_result; DELETE FROM model_version;"
        "DELETE FROM registered_model; DELETE FROM artifact; DELETE FROM lineage; DELETE FROM run_tag; "
        "DELETE FROM metric_journal; DELETE FROM metric_block; DELETE FROM metric_summary; "
        "DELETE FROM run_param; DELETE FROM run; DELETE FROM audit;");
  }
  bool is_on(Weather weather, int day) const { return fate_.weather == weather && day >= fate_.turns_on; }
  Concept truth_on(int day) const { return is_on(Weather::changed, day) ? Concept::second : Concept::first; }
  bool is_poisoned(int day) const {
    return is_on(Weather::poisoned, day) && day < fate_.turns_on + fate_.poison_days;
  }

  void answer_a_day(int day) {
    for (int i = 0; i < kRows; ++i) {
      const StreamRow row = random_.row(truth_on(day));
      model::Prediction prediction;
      prediction.id = std::to_string(day) + "/" + std::to_string(i);
      prediction.event_time = prediction.received = (kFirstDay + day) * kDay + i;
      prediction.features.assign(row.features, row.features + 2);
      prediction.scores.push_back(scored(*patient_->deployed, model::Role::served, row));
      if (patient_->warm && patient_->warm != patient_->deployed) {
        prediction.scores.push_back(scored(*patient_->warm, model::Role::previous, row));
      }
      // Poisoned labels follow the other concept.
      const double label = is_poisoned(day) ? random_.truth_of(Concept::second, row) : row.truth;
      labels_[day].push_back({prediction.id, label, 0});
      patient_->answer(std::move(prediction));
    }
  }
  model::VersionScore scored(std::int64_t version, model::Role role, const StreamRow& row) {
    return {version, role, score_of(known_by(version), row)};
  }
  Belief known_by(std::int64_t version) {
    const auto known = known_.find(version);
    if (known != known_.end()) return known->second;
    const std::string key = registry::find_version(home_, heal::kEndpoint, version).value().step_key;
    return known_[version] = belief_of(key);
  }
  void tell_labels(int day) {
    for (watch::Label& label : labels_[day]) patient_->tell(std::move(label));
    labels_.erase(day);
  }

  // Learns what the newest day before the test shows, and is judged by what is true on the newest.
  Result<heal::Trained> train(const flow::TrainingRequest& request) {
    begun_.insert(request.as_of);
    const std::uint64_t dice = (static_cast<std::uint64_t>(request.as_of / kDay) * 2654435761U) % 100;
    if (static_cast<int>(dice) < fate_.failed_trainings_percent && failed_.insert(request.as_of).second) {
      return fail(ErrorCode::step_failed, "the training was killed");
    }
    const auto day_of = [](TimeUs time) { return static_cast<int>(time / kDay - kFirstDay); };
    const Concept newest = truth_on(day_of(request.as_of) - 1);
    const Concept seen = truth_on(day_of(request.test_from.value_or(request.as_of)) - 1);
    const bool is_bad = static_cast<int>(dice * 7 % 100) < fate_.bad_versions_percent;
    const Belief learnt = is_bad ? Belief::contrary : belief_in(seen);
    const bool passes =
        learnt == belief_in(newest) || is_bad;  // A bad one is bad because its gates did not see it.
    return heal::Trained{heal::version_with(key_of(learnt, request.as_of), passes), Json::object()};
  }

  void look() {
    const bool dies = static_cast<int>(random_.below(100)) < fate_.kills_percent;
    if (dies) record_.dies_after(static_cast<std::int64_t>(random_.below(9)));
    const Status looked = live_on(rounds_, *patient_);
    if (!dies && !looked) wrong_ = "a look failed: " + looked.error().message;
    if (dies) {
      record_.lives();
      patient_->restart();
      const Status again = live_on(rounds_, *patient_);
      if (!again) wrong_ = "a look after a restart failed: " + again.error().message;
    }
  }

  std::vector<heal::Incident> incidents() {
    std::vector<heal::Incident> found;
    CHECK(home_.database()
              .read([&](store::Connection& connection) -> Status {
                found = TRY(heal::list_incidents(connection, heal::kEndpoint, false));
                return {};
              })
              .has_value());
    return found;
  }

  // What must hold at any moment at which no look is under way.
  void check_now() {
    const registry::EndpointFacts facts = registry::find_endpoint(home_, heal::kEndpoint).value();
    if (!facts.serving_version) return blame("there is no champion");
    const registry::VersionFacts champion =
        registry::find_version(home_, heal::kEndpoint, *facts.serving_version).value();
    if (champion.gates != "passed") return blame("the champion has not passed its gates");
    if (patient_->deployed != facts.serving_version)
      return blame("another version answers than the champion");
    PolicyState& policy = patient_->policy();
    if (std::ssize(policy.retrains) > fate_.options.heal.retrains_max) return blame("the budget is exceeded");
    const std::int64_t failures = count(
        "SELECT count(*) FROM incident_event WHERE kind = 'outcome' AND "
        "json_extract(detail_json, '$.result') IN ('refused', 'failed', 'rolled back')");
    if (policy.failed_heals > failures) return blame("a failed heal was counted twice");
    int open = 0;
    std::vector<TimeUs> retrains;
    for (const heal::Incident& incident : incidents()) {
      open += incident.closed_at ? 0 : 1;
      check_journal(incident, retrains);
    }
    if (open > 1) return blame("there are two open incidents");
    for (const TimeUs time : retrains) {
      const auto in_window = [&](TimeUs other) {
        return other <= time && time - other < fate_.options.heal.retrains_window;
      };
      const auto count = std::count_if(retrains.begin(), retrains.end(), in_window);
      if (count > fate_.options.heal.retrains_max)
        return blame("the journal has more retrains than the budget");
    }
  }

  void check_journal(const heal::Incident& incident, std::vector<TimeUs>& retrains) {
    bool is_begun = false, is_closed = false;
    for (const heal::IncidentEvent& event : incident.events) {
      if (is_closed) return blame("an event after the end");
      if (event.kind == "treatment") {
        if (is_begun) return blame("a treatment began before the one before it had ended");
        is_begun = true;
        if (event.detail.text_or("treatment") == "retrain") retrains.push_back(event.time);
      }
      if (event.kind == "outcome") {
        if (!is_begun) return blame("a treatment has two outcomes");
        is_begun = false;
      }
      is_closed = event.kind == "closed";
    }
    if (is_closed && is_begun) blame("an incident ended with a treatment under way");
    if (is_closed != incident.closed_at.has_value()) blame("the state is not what the journal says");
  }

  std::int64_t count(const std::string& sql) {
    std::int64_t counted = 0;
    CHECK(home_.database()
              .read([&](store::Connection& connection) -> Status {
                store::Statement row = connection.prepare(sql);
                TRY(row.step());
                counted = row.integer(0);
                return {};
              })
              .has_value());
    return counted;
  }
  // Each outcome of the journal has its one effect in the record.
  void compare_outcomes(const std::string& result, const std::string& actions) {
    const std::int64_t outcomes = count(
        "SELECT count(*) FROM incident_event WHERE kind = 'outcome' AND "
        "json_extract(detail_json, '$.result') = '" +
        result + "'");
    const std::int64_t effects =
        count("SELECT count(*) FROM audit WHERE actor = 'heal' AND action IN (" + actions + ")");
    const std::int64_t under_way = patient_->policy().treating ? 1 : 0;
    if (effects < outcomes || effects > outcomes + under_way) blame(result + " is not what was done");
  }

  void judge_the_end() {
    compare_outcomes("promoted", "'endpoint.promote', 'endpoint.refit'");
    compare_outcomes("rolled back", "'endpoint.roll_back'");
    const registry::EndpointFacts facts = registry::find_endpoint(home_, heal::kEndpoint).value();
    if (facts.health == "needs_attention") return;
    // Where trainings fail and bad versions get past their gates, the last word may not be spoken yet.
    const bool is_unlucky = fate_.bad_versions_percent + fate_.failed_trainings_percent > 0;
    const TimeUs lately = clock_.now() - 12 * kDay;
    for (const heal::Incident& incident : incidents()) {
      if (is_unlucky && incident.events.back().time >= lately) return;
    }
    if (facts.health != "healthy") return blame("in the end it is " + facts.health);
    if (known_by(*facts.serving_version) != belief_in(truth_on(fate_.days - 1))) {
      blame("it is healthy with a champion that is wrong");
    }
  }

  void blame(const std::string& words) {
    if (wrong_.empty()) wrong_ = words + " (day " + std::to_string(clock_.now() / kDay - kFirstDay) + ")";
  }

  heal::Stream random_;
  Fate fate_;
  store::Home& home_;
  heal::MortalRecord& record_;
  base::ManualClock clock_;
  heal::Rounds rounds_{
      home_, clock_,
      [this](const flow::TrainingRequest& request, const std::string&) { return train(request); },
      base::kHourUs};
  std::optional<SimulatedPatient> patient_;
  std::map<int, std::vector<watch::Label>> labels_;  // Of days whose labels are not yet there.
  std::map<std::int64_t, Belief> known_;
  std::set<TimeUs> begun_, failed_;
  std::string wrong_;
};

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::string shown(const Fate& fate) {
  std::ostringstream text;
  text << (fate.weather == Weather::quiet     ? "quiet"
           : fate.weather == Weather::changed ? "changed"
                                              : "poisoned")
       << " from day " << fate.turns_on << ", labels after " << fate.label_days << " days, poison budget "
       << fate.options.heal.poison_budget << ", retrains " << fate.options.heal.retrains_max
       << ", bad versions " << fate.bad_versions_percent << " %, failed trainings "
       << fate.failed_trainings_percent << " %, kills " << fate.kills_percent << " %";
  return text.str();
}

TEST(LoopSimulation, WhateverHappensTheLoopKeepsItsPromises) {
  const std::uint64_t only = number_from("TRIMTAB_SIMULATION_SEED", 0);
  const std::uint64_t lives = number_from("TRIMTAB_SIMULATION_LIVES", kLives);
  // What a disk takes for an fsync is not what is tried here.
  if (std::filesystem::is_directory("/dev/shm")) ::setenv("TMPDIR", "/dev/shm", 0);
  store::ScratchFolder scratch;
  const base::ManualClock clock(kFirstDay * kDay);
  const std::unique_ptr<store::Home> home = store::Home::open(scratch / "home", clock).value();
  heal::MortalRecord record(*home);
  std::map<Weather, int> lived, trained;
  std::int64_t taken_back = 0;
  int broken = 0;
  for (std::uint64_t seed = only > 0 ? only : 1; seed <= (only > 0 ? only : lives) && broken < 5; ++seed) {
    Life life(seed, *home, record);
    const std::string wrong = life.live();
    ++lived[life.fate().weather];
    if (wrong.empty()) taken_back += life.rollbacks();
    if (life.trainings() > 0) ++trained[life.fate().weather];
    if (only > 0) std::cout << shown(life.fate()) << "\n" << life.story();
    if (wrong.empty()) continue;
    ++broken;
    ADD_FAILURE() << wrong << ": TRIMTAB_SIMULATION_SEED=" << seed << " (" << shown(life.fate()) << ")";
  }
  if (only > 0 || broken > 0) return;
  // A false alarm begins in at most one batch of a thousand (Ville's inequality), and a life has ten.
  EXPECT_LE(trained[Weather::quiet], lived[Weather::quiet] * 10 / 1000);
  EXPECT_LE(trained[Weather::poisoned], lived[Weather::poisoned] * 10 / 1000);
  EXPECT_GE(trained[Weather::changed], lived[Weather::changed] * 95 / 100);
  EXPECT_GT(taken_back, lived[Weather::changed] / 20)
      << "lives without a version that is taken back try little";
}

}  // namespace
}  // namespace trimtab::app
