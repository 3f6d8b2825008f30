#include "heal/recall.h"

#include <deque>
#include <utility>

namespace trimtab::heal {
namespace {

// Batches of history that are replayed after a restart: what the policy remembers, and some for late labels.
constexpr TimeUs kReplayBatches = static_cast<TimeUs>(kRecentBatches) + 4;

Result<PolicyState> read_policy(store::Connection& connection, const std::string& endpoint) {
  store::Statement row = connection.prepare("SELECT state_json FROM heal_state WHERE endpoint = ?");
  if (!TRY(row.with(endpoint).step())) return PolicyState();
  return PolicyState::from_json(TRY(base::parse_json(row.text(0))));
}

// Event time from which rows matter.
Result<TimeUs> replay_from(store::Connection& connection, const std::string& endpoint, TimeUs duration) {
  store::Statement newest =
      connection.prepare("SELECT max(batch) FROM batch_performance WHERE endpoint = ? AND role = 'served'");
  const bool has_history = TRY(newest.with(endpoint).step()) && !newest.is_null(0);
  return has_history ? newest.integer(0) - kReplayBatches * duration : INT64_MIN;
}

Result<std::deque<watch::ClosedBatch>> read_closed(store::Connection& connection, const std::string& endpoint,
                                                   TimeUs from) {
  std::deque<watch::ClosedBatch> closed;
  store::Statement row = connection.prepare(
      "SELECT batch, min(closed_at) FROM batch_performance WHERE endpoint = ? AND role = 'served' "
      "AND batch >= ? GROUP BY batch ORDER BY batch");
  row.with(endpoint, from);
  while (TRY(row.step())) closed.push_back({row.integer(0), row.integer(1)});
  return closed;
}

Result<std::deque<watch::ReceivedLabel>> read_labels(store::Connection& connection,
                                                     const std::string& endpoint, TimeUs from) {
  std::deque<watch::ReceivedLabel> labels;
  store::Statement row = connection.prepare(
      "SELECT prediction_id, value, time, received FROM label "
      "WHERE endpoint = ?1 AND (time >= ?2 OR received >= ?2) ORDER BY received, revision");
  row.with(endpoint, from);
  while (TRY(row.step())) {
    labels.push_back({{row.text(0), row.real(1), row.integer(2)}, row.integer(3)});
  }
  return labels;
}

}  // namespace

Status keep_policy(store::Connection& connection, const std::string& endpoint, const PolicyState& state,
                   TimeUs now) {
  return connection
      .prepare("INSERT OR REPLACE INTO heal_state (endpoint, state_json, updated_at) VALUES (?, ?, ?)")
      .with(endpoint, state.to_json().dump(), now)
      .run();
}

Recall::Recall(PolicyState state, TimeUs from, watch::BatchReplay replay)
    : state_(std::move(state)), from_(from), replay_(std::move(replay)) {}

Result<Recall> Recall::begin(store::Home& home, const std::string& endpoint, TimeUs batch_duration,
                             watch::Batches& batches) {
  PolicyState state;
  TimeUs from = INT64_MIN;
  std::deque<watch::ClosedBatch> closed;
  std::deque<watch::ReceivedLabel> labels;
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    state = TRY(read_policy(connection, endpoint));
    from = TRY(replay_from(connection, endpoint, batch_duration));
    closed = TRY(read_closed(connection, endpoint, from));
    labels = TRY(read_labels(connection, endpoint, from));
    return {};
  }));
  return Recall(std::move(state), from, {batches, std::move(closed), std::move(labels)});
}

void Recall::add(const model::Prediction& prediction) {
  if (prediction.event_time >= from_) replay_.add(prediction);
}

PolicyState Recall::finish() {
  // Closed batches were decided on before the restart; the policy only needs their rows back.
  for (watch::LabelledBatch& batch : replay_.finish()) {
    state_.recent.push_back(std::move(batch));
    if (state_.recent.size() > kRecentBatches) state_.recent.pop_front();
  }
  return std::move(state_);
}

}  // namespace trimtab::heal
