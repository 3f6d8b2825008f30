// What the loop promises, held against the record alone: at rest after a look, and also at the moment at
// which the process has been killed in the middle of one. Each promise is a function with its own words.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "app/loop_fate_test.h"
#include "heal/rollout.h"
#include "heal/simulated_patient_test.h"
#include "heal/version_approval.h"

namespace trimtab::app {

class Promises {
 public:
  Promises(store::Home& home, const Fate& fate) : home_(home), fate_(fate) {}

  // Reads what is new, and says the first promise that it breaks; "": none.
  std::string breach() {
    read_what_is_new();
    there_is_one_champion();
    who_answers_has_passed_its_gates();
    who_was_sent_away_stays_away();
    a_challenger_has_a_rollout_and_keeps_to_its_step();
    at_most_one_incident_is_open();
    every_outcome_has_its_one_effect();
    trainings_keep_to_the_budget();
    champions_do_not_flap();
    return wrong_;
  }
  // A person has said yes to this plan of an incident.
  void approve(std::int64_t incident, std::int64_t plan) { approved_.insert({incident, plan}); }
  // A person has done something that may change the champion.
  void note_act(TimeUs time) { acts_.push_back(time); }

  const registry::EndpointFacts& facts() const { return facts_; }
  bool is_gone(std::int64_t version) const { return gone_.contains(version); }
  bool is_under_way() const {
    return std::any_of(courses_.begin(), courses_.end(),
                       [](const auto& course) { return course.second.is_under_way; });
  }
  bool has_open_incident() const {
    return std::any_of(courses_.begin(), courses_.end(),
                       [](const auto& course) { return !course.second.is_closed; });
  }
  TimeUs newest_event() const { return newest_event_; }
  int failures() const { return failures_; }
  int promoted_by_rollout() const { return promoted_by_rollout_; }
  int sent_back() const { return sent_back_; }
  int rolled_back() const { return rolled_back_; }

 private:
  // How an incident went so far.
  struct Course {
    bool is_under_way = false, is_closed = false;
    Json treatment;
    std::optional<heal::RolloutState> rollout;          // Of the treatment under way, and as it ended.
    std::set<std::int64_t> may_promote, may_return_to;  // What its journal has said until now,
    std::map<std::int64_t, double> may_answer;          // and whom it lets answer which share.
    bool trains = false;
  };

  void blame(const std::string& words) {
    if (wrong_.empty()) wrong_ = words;
  }

  void read_what_is_new() {
    // People act between looks: what they did came before what the loop made of it.
    const Status done = home_.database().read([&](store::Connection& connection) -> Status {
      read_audit(connection, false);
      read_events(connection);
      read_audit(connection, true);
      return {};
    });
    CHECK(done.has_value());
    facts_ = registry::find_endpoint(home_, heal::kEndpoint).value();
  }
  void read_events(store::Connection& connection) {
    store::Statement row = connection.prepare(
        "SELECT incident, ordinal, time, kind, detail_json FROM incident_event "
        "WHERE (incident, ordinal) > (?, ?) ORDER BY incident, ordinal");
    row.with(newest_incident_, newest_ordinal_);
    while (row.step().value()) {
      newest_incident_ = row.integer(0);
      newest_ordinal_ = row.integer(1);
      newest_event_ = row.integer(2);
      const Json detail = base::parse_json(row.text(4)).value();
      take_event(courses_[newest_incident_], row.text(3), detail);
    }
  }
  void read_audit(store::Connection& connection, bool by_loop) {
    store::Statement row = connection.prepare(
        "SELECT sequence, time, action, detail FROM audit WHERE sequence > ? AND (actor = 'heal') = ? "
        "AND action LIKE 'endpoint.%' ORDER BY sequence");
    std::int64_t& newest = newest_audit_[by_loop];
    row.with(newest, by_loop ? 1 : 0);
    while (row.step().value()) {
      newest = row.integer(0);
      const Json detail = base::parse_json(row.text(3)).value();
      by_loop ? take_effect(row.integer(1), row.text(2), detail) : take_hand(row.text(2), detail);
    }
  }

  void take_event(Course& course, const std::string& kind, const Json& detail) {
    if (course.is_closed) return blame("an event came after its incident had ended");
    if (kind == "treatment") take_treatment(course, detail);
    if (kind == "rollout") take_rollout(course, detail);
    if (kind == "outcome") take_outcome(course, detail);
    if (kind != "closed") return;
    if (course.is_under_way) blame("an incident ended with a treatment under way");
    course.is_closed = true;
  }

