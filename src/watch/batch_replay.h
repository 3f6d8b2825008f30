// Brings labelled batches back after a restart as they were when they were decided on. What came after a
// batch was closed (a revised label, a late row) was not known to the decision, and is not put into it
// afterwards.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "base/clock.h"
#include "model/prediction.h"
#include "watch/batches.h"
#include "watch/label.h"

namespace trimtab::watch {

// A batch that the record says was closed.
struct ClosedBatch {
  std::int64_t number = 0;
  TimeUs closed_at = 0;
};

struct ReceivedLabel {
  Label label;
  TimeUs received = 0;
};

// What was received at the very time of a closing counts as known to it. Belongs to one thread; `batches`
// must outlive it and be fresh.
class BatchReplay {
 public:
  // Both in order of time: `closed` by number and closed_at, `labels` by the time of receipt.
  BatchReplay(Batches& batches, std::deque<ClosedBatch> closed, std::deque<ReceivedLabel> labels);

  // In the order of the log, which is that of receipt.
  void add(const model::Prediction& prediction);
  // Gives `batches` the rest, and hands out the closed batches that the record knows, oldest first.
  std::vector<LabelledBatch> finish();

 private:
  void close_next();

  Batches& batches_;
  std::deque<ClosedBatch> closed_;
  std::deque<ReceivedLabel> labels_;
  std::vector<LabelledBatch> out_;
};

}  // namespace trimtab::watch
