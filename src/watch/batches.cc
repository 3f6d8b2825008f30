// How it works: the rows of an open batch lie side by side, in order of arrival, and so do its ids in an
// index from id to place, which lets a label find its row. Only when a batch is closed are its rows sorted,
// so that the order of arrival leaves no trace. A closed batch gives its rows away and keeps their ids for a
// while: a late label must not wait for a prediction that has come and gone.
#include "watch/batches.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <iterator>
#include <limits>
#include <mutex>
#include <span>
#include <unordered_map>
#include <utility>

#include "watch/id_index.h"

namespace trimtab::watch {
namespace {

constexpr std::size_t kClosedBatchesKept = 40;
constexpr std::size_t kWaitingLabelsMax = 1'000'000;
// Times beyond this are no times: with them sums of times could overflow.
constexpr TimeUs kTimeMax = TimeUs{1} << 61;
constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

// Lists that lie where they were put: nothing is copied as more come, and what a growing vector would leave
// behind is never there.
template <class T>
class Pile {
 public:
  std::span<const T> add(const std::vector<T>& items) {
    if (items.size() > left_) {
      left_ = std::max(items.size(), std::min(kItemsMax, 2 * last_size_));
      last_size_ = left_;
      free_ = pieces_.emplace_back(std::make_unique_for_overwrite<T[]>(left_)).get();
    }
    const std::span<const T> kept(free_, items.size());
    free_ = std::copy(items.begin(), items.end(), free_);
    left_ -= items.size();
    return kept;
  }

 private:
  static constexpr std::size_t kItemsMax = (64u << 10) / sizeof(T);
  std::vector<std::unique_ptr<T[]>> pieces_;
  T* free_ = nullptr;
  std::size_t left_ = 0;
  std::size_t last_size_ = 8;
};

struct Row {
  std::uint32_t number = 0;  // In order of arrival.
  TimeUs time = 0;
  TimeUs received = 0;
  double truth = kMissing;                      // NaN: no label yet.
  std::span<const model::VersionScore> scores;  // In OpenBatch::scores.
  std::span<const double> features;             // In OpenBatch::features.
  bool damaged = false;
};

struct OpenBatch {
  std::deque<Row> rows;
  Pile<model::VersionScore> scores;
  Pile<double> features;
  std::int64_t labelled = 0;
};

std::int64_t served_by(const Row& row) { return row.scores.front().version; }

using Place = IdIndex::Place;

// Versions as they stood when the last row was received, whatever the order in which rows were added.
std::map<std::int64_t, model::Role> roles_of(const std::deque<Row>& rows) {
  std::map<std::int64_t, std::pair<TimeUs, model::Role>> latest;
  for (const Row& row : rows) {
    for (const model::VersionScore& score : row.scores) {
      if (score.role == model::Role::plain) continue;
      const auto [entry, is_new] = latest.try_emplace(score.version, row.received, score.role);
      if (!is_new && row.received >= entry->second.first) entry->second = {row.received, score.role};
    }
  }
  std::map<std::int64_t, model::Role> roles;
  for (const auto& [version, role] : latest) roles.emplace(version, role.second);
  return roles;
}

// The version that answered most of the rows; of two with as many the newer one.
std::int64_t most_served(const std::vector<const Row*>& rows) {
  std::map<std::int64_t, std::int64_t> count;
  for (const Row* row : rows) ++count[served_by(*row)];
  std::pair<std::int64_t, std::int64_t> most;
  for (const auto& [version, answers] : count) {
    if (answers >= most.first) most = {answers, version};
  }
  return most.second;
}

void add_scores(const Row& row, LabelledBatch& out) {
  const std::size_t at = out.ids.size();
  out.served.push_back(row.scores.front().score);
  out.plain.push_back(out.served.back());
  for (const model::VersionScore& score : row.scores) {
    // A version's scores are its own, also where its answers were moved.
    if (score.role == model::Role::plain) out.plain.back() = score.score;
    std::vector<double>& scores = out.scores[score.version];
    scores.resize(at, kMissing);  // For the rows that this version did not score.
    scores.push_back(score.score);
  }
}

void add_features(const Row& row, LabelledBatch& out) {
  const auto width = static_cast<std::size_t>(out.width);
  if (served_by(row) != out.served_version || row.features.size() != width) {
    out.features.insert(out.features.end(), width, kMissing);
    return;
  }
  out.features.insert(out.features.end(), row.features.begin(), row.features.end());
}

// A batch that takes no more rows and labels, on its way out.
struct TakenBatch {
  std::int64_t number = 0;
  TimeUs end = 0;
  OpenBatch rows;
  const BatchIds* ids = nullptr;
};

LabelledBatch labelled(const TakenBatch& taken) {
  const OpenBatch& batch = taken.rows;
  const auto id_of = [&](const Row* row) { return taken.ids->of(row->number); };
  LabelledBatch out;
  out.number = taken.number;
  out.end = taken.end;
  out.predictions = static_cast<std::int64_t>(batch.rows.size());
  out.roles = roles_of(batch.rows);
  std::vector<const Row*> order;
  for (const Row& row : batch.rows) {
    if (batch.labelled == 0 || !std::isnan(row.truth)) order.push_back(&row);
  }
  out.served_version = most_served(order);
  if (batch.labelled == 0) order.clear();
  std::sort(order.begin(), order.end(), [&](const Row* a, const Row* b) {
    return a->time != b->time ? a->time < b->time : id_of(a) < id_of(b);
  });
  const auto is_served = [&out](const Row* row) { return served_by(*row) == out.served_version; };
  const auto first_served = std::find_if(order.begin(), order.end(), is_served);
  if (first_served != order.end()) out.width = static_cast<int>((*first_served)->features.size());
  for (const Row* row : order) {
    add_scores(*row, out);
    add_features(*row, out);
    out.ids.emplace_back(id_of(row));
    out.times.push_back(row->time);
    out.truth.push_back(row->truth);
    if (row->damaged) ++out.damaged;
  }
  for (auto& [version, scores] : out.scores) scores.resize(out.ids.size(), kMissing);
  return out;
}

}  // namespace

struct Batches::State {
  explicit State(BatchRule its_rule) : rule(its_rule) {}

