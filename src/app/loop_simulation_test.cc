// The loop alone, ten thousand lives of it: a seed draws a stream (quiet, changed, or with wrong labels), a
// trainer that now and then fails or makes a bad version, versions that fail requests, take too long or do
// not load, an owner's settings (rollouts, approvals, `mode: suggest`), what people do meanwhile, and the
// moments at which the process is killed. The record is the real one, and so is everything from live_on
// downwards; only the model is a formula. What must hold in every life is said in loop_promises_test.h; what
// must have come of it in the end, here. A life with kills is lived once more without, and must be the same
// life. It stands in app/ because the order of the loop's passes does (life_of_a_row.cc).
// TRIMTAB_SIMULATION_SEED=N lives one life again, TRIMTAB_SIMULATION_LIVES=N so many.
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <iostream>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "app/life_of_a_row.h"
#include "app/loop_fate_test.h"
#include "app/loop_promises_test.h"
#include "base/log.h"
#include "heal/approval.h"
#include "heal/hand_rollback.h"
#include "heal/simulated_patient_test.h"
#include "heal/stream_test.h"
#include "heal/version_approval.h"
#include "registry/pushes.h"
#include "store/scratch_folder.h"

namespace trimtab::app {
namespace {

using heal::Concept;
using heal::PolicyState;
using heal::SimulatedPatient;
using heal::StreamRow;

constexpr std::uint64_t kLives = 10'000;
constexpr TimeUs kDay = base::kDayUs;
constexpr std::int64_t kFirstDay = 15'000;
constexpr int kRows = 40;          // A day. Few, but the two concepts are far apart.
constexpr int kQuietDaysMax = 60;  // That a life goes on for what is still under way.
constexpr TimeUs kSlowUs = 20'000, kQuickUs = 400;

constexpr TimeUs kLookAt[kParts] = {kDay / 2, kDay + 1, kDay + 2 * base::kHourUs};

class Life {
 public:
  Life(std::uint64_t seed, bool is_killed, store::Home& home, heal::MortalRecord& record)
      : seed_(seed),
        random_(seed),
        killer_(~seed),
        fate_(draw(random_)),
        is_killed_(is_killed),
        home_(home),
        record_(record),
        clock_(kFirstDay * kDay) {
    wipe();
    heal::open_endpoint(home_, clock_, "first");
    watch::BatchRule rule;
    rule.label_delay = 4 * kDay;
    patient_.emplace(home_, fate_.options, rule);
    patient_->says = [this](std::int64_t version, const double* features) {
      return score_of(nature_of(version).belief, {{features[0], features[1]}, 0});
    };
    patient_->is_broken = [this](std::int64_t version) {
      return nature_of(version).illness == Illness::broken;
    };
  }

  // The first thing that did not hold; empty when all did.
  std::string live() {
    for (int day = 0; day < fate_.days && wrong_.empty(); ++day) live_a_day(day);
    for (int more = 0; more < kQuietDaysMax && promises_.is_under_way() && wrong_.empty(); ++more) {
      live_a_day(fate_.days + more);
    }
    if (wrong_.empty()) judge_the_end();
    return wrong_;
  }
  const Fate& fate() const { return fate_; }
  const Promises& promises() const { return promises_; }
  // What the journal says, line by line.
  std::string story() {
    std::string text;
    for (const heal::Incident& incident : incidents(false)) {
      for (const heal::IncidentEvent& event : incident.events) {
        text += "day " + std::to_string(event.time / kDay - kFirstDay) + ", incident " +
                std::to_string(incident.id) + ": " + event.kind + " " + event.detail.dump() + "\n";
      }
    }
    return text + "champion " + std::to_string(*promises_.facts().serving_version) + ", " +
           promises_.facts().health + "\n" + patient_->policy().to_json().dump() + "\n";
  }
  int trainings() const { return static_cast<int>(begun_.size()); }

