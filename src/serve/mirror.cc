#include "serve/mirror.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "serve/logged_rows.h"

namespace trimtab::serve {
namespace {

constexpr std::size_t kTogether = 512;  // Rows that are scored at once.

bool has_scored(const model::Prediction& prediction, std::int64_t version) {
  const auto is_of_it = [version](const model::VersionScore& score) { return score.version == version; };
  return std::any_of(prediction.scores.begin(), prediction.scores.end(), is_of_it);
}

}  // namespace

struct Mirror::State {
  State(table::Engine& engine_, const OnPredictions& on_predictions_)
      : engine(engine_), on_predictions(on_predictions_) {}

  table::Engine& engine;
  const OnPredictions& on_predictions;

  mutable std::mutex mutex;
  std::condition_variable wake, moved;
  std::deque<Mirrored> waiting;
  std::uint64_t added = 0, handed_on = 0, skipped = 0;
  bool stopping = false;
  std::thread thread;

  // Of the thread: what the last rows were scored with.
  std::shared_ptr<const Deployment> deployed;
  std::shared_ptr<const table::Schema> columns;
  std::optional<Shape> shape;

  void run();
  std::vector<Mirrored> take_alike();
  void prepare(const Mirrored& first);
  void score(std::vector<Mirrored>& rows);
};

// The next rows of one deployment and one set of columns. The lock is held.
std::vector<Mirrored> Mirror::State::take_alike() {
  std::vector<Mirrored> rows;
  while (!waiting.empty() && rows.size() < kTogether) {
    const Mirrored& next = waiting.front();
    const bool fits =
        rows.empty() || (next.deployed == rows.front().deployed &&
                         (next.columns == rows.front().columns || *next.columns == *rows.front().columns));
    if (!fits) break;
    rows.push_back(std::move(waiting.front()));
    waiting.pop_front();
  }
  return rows;
}

void Mirror::State::prepare(const Mirrored& first) {
  if (deployed == first.deployed && columns && *columns == *first.columns) return;
  deployed = first.deployed;
  columns = first.columns;
  shape.reset();
  Result<Shape> made = make_shape(engine, *deployed, *columns);
  if (made) shape = std::move(*made);
}

void Mirror::State::score(std::vector<Mirrored>& rows) {
  prepare(rows.front());
  table::Batch batch(*columns);
  batch.reset(static_cast<int>(rows.size()));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    fill_logged_row(batch, static_cast<int>(i), rows[i].prediction.request_json);
  }
  for (std::size_t version = 0; version < deployed->versions.size(); ++version) {
    const VersionPlan& plan = deployed->versions[version].plan;
    const auto lacks = [&plan](const Mirrored& row) { return !has_scored(row.prediction, plan.version); };
    if (std::none_of(rows.begin(), rows.end(), lacks)) continue;
    Result<std::span<const double>> scores = fail(ErrorCode::internal, "not scored");
    if (shape) scores = shape->versions[version].score(batch);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double score = scores ? (*scores)[i] : std::numeric_limits<double>::quiet_NaN();
      if (lacks(rows[i])) rows[i].prediction.scores.push_back({plan.version, plan.role, score});
    }
  }
}

void Mirror::State::run() {
  std::unique_lock lock(mutex);
  while (true) {
    wake.wait(lock, [this] { return stopping || !waiting.empty(); });
    if (waiting.empty()) return;
    std::vector<Mirrored> rows = take_alike();
    lock.unlock();
    score(rows);
    for (Mirrored& row : rows) on_predictions({&row.prediction, 1});
    lock.lock();
    handed_on += rows.size();
    moved.notify_all();
  }
}

Mirror::Mirror(table::Engine& engine, const OnPredictions& on_predictions)
    : state_(std::make_unique<State>(engine, on_predictions)) {
  state_->thread = std::thread([this] { state_->run(); });
}

Mirror::~Mirror() {
  {
    const std::scoped_lock lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_one();
  state_->thread.join();
}

void Mirror::add(Mirrored mirrored) {
  {
    const std::scoped_lock lock(state_->mutex);
    if (state_->waiting.size() < kWaitingMax) {
      state_->waiting.push_back(std::move(mirrored));
      ++state_->added;
      state_->wake.notify_one();
      return;
    }
    ++state_->skipped;
  }
  state_->on_predictions({&mirrored.prediction, 1});
}

void Mirror::settle() {
  std::unique_lock lock(state_->mutex);
  const std::uint64_t target = state_->added;
  state_->moved.wait(lock, [this, target] { return state_->handed_on >= target; });
}

std::uint64_t Mirror::skipped() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->skipped;
}

}  // namespace trimtab::serve
