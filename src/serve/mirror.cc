#include "serve/mirror.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "serve/logged_rows.h"

namespace trimtab::serve {
namespace {

constexpr std::size_t kTogether = 512;  // Rows that are scored at once.

constexpr TimeUs kTimedEvery = 10 * base::kMillisecondUs;  // Of real time: that costs nobody anything.
constexpr double kNoScore = std::numeric_limits<double>::quiet_NaN();
constexpr const char* kWithoutNumber = "it gave no number";

const model::VersionScore* score_of(const model::Prediction& prediction, std::int64_t version) {
  const auto found = std::ranges::find(prediction.scores, version, &model::VersionScore::version);
  return found == prediction.scores.end() ? nullptr : &*found;
}

const Asked* failure_of(const Mirrored& row, std::int64_t version) {
  const auto found = std::ranges::find(row.failed, version, &Asked::version);
  return found == row.failed.end() ? nullptr : &*found;
}

}  // namespace

struct Mirror::State {
  State(table::Engine& engine_, const base::Clock& clock_, Vitals& vitals_,
        const OnPredictions& on_predictions_)
      : engine(engine_), clock(clock_), vitals(vitals_), on_predictions(on_predictions_) {}

  table::Engine& engine;
  const base::Clock& clock;
  Vitals& vitals;
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
  std::uint64_t turn = 0;  // Who is timed next, and who of both goes first.
  TimeUs timed_at = 0;

  void run();
  std::vector<Mirrored> take_alike();
  void prepare(const Mirrored& first);
  void score(std::vector<Mirrored>& rows);
  std::vector<double> score_by(std::size_t version, const std::vector<Mirrored>& rows,
                               const table::Batch& batch, std::string& error);
  table::Batch one_row(const Mirrored& row) const;
  void count(const std::vector<Mirrored>& rows, std::span<const std::string> errors);
  void take_time(const Mirrored& row);
  TimeUs time_of(std::size_t version, const table::Batch& row);
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

table::Batch Mirror::State::one_row(const Mirrored& row) const {
  table::Batch one(*columns);
  one.reset(1);
  fill_logged_row(one, 0, row.prediction.request_json);
  return one;
}

// What the version says of the rows, NaN where it fails. Where it cannot score all together, each row is
// asked for alone: a row that fails must not take the others with it. `error`: of the first that failed.
std::vector<double> Mirror::State::score_by(std::size_t version, const std::vector<Mirrored>& rows,
                                            const table::Batch& batch, std::string& error) {
  std::vector<double> scores(rows.size(), kNoScore);
  if (!shape) return scores;
  ShapedScorer& scorer = shape->versions[version];
  if (const auto all = scorer.score(batch)) return {all->begin(), all->end()};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto one = scorer.score(one_row(rows[i]));
    if (one) scores[i] = one->front();
    if (!one && error.empty()) error = one.error().message;
  }
  return scores;
}

void Mirror::State::score(std::vector<Mirrored>& rows) {
  prepare(rows.front());
  table::Batch batch(*columns);
  batch.reset(static_cast<int>(rows.size()));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    fill_logged_row(batch, static_cast<int>(i), rows[i].prediction.request_json);
  }
  std::vector<std::string> errors(deployed->versions.size());
  for (std::size_t version = 0; version < deployed->versions.size(); ++version) {
    const VersionPlan& plan = deployed->versions[version].plan;
    const auto lacks = [&plan](const Mirrored& row) {
      return score_of(row.prediction, plan.version) == nullptr && failure_of(row, plan.version) == nullptr;
    };
    std::vector<double> scores;
    if (std::any_of(rows.begin(), rows.end(), lacks))
      scores = score_by(version, rows, batch, errors[version]);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (const Asked* failure = failure_of(rows[i], plan.version)) {
        rows[i].prediction.scores.push_back({plan.version, plan.role, kNoScore});
        if (errors[version].empty()) errors[version] = failure->error;
      } else if (lacks(rows[i])) {
        rows[i].prediction.scores.push_back({plan.version, plan.role, scores[i]});
      }
    }
  }
  if (!shape) return;
  count(rows, errors);
  take_time(rows.front());
}

// A request has failed at a version when any of its rows has.
void Mirror::State::count(const std::vector<Mirrored>& rows, std::span<const std::string> errors) {
  std::map<std::uint64_t, std::vector<Asked>> requests;
  for (const Mirrored& row : rows) {
    std::vector<Asked>& asked = requests[row.request];
    for (std::size_t version = 0; version < errors.size(); ++version) {
      const std::int64_t number = deployed->versions[version].plan.version;
      if (asked.size() <= version) asked.push_back({number, false, ""});
      if (std::isfinite(score_of(row.prediction, number)->score)) continue;
      asked[version].failed = true;
      asked[version].error = errors[version].empty() ? kWithoutNumber : errors[version];
    }
  }
  for (const auto& [request, asked] : requests) vitals.note(request, asked, clock.now());
}

// Of a row that both have scored. Who has just scored the others is the warmer: each is asked twice, and the
// second time counts.
void Mirror::State::take_time(const Mirrored& row) {
  if (deployed->versions.size() < 2 || base::steady_now() - timed_at < kTimedEvery) return;
  timed_at = base::steady_now();
  const std::size_t other = 1 + turn++ % (deployed->versions.size() - 1);
  const std::int64_t versions[] = {deployed->champion(), deployed->versions[other].plan.version};
  for (const std::int64_t version : versions) {
    if (!std::isfinite(score_of(row.prediction, version)->score)) return;
  }
  const table::Batch one = one_row(row);
  const bool other_first = turn / (deployed->versions.size() - 1) % 2 == 0;
  TimeUs of_other = other_first ? time_of(other, one) : 0;
  const TimeUs of_served = time_of(0, one);
  if (!other_first) of_other = time_of(other, one);
  vitals.note_times(versions[0], versions[1], of_served, of_other);
}

TimeUs Mirror::State::time_of(std::size_t version, const table::Batch& row) {
  (void)shape->versions[version].score(row);
  const TimeUs begun = base::steady_now();
  (void)shape->versions[version].score(row);
  return base::steady_now() - begun;
}

void Mirror::State::run() {
  std::unique_lock lock(mutex);
  while (true) {
    wake.wait(lock, [this] { return stopping || !waiting.empty(); });
    if (waiting.empty()) return;
    std::vector<Mirrored> rows = take_alike();
    lock.unlock();
    score(rows);
    for (Mirrored& row : rows) {
      if (row.is_answered) on_predictions({&row.prediction, 1});
    }
    lock.lock();
    handed_on += rows.size();
    moved.notify_all();
  }
}

Mirror::Mirror(table::Engine& engine, const base::Clock& clock, Vitals& vitals,
               const OnPredictions& on_predictions)
    : state_(std::make_unique<State>(engine, clock, vitals, on_predictions)) {
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

void Mirror::add(std::vector<Mirrored> mirrored) {
  {
    const std::scoped_lock lock(state_->mutex);
    if (state_->waiting.size() < kWaitingMax) {
      state_->added += mirrored.size();
      std::move(mirrored.begin(), mirrored.end(), std::back_inserter(state_->waiting));
      state_->wake.notify_one();
      return;
    }
    state_->skipped += mirrored.size();
  }
  for (Mirrored& row : mirrored) {
    if (row.is_answered) state_->on_predictions({&row.prediction, 1});
  }
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