 private:
  void wipe() {
    record_.lives();
    record_.run(
        "DELETE FROM incident_event; DELETE FROM incident; DELETE FROM heal_state; DELETE FROM "
        "batch_performance; DELETE FROM endpoint; DELETE FROM model_alias; DELETE FROM model_version_tag; "
        "DELETE FROM gate_result; DELETE FROM model_version; DELETE FROM registered_model; "
        "DELETE FROM artifact; DELETE FROM lineage; DELETE FROM run_tag; DELETE FROM metric_journal; "
        "DELETE FROM metric_block; DELETE FROM metric_summary; DELETE FROM run_param; DELETE FROM run; "
        "DELETE FROM audit; DELETE FROM setting WHERE name LIKE '%/late';");
  }
  bool is_on(Weather weather, int day) const { return fate_.weather == weather && day >= fate_.turns_on; }
  Concept truth_on(int day) const { return is_on(Weather::changed, day) ? Concept::second : Concept::first; }
  bool is_poisoned(int day) const {
    return is_on(Weather::poisoned, day) && day < fate_.turns_on + fate_.poison_days;
  }
  int today() const { return static_cast<int>((clock_.now() - 2) / kDay - kFirstDay); }

  void live_a_day(int day) {
    for (int part = 0; part < kParts && wrong_.empty(); ++part) {
      if (part < 2) answer_rows(day, part * kRows / 2, (part + 1) * kRows / 2);
      if (part == 1) tell_labels(day - fate_.label_days);
      clock_.advance_to((kFirstDay + day) * kDay + kLookAt[part]);
      for (const Act& act : fate_.acts) {
        if (act.day == day && act.part == part) do_as_people_do(act);
      }
      if (fate_.asks_people()) answer_plans();
      look();
    }
  }

  struct Seat {
    std::int64_t version = 0;
    model::Role role = model::Role::served;
    bool fails = false, slow = false;
  };

  void answer_rows(int day, int from, int to) {
    for (int i = from; i < to; ++i) answer(day, i, random_.row(truth_on(day)));
  }
  // Who is asked, in the order in which they answer for one another: the canary its share, then the champion,
  // then the one before it.
  std::vector<Seat> seats_for(std::uint64_t request) {
    std::vector<Seat> seats = {{*patient_->deployed, model::Role::served}};
    const std::optional<std::int64_t> other = patient_->challenger;
    if (patient_->warm && patient_->warm != patient_->deployed && patient_->warm != other)
      seats.push_back({*patient_->warm, model::Role::previous});
    if (other && nature_of(*other).illness != Illness::broken) {
      const bool is_canary = patient_->share > 0;
      const double place = static_cast<double>(drawn_for(seed_, request, 1) % 1000) / 1000;
      const Seat seat{*other, is_canary ? model::Role::canary : model::Role::shadow};
      seats.insert(place < patient_->share ? seats.begin() : seats.end(), seat);
    }
    for (Seat& seat : seats) be_ill(request, seat);
    return seats;
  }
  void be_ill(std::uint64_t request, Seat& seat) {
    const Nature& nature = nature_of(seat.version);
    if (asked_[seat.version]++ < nature.from_request) return;
    const std::uint64_t dice =
        drawn_for(seed_, request, 100 + static_cast<std::uint64_t>(seat.version)) % 100;
    seat.fails = nature.illness == Illness::fails && static_cast<int>(dice) < nature.fails_percent;
    seat.slow = nature.illness == Illness::slow;
  }
  void answer(int day, int i, const StreamRow& row) {
    const std::uint64_t request = static_cast<std::uint64_t>(day) * kRows + static_cast<std::uint64_t>(i) + 1;
    const std::vector<Seat> seats = seats_for(request);
    count(request, seats);
    // Poisoned labels follow the other concept.
    const double label = is_poisoned(day) ? random_.truth_of(Concept::second, row) : row.truth;
    const auto answers = [](const Seat& seat) { return !seat.fails && seat.role != model::Role::shadow; };
    const auto by = std::find_if(seats.begin(), seats.end(), answers);
    if (by == seats.end()) return;  // Nobody could answer.
    if (promises_.is_gone(by->version)) blame("a version that was sent away answers");
    model::Prediction prediction;
    prediction.id = std::to_string(day) + "/" + std::to_string(i);
    prediction.event_time = prediction.received = (kFirstDay + day) * kDay + i;
    prediction.features.assign(row.features, row.features + 2);
    prediction.scores.push_back(scored(*by, row));
    for (const Seat& seat : seats) {
      if (seat.version != by->version) prediction.scores.push_back(scored(seat, row));
    }
    labels_[day].push_back({prediction.id, label, 0});
    patient_->answer(std::move(prediction));
  }
  model::VersionScore scored(const Seat& seat, const StreamRow& row) {
    const double score = seat.fails ? std::nan("") : score_of(nature_of(seat.version).belief, row);
    return {seat.version, seat.role, score};
  }
  void count(std::uint64_t request, const std::vector<Seat>& seats) {
    std::vector<serve::Asked> asked;
    for (const Seat& seat : seats) asked.push_back({seat.version, seat.fails, seat.fails ? "it cannot" : ""});
    patient_->counted->note(request, asked, clock_.now());
    const auto champion = std::find_if(seats.begin(), seats.end(),
                                       [](const Seat& seat) { return seat.role == model::Role::served; });
    for (const Seat& seat : seats) {
      if (seat.version == champion->version || seat.fails || champion->fails) continue;
      patient_->counted->note_times(champion->version, seat.version, champion->slow ? kSlowUs : kQuickUs,
                                    seat.slow ? kSlowUs : kQuickUs);
    }
  }
  const Nature& nature_of(std::int64_t version) {
    const auto known = known_.find(version);
    if (known != known_.end()) return known->second;
    const std::string key = registry::find_version(home_, heal::kEndpoint, version).value().step_key;
    return known_[version] = natures_[key];
  }
  void tell_labels(int day) {
    for (watch::Label& label : labels_[day]) patient_->tell(std::move(label));
    labels_.erase(day);
  }

