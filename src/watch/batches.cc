// How it works: the rows of an open batch lie side by side in flat lists, in order of arrival; an index from
// id to place lets a label find its row. Only when a batch is closed are its rows sorted, so that the order
// of arrival leaves no trace. A closed batch gives its rows away and keeps their ids for a while: a late
// label must not wait for a prediction that has come and gone.
#include "watch/batches.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <iterator>
#include <limits>
#include <mutex>
#include <span>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace trimtab::watch {
namespace {

constexpr std::size_t kClosedBatchesKept = 40;
constexpr std::size_t kWaitingLabelsMax = 1'000'000;
// Times beyond this are no times: with them sums of times could overflow.
constexpr TimeUs kTimeMax = TimeUs{1} << 61;
constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

struct Row {
  const std::string* id = nullptr;  // The key in the index.
  TimeUs time = 0;
  TimeUs received = 0;
  double truth = kMissing;                             // NaN: no label yet.
  std::uint32_t scores_begin = 0, scores_end = 0;      // In OpenBatch::scores.
  std::uint64_t features_begin = 0, features_end = 0;  // In OpenBatch::features.
  bool damaged = false;
};

struct OpenBatch {
  std::vector<Row> rows;
  std::vector<model::VersionScore> scores;
  std::vector<double> features;
  std::int64_t labelled = 0;

  std::span<const model::VersionScore> scores_of(const Row& row) const {
    return std::span(scores).subspan(row.scores_begin, row.scores_end - row.scores_begin);
  }
  std::int64_t served_by(const Row& row) const { return scores_of(row).front().version; }
};

struct ClosedIds {
  std::vector<const std::string*> ids;
};

constexpr std::uint32_t kClosed = std::numeric_limits<std::uint32_t>::max();
struct Place {
  std::int64_t batch = 0;
  std::uint32_t row = kClosed;
};

// Versions as they stood when the last row was received, whatever the order in which rows were added.
std::map<std::int64_t, model::Role> roles_of(const OpenBatch& batch, const std::vector<const Row*>& order) {
  std::map<std::int64_t, std::pair<TimeUs, model::Role>> latest;
  for (const Row* row : order) {
    for (const model::VersionScore& score : batch.scores_of(*row)) {
      if (score.role == model::Role::plain) continue;
      const auto [entry, is_new] = latest.try_emplace(score.version, row->received, score.role);
      if (!is_new && row->received >= entry->second.first) entry->second = {row->received, score.role};
    }
  }
  std::map<std::int64_t, model::Role> roles;
  for (const auto& [version, role] : latest) roles.emplace(version, role.second);
  return roles;
}

// The version that answered most of the rows; of two with as many the newer one.
std::int64_t most_served(const OpenBatch& batch, const std::vector<const Row*>& rows) {
  std::map<std::int64_t, std::int64_t> count;
  for (const Row* row : rows) ++count[batch.served_by(*row)];
  std::pair<std::int64_t, std::int64_t> most;
  for (const auto& [version, answers] : count) {
    if (answers >= most.first) most = {answers, version};
  }
  return most.second;
}

void add_scores(const OpenBatch& batch, const Row& row, LabelledBatch& out) {
  const std::size_t at = out.ids.size();
  out.served.push_back(batch.scores_of(row).front().score);
  out.plain.push_back(out.served.back());
  for (const model::VersionScore& score : batch.scores_of(row)) {
    // A version's scores are its own, also where its answers were moved.
    if (score.role == model::Role::plain) out.plain.back() = score.score;
    std::vector<double>& scores = out.scores[score.version];
    scores.resize(at, kMissing);  // For the rows that this version did not score.
    scores.push_back(score.score);
  }
}

void add_features(const OpenBatch& batch, const Row& row, LabelledBatch& out) {
  const auto width = static_cast<std::size_t>(out.width);
  const bool fits =
      batch.served_by(row) == out.served_version && row.features_end - row.features_begin == width;
  if (!fits) {
    out.features.insert(out.features.end(), width, kMissing);
    return;
  }
  const auto begin = batch.features.begin() + static_cast<std::ptrdiff_t>(row.features_begin);
  out.features.insert(out.features.end(), begin, begin + out.width);
}

LabelledBatch labelled(const OpenBatch& batch, std::int64_t number, TimeUs end) {
  LabelledBatch out;
  out.number = number;
  out.end = end;
  out.predictions = static_cast<std::int64_t>(batch.rows.size());
  std::vector<const Row*> order;
  for (const Row& row : batch.rows) order.push_back(&row);
  std::sort(order.begin(), order.end(),
            [](const Row* a, const Row* b) { return std::tie(a->time, *a->id) < std::tie(b->time, *b->id); });
  out.roles = roles_of(batch, order);
  if (batch.labelled > 0) std::erase_if(order, [](const Row* row) { return std::isnan(row->truth); });
  out.served_version = most_served(batch, order);
  for (const Row* row : order) {
    if (batch.served_by(*row) != out.served_version) continue;
    out.width = static_cast<int>(row->features_end - row->features_begin);
    break;
  }
  if (batch.labelled == 0) return out;
  for (const Row* row : order) {
    add_scores(batch, *row, out);
    add_features(batch, *row, out);
    out.ids.push_back(*row->id);
    out.times.push_back(row->time);
    out.truth.push_back(row->truth);
    if (row->damaged) ++out.damaged;
  }
  for (auto& [version, scores] : out.scores) scores.resize(out.ids.size(), kMissing);
  return out;
}

}  // namespace

