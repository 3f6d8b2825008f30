// Predictions and labels of one endpoint, joined and cut into labelled batches by event time. A batch is
// closed once and in order of time: when 95 % of its predictions have labels, or label_delay has passed since
// its end; its rows are then what performance and healing are decided on.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/prediction.h"
#include "watch/label.h"
#include "watch/realised.h"

namespace trimtab::watch {

// The labelled rows of a closed batch, in order of (event time, id).
struct LabelledBatch {
  std::int64_t number = 0;  // Start of the batch: event time, microseconds.
  TimeUs end = 0;
  std::int64_t predictions = 0;  // With and without a label.
  std::int64_t damaged = 0;      // Of the labelled rows: repaired before they were scored.
  std::vector<std::string> ids;
  std::vector<TimeUs> times;
  std::vector<double> truth;
  std::map<std::int64_t, std::vector<double>>
      scores;                                 // Version → score of each row; NaN where it did not score.
  std::map<std::int64_t, model::Role> roles;  // Version → its role at the end of the batch.
  std::int64_t served_version = 0;            // The version that answered most rows.
  std::vector<double> served;                 // What was answered, whichever version did …
  std::vector<double> plain;                  // … and what it said itself, before a level moved it.
  int width = 0;
  std::vector<double> features;  // rows × width, as the served version's learner saw them; NaN
                                 // in rows that another version answered.

  std::int64_t rows() const { return static_cast<std::int64_t>(truth.size()); }
};

struct BatchRule {
  TimeUs duration = base::kDayUs;
  TimeUs label_delay = base::kDayUs;
  double labelled_share = 0.95;
};

// Thread-safe.
class Batches {
 public:
  explicit Batches(BatchRule rule);
  ~Batches();

  // From now on `hear` is called with every truth that meets its prediction, under the lock: be quick.
  void on_truth(std::function<void(const JoinedTruth&)> hear);
  // The first prediction of an id counts.
  void add(std::span<const model::Prediction> predictions);
  void add(const model::Prediction& prediction) { add(std::span(&prediction, 1)); }
  // Labels of unknown ids (the last million of them) are kept and joined if their prediction appears. Of
  // several labels for one id the last one added counts.
  void add(const Label& label);
  // Batches that may be closed by `now`, oldest first; each is handed out once. A batch that no prediction
  // fell in does not exist.
  std::vector<LabelledBatch> close(TimeUs now);
  // The oldest batch that is closed by `now` and has not been decided on: the same one until `decided` is
  // called, so that a decision that could not be made durable is made again. Null: there is none. For one
  // caller at a time.
  const LabelledBatch* undecided(TimeUs now);
  void decided();
  // The earliest time at which `close` may have something to say that it does not have now.
  std::optional<TimeUs> next_due() const;
  // Closes the batches up to and including `number`, whatever labels they lack, and hands them out: they were
  // closed before a restart.
  std::vector<LabelledBatch> close_until(std::int64_t number);

  struct Counters {
    std::int64_t late_predictions = 0;  // Of a batch that was closed already: ignored.
    std::int64_t late_labels = 0;       // Of a prediction in a closed batch: ignored.
    std::int64_t waiting_labels = 0;    // Now without their prediction.
  };
  Counters counters() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::watch