  void take_treatment(Course& course, const Json& treatment) {
    if (course.is_under_way) return blame("a treatment began before the one before it had ended");
    course.is_under_way = true;
    course.treatment = treatment;
    course.rollout.reset();
    course.trains = false;
    const std::string name = treatment.text_or("treatment");
    const std::int64_t version = treatment.int_or("version");
    if (name == heal::kRollOut) {
      course.may_promote.insert(version);
      gone_.erase(version);
      taken_back_.erase(version);
    }
    if (name == "roll_back") {
      if (taken_back_.contains(treatment.int_or("back_to"))) blame("it returns to what a person took back");
      course.may_return_to.insert(treatment.int_or("back_to"));
      gone_.erase(treatment.int_or("back_to"));
    }
    if (name == "retrain") {
      course.trains = true;
      retrains_.push_back(treatment.int_or("as_of"));
    }
    nothing_is_begun_unapproved(treatment, name);
  }
  // A person's push is their word for it; a version that waits for approval has it in any mode.
  void nothing_is_begun_unapproved(const Json& treatment, const std::string& name) {
    const bool is_push = name == heal::kRollOut && !treatment["plan"].is_int();
    if (is_push || (!fate_.suggests() && name != heal::kRollOut)) return;
    if (!approved_.contains({newest_incident_, treatment.int_or("plan")}))
      blame("a treatment began that nobody had approved: " + name);
  }

  void take_rollout(Course& course, const Json& detail) {
    if (!course.is_under_way) return blame("a rollout went on after its end");
    heal::RolloutState state = heal::RolloutState::from_json(detail);
    const project::Rollout& plan = *fate_.options.rollout;
    const int shadow = heal::shadow_batches(plan, fate_.options.heal.poison_budget);
    // Once patience has ended, it goes a step further with each batch, or back.
    const int patience = heal::kRolloutPatience * std::max(shadow, fate_.options.heal.poison_budget + 1);
    if (state.batches > patience + std::ssize(plan.canary)) blame("a rollout does not end");
    const double share = heal::rollout_share(plan, state.stage);
    if (detail.double_or("share") > share) blame("the journal has another share than the step's");
    if (course.rollout && state.stage > course.rollout->stage + 1) blame("a rollout has left out a step");
    if (gone_.contains(state.version)) blame("a version that was sent away is rolled out again");
    double& may = course.may_answer[state.version];
    may = std::max(may, share);
    const bool was_last = state.stage == std::ssize(plan.canary);
    if (state.step == heal::RolloutStep::promote) {
      if (!was_last) blame("a rollout promotes before its last step");
      course.may_promote.insert(state.version);
    }
    course.rollout = std::move(state);
  }

  void take_outcome(Course& course, const Json& outcome) {
    const std::string result = outcome.text_or("result");
    // A person who takes a version back ends what waits, too.
    if (!course.is_under_way && result != "superseded") return blame("a treatment has two outcomes");
    course.is_under_way = false;
    const std::int64_t version = outcome.int_or("version");
    const bool is_other = version != course.treatment.int_or("champion");
    if (result == "promoted") ++promoted_;
    if (result == "promoted" && course.rollout) ++promoted_by_rollout_;
    if (result == "rolled back") {
      ++rolled_back_;
      gone_.insert(course.treatment.int_or("champion"));
    }
    if (result == "sent back") ++sent_back_;
    if ((result == "refused" || result == "sent back") && version != 0 && is_other) gone_.insert(version);
    if (result == "superseded" && course.rollout && course.rollout->version != version)
      gone_.insert(course.rollout->version);
    if (result == "failed" && course.rollout) gone_.insert(course.rollout->version);
    failures_ +=
        result == "refused" || result == "failed" || result == "rolled back" || result == "sent back";
  }

  void take_hand(const std::string& action, const Json& detail) {
    if (action != "endpoint.roll_back") return;
    gone_.insert(detail.int_or("from"));
    taken_back_.insert(detail.int_or("from"));
    gone_.erase(detail.int_or("to"));
    taken_back_.erase(detail.int_or("to"));
  }

  // Whatever the loop does stands in the journal before it is done.
  void take_effect(TimeUs time, const std::string& action, const Json& detail) {
    const bool changes = action == "endpoint.promote" || action == "endpoint.refit";
    const std::int64_t to = detail.int_or("to");
    const std::string why = detail.text_or("why");
    const std::string named = "incident ";
    const auto of =
        why.starts_with(named) ? courses_.find(std::stoll(why.substr(named.size()))) : courses_.end();
    const Course nothing;
    const Course& course = of != courses_.end() ? of->second : nothing;
    if (changes) {
      ++promotions_;
      changes_.push_back(time);
      const bool is_trained = course.trains && !fate_.options.rollout;
      if (fate_.options.rollout && !(course.rollout && course.rollout->step == heal::RolloutStep::promote))
        blame("a version was promoted without its rollout");
      if (!is_trained && !course.may_promote.contains(to)) blame("a promotion is not in the journal");
    }
    if (action == "endpoint.roll_back") {
      ++rollbacks_;
      changes_.push_back(time);
      if (!course.may_return_to.contains(to)) blame("a way back is not in the journal");
    }
    if (action == "endpoint.challenge" && detail["to"].is_int() && !course.may_answer.contains(to))
      blame("a challenger is not in the journal");
    if (action != "endpoint.canary") return;
    const auto may = course.may_answer.find(detail.int_or("version"));
    if (may == course.may_answer.end() || detail.double_or("to") > may->second)
      blame("a canary got a share that is not in the journal");
  }