  registry::NewVersion make(const std::string& key, const Nature& nature, bool passes) {
    natures_[key] = nature;
    registry::NewVersion version = heal::version_with(key, passes && !fate_.wants_approval);
    if (!fate_.wants_approval || !passes) return version;
    version.waits = true;
    version.gates.push(Json::object({{"gate", "approvals >= 1"},
                                     {"verdict", "pending"},
                                     {"measured", Json::object({{"value", 0.0}})},
                                     {"threshold", 1}}));
    return version;
  }

  // Learns what the newest day before the test shows, and is judged by what is true on the newest. The same
  // request has the same outcome.
  Result<heal::Trained> train(const flow::TrainingRequest& request) {
    begun_.insert(request.as_of);
    heal::Stream dice(drawn_for(seed_, static_cast<std::uint64_t>(request.as_of), 2));
    if (static_cast<int>(dice.below(100)) < fate_.failed_trainings_percent)
      return fail(ErrorCode::step_failed, "the training was killed");
    const auto day_of = [](TimeUs time) { return static_cast<int>(time / kDay - kFirstDay); };
    const Concept newest = truth_on(day_of(request.as_of) - 1);
    const Concept seen = truth_on(day_of(request.test_from.value_or(request.as_of)) - 1);
    const bool is_bad = static_cast<int>(dice.below(100)) < fate_.bad_versions_percent;
    Nature nature{.belief = is_bad ? Belief::contrary : belief_in(seen)};
    draw_illness(dice, fate_.ill_versions_percent, nature);
    // A bad one is bad because its gates did not see it.
    const bool passes = is_bad || nature.belief == belief_in(newest);
    return heal::Trained{make("trained " + std::to_string(request.as_of), nature, passes), Json::object()};
  }

  void do_as_people_do(const Act& act) {
    promises_.note_act(clock_.now());
    until_it_is_done([&]() -> Status {
      if (act.kind == Act::Kind::roll_back) return take_back();
      std::int64_t version = 1 + static_cast<std::int64_t>(act.which) % versions();
      if (act.kind == Act::Kind::push) {
        const std::string key = "pushed " + std::to_string(act.day) + "/" + std::to_string(act.which);
        version = TRY(registry::register_version(home_, clock_, make(key, act.nature, act.passes))).version;
      }
      pushed_ = version;
      return registry::push_version(home_, clock_, heal::kEndpoint, version, "ada", "by hand");
    });
  }
  Status take_back() {
    const auto report =
        heal::roll_back_by_hand(home_, clock_, {.endpoint = heal::kEndpoint}, patient_->policy());
    const bool is_refused = !report && (report.error().code == ErrorCode::not_found ||
                                        report.error().code == ErrorCode::conflict);
    if (is_refused) return {};
    if (!report) return fail(report.error());
    pushed_.reset();
    return patient_->redeploy();
  }
  std::int64_t versions() {
    return static_cast<std::int64_t>(registry::list_versions(home_, heal::kEndpoint).value().size());
  }

