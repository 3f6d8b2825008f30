// What is drawn for a simulated life of the loop: the world, the owner's settings, the trainer's and the
// people's habits, and when the process is killed. A seed draws the same fate for ever.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/clock.h"
#include "heal/policy.h"
#include "heal/stream_test.h"

namespace trimtab::app {

enum class Weather { quiet, changed, poisoned };

// What a version believes: one of the two concepts, or the contrary of the second, which is worse than
// either, whatever the world believes.
enum class Belief { first, second, contrary };

// What a version does wrong, whatever it believes, from its so-manieth request on. `broken`: it does not
// load.
enum class Illness { none, fails, slow, broken };

struct Nature {
  Belief belief = Belief::first;
  Illness illness = Illness::none;
  int from_request = 0;
  int fails_percent = 0;
};

inline Belief belief_in(heal::Concept known) {
  return known == heal::Concept::first ? Belief::first : Belief::second;
}
inline double score_of(Belief belief, const heal::StreamRow& row) {
  if (belief == Belief::contrary) return 1 - heal::Stream::believed(heal::Concept::second, row);
  return heal::Stream::believed(belief == Belief::first ? heal::Concept::first : heal::Concept::second, row);
}

// A day is lived in three parts, each of which ends with a look: half of its rows, all of them, and later.
inline constexpr int kParts = 3;

// A person moves the alias `champion`, or takes a version back.
struct Act {
  enum class Kind { push, push_again, roll_back } kind = Kind::push;
  int day = 0, part = 0;
  Nature nature;            // Of a pushed version, …
  bool passes = true;       // … and whether its gates have passed.
  std::uint64_t which = 0;  // Of the versions there are by then, pushed again.
};

// How people answer what waits for them: at once or within days; or now this way, now that, or twice; or not.
enum class Person { diligent, capricious, absent };

struct Fate {
  Weather weather = Weather::quiet;
  int days = 0;
  int turns_on = 0;  // Day of the change, or of the first wrong label.
  int poison_days = 0;
  int label_days = 0;  // Until labels are there.
  int bad_versions_percent = 0, failed_trainings_percent = 0, ill_versions_percent = 0;
  int kills_percent = 0;  // Of the looks, and of what people do.
  heal::PolicyOptions options;
  bool wants_approval = false;  // The gate `approvals` is declared.
  Person person = Person::diligent;
  std::vector<Act> acts;

  bool suggests() const { return options.heal.mode == project::HealMode::suggest; }
  bool asks_people() const { return suggests() || wants_approval; }
  // Nothing but the world and the policy decide on it.
  bool is_left_alone() const { return acts.empty() && ill_versions_percent == 0 && !asks_people(); }
};

// A number that belongs to what it is drawn for, in whatever order it is asked for.
inline std::uint64_t drawn_for(std::uint64_t seed, std::uint64_t what, std::uint64_t salt) {
  std::uint64_t mixed = seed * 0x9E3779B97F4A7C15ULL + what * 0xBF58476D1CE4E5B9ULL + salt;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9ULL;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBULL;
  return mixed ^ (mixed >> 31);
}

inline void draw_illness(heal::Stream& random, int ill_percent, Nature& nature) {
  const bool is_ill = static_cast<int>(random.below(100)) < ill_percent;
  const auto illness = static_cast<Illness>(1 + random.below(3));
  nature.from_request = random.below(2) == 0 ? 0 : static_cast<int>(random.below(300));
  nature.fails_percent = 60 + static_cast<int>(random.below(41));
  if (is_ill) nature.illness = illness;
}

inline project::Rollout draw_rollout(heal::Stream& random) {
  project::Rollout rollout;
  const std::vector<double> plans[] = {{}, {0.1}, {0.5}, {0.1, 0.5}, {0.05, 0.25, 0.9}};
  rollout.canary = plans[random.below(5)];
  const std::uint64_t shadow = random.below(3);
  if (shadow > 0) rollout.shadow_batches = static_cast<int>(shadow);
  return rollout;
}

inline Act draw_act(heal::Stream& random, const Fate& fate) {
  Act act;
  const std::uint64_t kind = random.below(6);
  if (kind == 0) act.kind = Act::Kind::roll_back;
  if (kind == 1) act.kind = Act::Kind::push_again;
  act.day = 1 + static_cast<int>(random.below(static_cast<std::uint64_t>(fate.days) - 1));
  act.part = static_cast<int>(random.below(kParts));
  act.nature.belief = static_cast<Belief>(random.below(3));
  draw_illness(random, 2 * fate.ill_versions_percent / 3, act.nature);
  act.passes = random.below(6) > 0;
  act.which = random.below(1000);
  return act;
}

inline Fate draw(heal::Stream& random) {
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
  if (random.below(3) == 0) fate.ill_versions_percent = 60;
  if (random.below(2) == 0) fate.kills_percent = 40;
  if (random.below(2) == 0) fate.options.rollout = draw_rollout(random);
  if (random.below(2) == 0) fate.options.time_max_us = 5'000;
  if (random.below(4) == 0) fate.options.heal.mode = project::HealMode::suggest;
  fate.wants_approval = random.below(6) == 0;
  fate.person = static_cast<Person>(random.below(3));
  const std::uint64_t acts = random.below(2) == 0 ? 0 : 1 + random.below(3);
  for (std::uint64_t i = 0; i < acts; ++i) fate.acts.push_back(draw_act(random, fate));
  return fate;
}

// In one line, for whoever lives one life again.
inline std::string shown(const Fate& fate) {
  std::ostringstream text;
  const char* weathers[] = {"quiet", "changed", "poisoned"};
  const char* persons[] = {"diligent", "capricious", "absent"};
  text << weathers[static_cast<int>(fate.weather)] << " from day " << fate.turns_on << ", labels after "
       << fate.label_days << " days, poison budget " << fate.options.heal.poison_budget << ", retrains "
       << fate.options.heal.retrains_max << ", bad versions " << fate.bad_versions_percent
       << " %, failed trainings " << fate.failed_trainings_percent << " %, ill versions "
       << fate.ill_versions_percent << " %, kills " << fate.kills_percent << " %";
  if (fate.options.rollout) {
    text << ", shadow ";
    if (fate.options.rollout->shadow_batches) {
      text << *fate.options.rollout->shadow_batches;
    } else {
      text << "auto";
    }
    text << ", canary";
    for (const double share : fate.options.rollout->canary) text << " " << share;
  }
  if (fate.suggests()) text << ", mode suggest";
  if (fate.wants_approval) text << ", approvals";
  if (fate.asks_people()) text << ", " << persons[static_cast<int>(fate.person)];
  for (const Act& act : fate.acts) {
    const char* kinds[] = {"push", "push again", "roll back"};
    text << ", " << kinds[static_cast<int>(act.kind)] << " on day " << act.day;
  }
  return text.str();
}

}  // namespace trimtab::app
