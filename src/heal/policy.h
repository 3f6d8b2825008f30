// The decision, as a pure function of what is known: state and one labelled batch in, verdict and new state
// out. The same function decides in the server, in a backtest and in the simulator, and replays from the
// journal.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "features/frame.h"
#include "heal/batch_level.h"
#include "heal/evidence.h"
#include "project/project.h"
#include "watch/batches.h"
#include "watch/correction.h"

namespace trimtab::heal {

// declared: what the project file says. The others are there to compare with (heal/naive_policy.h).
enum class PolicyKind : std::uint8_t { declared, never, periodic, every_batches, psi, loss_3sigma };

// follow_level: answers are moved to the level expected of the next batch; leave_level: no longer.
enum class Treatment : std::uint8_t { none, hold, retrain, roll_back, follow_level, leave_level };
std::string_view treatment_name(Treatment treatment);

struct PolicyOptions {
  PolicyKind kind = PolicyKind::declared;
  TimeUs period = 7 * base::kDayUs;  // Of `periodic`: retrain as often, whatever the evidence.
  int every_batches = 1;             // Of `every_batches`: retrain as often,
  int window_batches = 12;           // on so many of the newest, and promote without gates.
  bool contract = false;             // The contract of rows stands before a policy to compare with, too.
  project::Heal heal;
  bool binary = true;
  std::optional<project::Rollout> rollout;     // Nothing: what passes its gates is the champion at once.
  std::map<Treatment, std::string> held = {};  // What it is not to reach now, and why (heal/approval.h).
  TimeUs time_max_us =
      0;  // Of scoring a row, as the owner has declared it; 0: nothing (heal/canary_guard.h).
  bool time_counts = true;  // False where a clock is moved by hand: there it says nothing.
};

struct Verdict {
  Treatment treatment = Treatment::none;
  std::string hypothesis;                    // "the relation between features and label has changed", …
  Json evidence = Json::object();            // Numbers, for and against.
  std::string expected;                      // What the treatment should bring, and what it costs.
  std::optional<std::int64_t> back_to;       // Of `roll_back`: the version that answers again.
  TimeUs train_from = 0;                     // Of `retrain`: older rows are not learnt from,
  TimeUs test_from = 0;                      // rows from here on are for judging,
  std::vector<features::TimeSpan> left_out;  // and these are for neither.
  // Of `retrain` after a change: when the world changed, ascending; rows from before may be of another one.
  std::vector<TimeUs> changes;
  std::int64_t batches = 0;  // There are since the newest change,
  bool refits = false;       // which the champion has learnt from fewer, …
  double gain_se = 0;        // … and by so many standard errors its loss must be above the candidate's.
  bool gated = true;         // Only a policy to compare with promotes without its gates.

  Json to_json() const;
};

// What the policy remembers of an endpoint between two batches. Serialised into heal_state.
struct PolicyState {
  EvidenceCusum learnable;        // Correction against champion: is there something to learn?
  EvidenceCusum previous_better;  // The previous champion against the served one, during probation.
  LevelState levels;              // Do whole batches lie too low or too high, and can it be foreseen?
  std::deque<watch::LabelledBatch>
      recent;  // The newest batches, at most kRecentBatches, rebuilt from the log.
  std::optional<std::int64_t> served_version;
  // What a correction of the served version had learnt from the rows that the version was judged by: what
  // it corrects today as well is a weakness of the version's and no change of the world.
  std::optional<watch::Correction> weakness;
  std::int64_t weakness_of = 0;  // That version; 0: nobody has looked yet.
  // By how much its loss was the smaller one lately: what no longer helps explains nothing.
  double weakness_helps = 0;
  std::optional<std::int64_t> former_version;  // Which answered before it.
  // Rows from here on the served version has not learnt from. What it says to those that the former one
  // answered is evidence, too: their labels come only now.
  TimeUs unlearnt_from = 0;
  std::int64_t batches_since_promotion = 0;
  std::vector<TimeUs> retrains;              // Times within the budget's window.
  TimeUs changed_since = 0;                  // The change that the champion has learnt; 0: none, …
  std::int64_t learnt_batches = 0;           // … and from so many batches.
  std::vector<features::TimeSpan> left_out;  // Batches that nobody may learn from or be judged on, …
  std::vector<features::TimeSpan> damaged;  // … and those of repaired rows: only where there is nothing else.
  int doubtful_batches = 0;   // In a row, of labels that cannot be what happened (heal/label_doubt.h), …
  TimeUs doubtful_since = 0;  // … and since when.
  EvidenceCusum turned;       // As `learnable`, in a row of batches whose labels say the contrary of what
  int turned_batches = 0;     // the champion says, and were that no fault of theirs; and how many those are.
  double weighed_at = 0;      // S when the last candidate was no better than by chance.
  int failed_heals = 0;       // In a row; at kFailedHealsMax a person is called.
  bool treating = false;      // A treatment is in the journal and has no outcome yet.
  bool on_trial = false;      // The champion was promoted by the loop and is on probation.
  std::optional<TimeUs> not_before;  // Backoff after a failed heal.
  std::optional<TimeUs> last_periodic;
  Json naive = Json::object();         // What a policy to compare with remembers beside.
  TimeUs batch_length = base::kDayUs;  // Of the newest batch; the unit of backoff.

  Json to_json() const;  // Without `recent`.
  static PolicyState from_json(const Json& json);
};
inline constexpr std::size_t kRecentBatches = 14;
// After so many failed heals in a row the loop stops, for a long while, and a person is called.
inline constexpr int kFailedHealsMax = 2;
inline constexpr int kProbationBatches = 8;  // So long a promoted version is on trial, …
inline constexpr int kWarmBatches = 40;      // … and so long the former champion stays warm and scores along.

// Looks at the next labelled batch. Never acts. While a treatment is under way it only takes note; so does
// the declared policy of a batch that another version than the present champion answered.
Verdict decide(const PolicyOptions& options, PolicyState& state, const watch::LabelledBatch& batch,
               TimeUs now);
// Whether the served version's scores of a batch that another one answered are wanted, and are not there.
bool wants_scores(const PolicyState& state, const watch::LabelledBatch& batch);
// Tells the policy what became of a treatment.
// A promotion ends a row of failed heals only once the version has passed its probation.
void note_promotion(PolicyState& state, std::int64_t version, TimeUs now);
void note_refusal(PolicyState& state, TimeUs now);
// A candidate was no better than the champion by more than chance: that may come with more rows, and is no
// failed heal.
void note_not_yet(PolicyState& state, TimeUs now);
// The champion has learnt a change from so many batches; or nothing better was learnt from them.
void note_learnt(PolicyState& state, TimeUs since, std::int64_t batches);
// Going back is a failed heal too, when it was the loop that had promoted the version.
void note_rollback(PolicyState& state, std::int64_t version, TimeUs now);
// A person took the champion back: the version that answers now is a new champion like any other, and nothing
// that is still to come of the one taken back speaks for it.
void note_taken_back(PolicyState& state, std::int64_t version, TimeUs now);
// Answers follow the expected level from now on, or no longer do.
void note_level(PolicyState& state, bool follows);
// The champion of the record, whenever it is looked at. Nothing of what is known counts against one that
// somebody else has put there. What a treatment changes is noted when the treatment is concluded.
void note_champion(PolicyState& state, std::int64_t version);

// What the state alone says of the endpoint's health: healthy, degraded or needs_attention.
std::string_view health_of(const PolicyState& state);

}  // namespace trimtab::heal