  void answer_plans() {
    for (const heal::Incident& incident : incidents(true)) {
      const heal::IncidentEvent* plan = incident.waiting_plan();
      if (plan == nullptr || fate_.person == Person::absent) continue;
      const auto number = static_cast<std::uint64_t>(incident.id * 1000 + plan->ordinal);
      heal::Stream dice(drawn_for(seed_, number, 3));
      const auto after = static_cast<TimeUs>(dice.below(6)) * kDay / 2;
      const bool is_capricious = fate_.person == Person::capricious;
      const bool never = is_capricious && dice.below(4) == 0;
      const bool rejects = is_capricious && dice.below(3) == 0;
      const bool twice = is_capricious && dice.below(2) == 0;
      if (!never && clock_.now() >= plan->time + after) answer_plan(incident, *plan, !rejects, twice);
    }
  }
  void answer_plan(const heal::Incident& incident, const heal::IncidentEvent& plan, bool approves,
                   bool twice) {
    heal::PlanDecision wish{.incident = incident.id, .approves = approves, .plan = plan.ordinal};
    if (approves) promises_.approve(incident.id, plan.ordinal);
    promises_.note_act(clock_.now());
    until_it_is_done([&]() -> Status {
      const auto report = heal::decide_on_plan(home_, clock_, wish, patient_->policy());
      if (report || report.error().code != ErrorCode::conflict)
        return report ? Status() : fail(report.error());
      // There is another champion by now, or it was done before the kill.
      wish.approves = false;
      (void)heal::decide_on_plan(home_, clock_, wish, patient_->policy());
      return {};
    });
    if (!twice) return;
    if (heal::decide_on_plan(home_, clock_, wish, patient_->policy())) blame("a plan was decided on twice");
  }

  // Does something that the process may be killed in the middle of: then it is restarted, and does it again.
  void until_it_is_done(const std::function<Status()>& work) {
    const bool dies = static_cast<int>(killer_.below(100)) < fate_.kills_percent && is_killed_;
    if (dies) record_.dies_after(static_cast<std::int64_t>(killer_.below(12)));
    const Status done = work();
    if (dies) {
      record_.lives();
      keep_promises("killed");
      patient_->restart();
    }
    const Status again = dies && !done ? work() : done;
    if (!again && (dies || !done)) {
      if (!dies || !again) blame(std::string(dies ? "after a restart: " : "") + again.error().message);
    }
  }
  void look() {
    const PolicyState& policy = patient_->policy();
    const std::int64_t champion = *patient_->deployed;
    until_it_is_done([&] { return live_on(rounds_, *patient_); });
    if (!wrong_.empty()) return;
    keep_promises("at rest");
    const registry::EndpointFacts& facts = promises_.facts();
    if (patient_->deployed != facts.serving_version) blame("another version answers than the champion");
    if (patient_->challenger != facts.challenger_version) blame("another challenger runs than the record's");
    if (patient_->challenger && patient_->share != facts.challenger_share) blame("it has another share");
    if (policy.failed_heals > promises_.failures()) blame("a failed heal was counted twice");
    if (facts.serving_version != champion) judge_the_new_champion(champion);
  }
  void keep_promises(const std::string& when) {
    const std::string breach = promises_.breach();
    if (!breach.empty()) blame(breach + ", " + when);
  }