struct Batches::State {
  explicit State(BatchRule its_rule) : rule(its_rule) {
    // An id is new nearly always, and an empty bucket says so without a look at another id. Adding is on the
    // way of every request, and what costs is the memory that is touched.
    index.max_load_factor(0.25F);
  }

  BatchRule rule;
  mutable std::mutex mutex;
  std::map<std::int64_t, OpenBatch> open;
  std::unordered_map<std::string, Place> index;  // Of the rows in `open` and in `closed`.
  std::deque<ClosedIds> closed;
  std::int64_t closed_until =
      std::numeric_limits<std::int64_t>::min();     // Batches before this time are closed.
  std::unordered_map<std::string, double> waiting;  // Labels without their prediction,
  std::deque<std::string> waiting_order;            // oldest first; may name some that were joined since.
  std::deque<LabelledBatch> undecided;
  Counters counters;
  std::function<void(const JoinedTruth&)> hear_truth = [](const JoinedTruth&) {};

  std::int64_t number_of(TimeUs time) const {
    TimeUs into = time % rule.duration;
    if (into < 0) into += rule.duration;
    return time - into;
  }
  TimeUs due(std::int64_t number, const OpenBatch& batch) const {
    const auto rows = static_cast<double>(batch.rows.size());
    const bool enough = static_cast<double>(batch.labelled) >= rule.labelled_share * rows - 1e-9;
    return number + rule.duration + (enough ? 0 : rule.label_delay);
  }
  void keep_row(OpenBatch& batch, const std::string& id, const model::Prediction& prediction);
  void set_truth(const Place& place, double value);
  void keep_waiting(const Label& label);
  LabelledBatch close_oldest();
};

void Batches::State::keep_row(OpenBatch& batch, const std::string& id, const model::Prediction& prediction) {
  Row row;
  row.id = &id;
  row.time = prediction.event_time;
  row.received = prediction.received;
  row.scores_begin = static_cast<std::uint32_t>(batch.scores.size());
  batch.scores.insert(batch.scores.end(), prediction.scores.begin(), prediction.scores.end());
  row.scores_end = static_cast<std::uint32_t>(batch.scores.size());
  row.features_begin = batch.features.size();
  batch.features.insert(batch.features.end(), prediction.features.begin(), prediction.features.end());
  row.features_end = batch.features.size();
  row.damaged = prediction.damaged;
  batch.rows.push_back(row);
}

void Batches::State::set_truth(const Place& place, double value) {
  OpenBatch& batch = open.at(place.batch);
  Row& row = batch.rows[place.row];
  if (std::isnan(row.truth)) ++batch.labelled;
  const model::VersionScore& served = batch.scores_of(row).front();
  const std::span<const double> features =
      std::span(batch.features).subspan(row.features_begin, row.features_end - row.features_begin);
  if (row.truth != value)
    hear_truth({row.received, served.version, served.score, features, value, row.truth});
  row.truth = value;
}

void Batches::State::keep_waiting(const Label& label) {
  const auto [entry, is_new] = waiting.insert_or_assign(label.prediction_id, label.value);
  if (!is_new) return;
  waiting_order.push_back(label.prediction_id);
  while (waiting_order.size() > kWaitingLabelsMax) {
    waiting.erase(waiting_order.front());
    waiting_order.pop_front();
  }
}

