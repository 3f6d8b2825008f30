#include "watch/batch_replay.h"

#include <utility>

namespace trimtab::watch {

BatchReplay::BatchReplay(Batches& batches, std::deque<ClosedBatch> closed, std::deque<ReceivedLabel> labels)
    : batches_(batches), closed_(std::move(closed)), labels_(std::move(labels)) {}

void BatchReplay::add(const model::Prediction& prediction) {
  while (!closed_.empty() && closed_.front().closed_at < prediction.received) close_next();
  batches_.add(prediction);
}

std::vector<LabelledBatch> BatchReplay::finish() {
  while (!closed_.empty()) close_next();
  for (; !labels_.empty(); labels_.pop_front()) batches_.add(labels_.front().label);
  return std::move(out_);
}

void BatchReplay::close_next() {
  const ClosedBatch next = closed_.front();
  closed_.pop_front();
  for (; !labels_.empty() && labels_.front().received <= next.closed_at; labels_.pop_front()) {
    batches_.add(labels_.front().label);
  }
  for (LabelledBatch& batch : batches_.close_until(next.number)) {
    // One that nobody had labelled was closed without being recorded, and nothing was decided on it.
    if (batch.number == next.number) out_.push_back(std::move(batch));
  }
}

}  // namespace trimtab::watch