  void there_is_one_champion() {
    if (!facts_.serving_version) return blame("there is no champion");
    if (facts_.challenger_version == facts_.serving_version) blame("the champion is its own challenger");
  }

  void who_answers_has_passed_its_gates() {
    const auto must_have_passed = [this](std::int64_t version, const std::string& who) {
      if (passed_.contains(version)) return;
      const registry::VersionFacts of = registry::find_version(home_, heal::kEndpoint, version).value();
      if (of.gates != "passed") blame(who + " has not passed its gates");
      if (of.manifest_sha256.empty() || of.step_key.empty()) blame(who + " has no lineage");
      passed_.insert(version);
    };
    if (facts_.serving_version) must_have_passed(*facts_.serving_version, "the champion");
    if (facts_.challenger_version) must_have_passed(*facts_.challenger_version, "the challenger");
  }

  // Refused, sent back, or rolled back: it comes again by a new decision only.
  void who_was_sent_away_stays_away() {
    if (facts_.serving_version && is_gone(*facts_.serving_version))
      blame("a version that was sent away is the champion");
    if (facts_.challenger_version && is_gone(*facts_.challenger_version))
      blame("a version that was sent away is the challenger");
  }

  void a_challenger_has_a_rollout_and_keeps_to_its_step() {
    if (!facts_.challenger_version) return;
    if (courses_.empty()) return blame("there is a challenger without an incident");
    const Course& newest = courses_.rbegin()->second;
    if (!newest.rollout || newest.rollout->version != *facts_.challenger_version)
      return blame("there is a challenger without a rollout");
    const double share = heal::rollout_share(*fate_.options.rollout, newest.rollout->stage);
    if (facts_.challenger_share > share) blame("the canary answers more than its step's share");
  }

  void at_most_one_incident_is_open() {
    const auto open = std::count_if(courses_.begin(), courses_.end(),
                                    [](const auto& course) { return !course.second.is_closed; });
    if (open > 1) blame("there are two open incidents");
  }

  void every_outcome_has_its_one_effect() {
    const int under_way = is_under_way() ? 1 : 0;
    const bool promoted = promotions_ == promoted_ || promotions_ == promoted_ + under_way;
    const bool returned = rollbacks_ == rolled_back_ || rollbacks_ == rolled_back_ + under_way;
    if (!promoted) blame("promoted is not what was done");
    if (!returned) blame("rolled back is not what was done");
  }

  void trainings_keep_to_the_budget() {
    const TimeUs window = fate_.options.heal.retrains_window;
    for (const TimeUs time : retrains_) {
      const auto within = std::count_if(retrains_.begin(), retrains_.end(),
                                        [&](TimeUs other) { return other <= time && time - other < window; });
      if (within > fate_.options.heal.retrains_max) return blame("there are more trainings than the budget");
    }
  }

  // By a batch, and by the guard, a version comes and goes at most once a day; each of a person's words may
  // bring one more to come and go.
  void champions_do_not_flap() {
    if (changes_.empty()) return;
    const auto lately = [&](TimeUs time) { return changes_.back() - time < base::kDayUs; };
    const auto by_loop = std::count_if(changes_.begin(), changes_.end(), lately);
    const auto by_people = std::count_if(acts_.begin(), acts_.end(), lately);
    if (by_loop > 2 + 2 * by_people) blame("champions flap");
  }

  store::Home& home_;
  const Fate& fate_;
  registry::EndpointFacts facts_;
  std::map<std::int64_t, Course> courses_;
  std::int64_t newest_incident_ = 0, newest_ordinal_ = 0;
  std::int64_t newest_audit_[2] = {0, 0};  // By people, by the loop.
  TimeUs newest_event_ = 0;
  std::set<std::int64_t> gone_, taken_back_, passed_;
  std::set<std::pair<std::int64_t, std::int64_t>> approved_;
  std::vector<TimeUs> retrains_, changes_, acts_;
  int promoted_ = 0, rolled_back_ = 0, promotions_ = 0, rollbacks_ = 0, failures_ = 0;
  int promoted_by_rollout_ = 0, sent_back_ = 0;
  std::string wrong_;
};

}  // namespace trimtab::app