  BatchRule rule;
  mutable std::mutex mutex;
  std::map<std::int64_t, OpenBatch> open;
  IdIndex index;                    // Of the rows in `open` and in `closed`.
  std::deque<std::int64_t> closed;  // Numbers, oldest first.
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
  static void keep_row(OpenBatch& batch, const model::Prediction& prediction);
  void add(const model::Prediction& prediction);
  void set_truth(const Place& place, double value);
  void keep_waiting(const Label& label);
  TakenBatch take_oldest();
  std::vector<LabelledBatch> close_while(
      const std::function<bool()>& is_due);  // Under the lock; some are open.
};

void Batches::State::keep_row(OpenBatch& batch, const model::Prediction& prediction) {
  Row row;
  row.number = static_cast<std::uint32_t>(batch.rows.size());
  row.time = prediction.event_time;
  row.received = prediction.received;
  row.scores = batch.scores.add(prediction.scores);
  row.features = batch.features.add(prediction.features);
  row.damaged = prediction.damaged;
  batch.rows.push_back(row);
}

void Batches::State::set_truth(const Place& place, double value) {
  OpenBatch& batch = open.at(place.batch);
  Row& row = batch.rows[place.row];
  if (std::isnan(row.truth)) ++batch.labelled;
  const model::VersionScore& served = row.scores.front();
  if (row.truth != value) {
    hear_truth({row.received, served.version, served.score, row.features, value, row.truth});
  }
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

// Its ids stay where they are for a while, and nobody changes them.
TakenBatch Batches::State::take_oldest() {
  const auto oldest = open.begin();
  const std::int64_t number = oldest->first;
  TakenBatch taken{number, number + rule.duration, std::move(oldest->second), &index.of(number)};
  closed.push_back(number);
  open.erase(oldest);
  closed_until = number + rule.duration;
  if (closed.size() > kClosedBatchesKept) {
    index.forget(closed.front());
    closed.pop_front();
  }
  return taken;
}

// Rows are sorted and copied when the lock is free again: a request must not wait for a batch of millions.
std::vector<LabelledBatch> Batches::State::close_while(const std::function<bool()>& is_due) {
  std::vector<LabelledBatch> batches;
  while (true) {
    std::unique_lock lock(mutex);
    if (open.empty() || !is_due()) return batches;
    const TakenBatch taken = take_oldest();
    lock.unlock();
    batches.push_back(labelled(taken));
  }
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

void Batches::State::add(const model::Prediction& prediction) {
  CHECK(!prediction.scores.empty());
  const bool is_time = prediction.event_time > -kTimeMax && prediction.event_time < kTimeMax;
  if (!is_time || prediction.event_time < closed_until) {
    // After a restart the log brings rows of batches that are known already; those are not late.
    if (!index.find(prediction.id)) ++counters.late_predictions;
    return;
  }
  const std::int64_t number = number_of(prediction.event_time);
  if (index.find(prediction.id)) return;
  const Place place = index.add(prediction.id, number);
  keep_row(open[number], prediction);
  const auto label = waiting.find(prediction.id);
  if (label == waiting.end()) return;
  set_truth(place, label->second);
  waiting.erase(label);
}

void Batches::add(std::span<const model::Prediction> predictions) {
  State& state = *state_;
  const std::scoped_lock lock(state.mutex);
  for (const model::Prediction& prediction : predictions) state.index.expect(prediction.id);
  for (const model::Prediction& prediction : predictions) state.add(prediction);
}

void Batches::add(const Label& label) {
  CHECK(!std::isnan(label.value));
  State& state = *state_;
  const std::scoped_lock lock(state.mutex);
  const std::optional<Place> found = state.index.find(label.prediction_id);
  if (!found) return state.keep_waiting(label);
  if (!state.open.contains(found->batch)) {
    ++state.counters.late_labels;
    return;
  }
  state.set_truth(*found, label.value);
}

std::vector<LabelledBatch> Batches::close(TimeUs now) {
  State& state = *state_;
  return state.close_while([&state, now] {
    const auto& [number, batch] = *state.open.begin();
    return state.due(number, batch) <= now;
  });
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
  std::vector<LabelledBatch> batches =
      state.close_while([&state, number] { return state.open.begin()->first <= number; });
  const std::scoped_lock lock(state.mutex);
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