  // A rollout is there to find out what is wrong with a version, if nothing is wrong with the champion.
  void judge_the_new_champion(std::int64_t former) {
    const std::int64_t version = *patient_->deployed;
    if (!fate_.options.rollout || !newest_is_promotion(version)) return;
    const Nature& of_new = nature_of(version);
    const Nature& of_former = nature_of(former);
    if (of_former.illness != Illness::none) return;
    const bool was_right = of_former.belief == belief_in(truth_on(today()));
    if (of_new.belief == Belief::contrary && was_right) blame("a bad version has passed its rollout");
    if (of_new.illness == Illness::broken) blame("a version that does not load is the champion");
    const bool is_ill = of_new.illness == Illness::fails || of_new.illness == Illness::slow;
    if (is_ill && of_new.from_request == 0) blame("an ill version has passed its rollout");
  }
  bool newest_is_promotion(std::int64_t version) {
    for (const heal::Incident& incident : incidents(false)) {
      for (auto event = incident.events.rbegin(); event != incident.events.rend(); ++event) {
        if (event->kind != "outcome") continue;
        return event->detail.text_or("result") == "promoted" && event->detail.int_or("version") == version;
      }
    }
    return false;
  }

  std::vector<heal::Incident> incidents(bool open_only) {
    std::vector<heal::Incident> found;
    CHECK(home_.database()
              .read([&](store::Connection& connection) -> Status {
                found = TRY(heal::list_incidents(connection, heal::kEndpoint, open_only));
                return {};
              })
              .has_value());
    return found;
  }

  void judge_the_end() {
    if (promises_.is_under_way()) return blame("what was begun does not end");
    judge_the_pushes();
    const registry::EndpointFacts& facts = promises_.facts();
    if (facts.health == "needs_attention") return;
    // Where trainings fail and bad versions get past their gates, the last word may not be spoken yet; and
    // people may have had theirs.
    const bool is_unlucky = fate_.bad_versions_percent + fate_.failed_trainings_percent > 0;
    if (is_unlucky && promises_.newest_event() >= clock_.now() - 12 * kDay) return;
    if (!fate_.is_left_alone()) return;
    if (facts.health != "healthy") return blame("in the end it is " + facts.health);
    if (nature_of(*facts.serving_version).belief != belief_in(truth_on(fate_.days - 1))) {
      blame("it is healthy with a champion that is wrong");
    }
  }
  // Whoever pushes a version hears what becomes of it.
  void judge_the_pushes() {
    const auto pending = registry::pushed_version(home_, heal::kEndpoint).value();
    const bool waits = promises_.has_open_incident();
    if (pending && !waits) blame("a push is left lying");
    if (!pushed_ || pending == pushed_) return;
    const bool has_served = registry::has_served(home_, heal::kEndpoint, *pushed_).value();
    const std::string why = registry::why_refused(home_, heal::kEndpoint, *pushed_).value();
    if (!has_served && why.empty()) blame("a push was lost without a word");
  }

  void blame(const std::string& words) {
    if (wrong_.empty()) wrong_ = words + " (day " + std::to_string(today()) + ")";
  }

  std::uint64_t seed_;
  heal::Stream random_, killer_;
  Fate fate_;
  bool is_killed_;
  store::Home& home_;
  heal::MortalRecord& record_;
  base::ManualClock clock_;
  heal::Rounds rounds_{
      home_, clock_,
      [this](const flow::TrainingRequest& request, const std::string&) { return train(request); },
      base::kHourUs};
  Promises promises_{home_, fate_};
  std::optional<SimulatedPatient> patient_;
  std::map<int, std::vector<watch::Label>> labels_;       // Of days whose labels are not yet there.
  std::map<std::string, Nature> natures_{{"first", {}}};  // By the training that made it.
  std::map<std::int64_t, Nature> known_;
  std::map<std::int64_t, int> asked_;
  std::optional<std::int64_t> pushed_;  // Last, by a person.
  std::set<TimeUs> begun_;
  std::string wrong_;
};

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

// What all lives together have seen. Thread-safe.
class Tally {
 public:
  void add(const Life& life) {
    const std::scoped_lock lock(mutex_);
    const Promises& promises = life.promises();
    promoted_by_rollout_ += promises.promoted_by_rollout();
    sent_back_ += promises.sent_back();
    rolled_back_ += promises.rolled_back();
    ++lives_;
    if (!life.fate().is_left_alone()) return;
    ++lived_[life.fate().weather];
    if (life.trainings() > 0) ++trained_[life.fate().weather];
  }
  void expect_lives_that_try_something() {
    EXPECT_GT(promoted_by_rollout_, lives_ / 20);
    EXPECT_GT(sent_back_, lives_ / 20);
    EXPECT_GT(rolled_back_, lives_ / 20);
    // A false alarm begins in at most one batch of a thousand (Ville's inequality), and a life has ten.
    EXPECT_LE(trained_[Weather::quiet], lived_[Weather::quiet] * 10 / 1000);
    EXPECT_LE(trained_[Weather::poisoned], lived_[Weather::poisoned] * 10 / 1000);
    EXPECT_GE(trained_[Weather::changed], lived_[Weather::changed] * 95 / 100);
  }