LabelledBatch Batches::State::close_oldest() {
  const auto oldest = open.begin();
  const std::int64_t number = oldest->first;
  LabelledBatch out = labelled(oldest->second, number, number + rule.duration);
  ClosedIds& ids = closed.emplace_back();
  for (const Row& row : oldest->second.rows) {
    ids.ids.push_back(row.id);
    index.at(*row.id).row = kClosed;
  }
  open.erase(oldest);
  closed_until = number + rule.duration;
  if (closed.size() > kClosedBatchesKept) {
    for (const std::string* id : closed.front().ids) index.erase(index.find(*id));
    closed.pop_front();
  }
  return out;
}

Batches::Batches(BatchRule rule) : state_(std::make_unique<State>(rule)) {
  CHECK(rule.duration > 0 && rule.duration < kTimeMax && rule.label_delay >= 0 &&
        rule.label_delay < kTimeMax);
}
Batches::~Batches() = default;

void Batches::on_truth(std::function<void(const JoinedTruth&)> hear) {
  const std::scoped_lock lock(state_->mutex);
  state_->hear_truth = std::move(hear);
}

void Batches::add(const model::Prediction& prediction) {
  CHECK(!prediction.scores.empty());
  State& state = *state_;
  const std::scoped_lock lock(state.mutex);
  const bool is_time = prediction.event_time > -kTimeMax && prediction.event_time < kTimeMax;
  if (!is_time || prediction.event_time < state.closed_until) {
    // After a restart the log brings rows of batches that are known already; those are not late.
    if (!state.index.contains(prediction.id)) ++state.counters.late_predictions;
    return;
  }
  const std::int64_t number = state.number_of(prediction.event_time);
  const auto [entry, is_new] = state.index.try_emplace(prediction.id);
  if (!is_new) return;
  OpenBatch& batch = state.open[number];
  entry->second = {number, static_cast<std::uint32_t>(batch.rows.size())};
  state.keep_row(batch, entry->first, prediction);
  const auto label = state.waiting.find(prediction.id);
  if (label == state.waiting.end()) return;
  state.set_truth(entry->second, label->second);
  state.waiting.erase(label);
}

void Batches::add(const Label& label) {
  CHECK(!std::isnan(label.value));
  State& state = *state_;
  const std::scoped_lock lock(state.mutex);
  const auto found = state.index.find(label.prediction_id);
  if (found == state.index.end()) return state.keep_waiting(label);
  if (found->second.row == kClosed) {
    ++state.counters.late_labels;
    return;
  }
  state.set_truth(found->second, label.value);
}

std::vector<LabelledBatch> Batches::close(TimeUs now) {
  State& state = *state_;
  const std::scoped_lock lock(state.mutex);
  std::vector<LabelledBatch> batches;
  while (!state.open.empty() && state.due(state.open.begin()->first, state.open.begin()->second) <= now) {
    batches.push_back(state.close_oldest());
  }
  return batches;
}

const LabelledBatch* Batches::undecided(TimeUs now) {
  std::vector<LabelledBatch> closed = close(now);
  const std::scoped_lock lock(state_->mutex);
  std::move(closed.begin(), closed.end(), std::back_inserter(state_->undecided));
  return state_->undecided.empty() ? nullptr : &state_->undecided.front();
}

void Batches::decided() {
  const std::scoped_lock lock(state_->mutex);
  CHECK(!state_->undecided.empty());
  state_->undecided.pop_front();
}

std::optional<TimeUs> Batches::next_due() const {
  const State& state = *state_;
  const std::scoped_lock lock(state.mutex);
  if (state.open.empty()) return std::nullopt;
  return state.due(state.open.begin()->first, state.open.begin()->second);
}

std::vector<LabelledBatch> Batches::close_until(std::int64_t number) {
  State& state = *state_;
  const std::scoped_lock lock(state.mutex);
  std::vector<LabelledBatch> batches;
  while (!state.open.empty() && state.open.begin()->first <= number) batches.push_back(state.close_oldest());
  state.closed_until = std::max(state.closed_until, number + state.rule.duration);
  return batches;
}

Batches::Counters Batches::counters() const {
  const std::scoped_lock lock(state_->mutex);
  Counters counters = state_->counters;
  counters.waiting_labels = static_cast<std::int64_t>(state_->waiting.size());
  return counters;
}

}  // namespace trimtab::watch