 private:
  std::mutex mutex_;
  std::map<Weather, int> lived_, trained_;
  int lives_ = 0, promoted_by_rollout_ = 0, sent_back_ = 0, rolled_back_ = 0;
};

// Lives on a record of its own, again and again.
class World {
 public:
  // The first thing that did not hold in the life of the seed.
  std::string live(std::uint64_t seed, Tally& tally, bool tells) {
    Life life(seed, true, *home_, record_);
    std::string wrong = life.live();
    tally.add(life);
    const std::string story = wrong.empty() || tells ? life.story() : "";
    if (tells) std::cout << shown(life.fate()) << "\n" << story;
    // Counts of a trial that no look has kept are lost with the process; and so is what former champions were
    // asked, where people change them quickly. Such lives may differ in time.
    const Fate& fate = life.fate();
    const bool is_compared = fate.kills_percent > 0 && fate.ill_versions_percent == 0 && fate.acts.empty();
    if (!wrong.empty() || !is_compared) return told(wrong, life.fate(), seed);
    Life twin(seed, false, *home_, record_);
    wrong = twin.live();
    if (wrong.empty() && twin.story() != story) wrong = "without its kills it is another life";
    if (tells && !wrong.empty()) std::cout << "without kills:\n" << twin.story();
    return told(wrong, life.fate(), seed);
  }

 private:
  static std::string told(const std::string& wrong, const Fate& fate, std::uint64_t seed) {
    if (wrong.empty()) return "";
    return wrong + ": TRIMTAB_SIMULATION_SEED=" + std::to_string(seed) +
           " build/release/tests/test_app --gtest_filter='LoopSimulation*'\n  (" + shown(fate) + ")";
  }

  store::ScratchFolder scratch_;
  const base::ManualClock clock_{kFirstDay * kDay};
  const std::unique_ptr<store::Home> home_ = store::Home::open(scratch_ / "home", clock_).value();
  heal::MortalRecord record_{*home_};
};

TEST(LoopSimulation, WhateverHappensTheLoopKeepsItsPromises) {
  const std::uint64_t only = number_from("TRIMTAB_SIMULATION_SEED", 0);
  const std::uint64_t last = only > 0 ? only : number_from("TRIMTAB_SIMULATION_LIVES", kLives);
  // What a disk takes for an fsync is not what is tried here.
  if (std::filesystem::is_directory("/dev/shm")) ::setenv("TMPDIR", "/dev/shm", 0);
  base::set_log_level(base::LogLevel::error);  // Trainings fail by the thousand.
  Tally tally;
  std::atomic<std::uint64_t> next = only > 0 ? only : 1;
  std::atomic<int> broken = 0;
  const auto live_some = [&] {
    World world;
    for (std::uint64_t seed = next++; seed <= last && broken < 5; seed = next++) {
      const std::string wrong = world.live(seed, tally, only > 0);
      if (wrong.empty()) continue;
      ++broken;
      ADD_FAILURE() << wrong;
    }
  };
  std::thread other(live_some);
  live_some();
  other.join();
  base::set_log_level(base::LogLevel::info);
  if (only == 0 && broken == 0) tally.expect_lives_that_try_something();
}

}  // namespace
}  // namespace trimtab::app
