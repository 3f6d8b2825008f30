#include "watch/watcher.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <limits>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

namespace trimtab::watch {
namespace {

constexpr std::chrono::milliseconds kCountEvery{200};
constexpr std::size_t kItemsMax = 100'000;  // Waiting; whoever adds more counts them itself.
constexpr double kNoTruth = std::numeric_limits<double>::quiet_NaN();

// A row to be counted, or a truth.
struct Item {
  std::int64_t version = 0;
  TimeUs received = 0;
  double score = 0;
  double truth = kNoTruth, former = kNoTruth;  // truth NaN: a row.
  std::size_t features_end = 0;                // In Waiting::features; they begin where the last item's end.
};

struct Waiting {
  std::vector<Item> items;
  std::vector<double> features;

  void add(Item item, std::span<const double> row) {
    features.insert(features.end(), row.begin(), row.end());
    item.features_end = features.size();
    items.push_back(item);
  }
  void clear() {
    items.clear();
    features.clear();
  }
};

}  // namespace

VersionWatch::VersionWatch(std::shared_ptr<const Baseline> its_baseline)
    : baseline(std::move(its_baseline)), served(baseline), realised(baseline) {}

struct Watcher::State {
  explicit State(LoadBaseline its_load) : load(std::move(its_load)) {}

  LoadBaseline load;
  std::mutex waiting_mutex;
  std::condition_variable wake;
  Waiting waiting;
  bool stopping = false;

  std::mutex counts_mutex;  // Taken before waiting_mutex.
  Waiting counting;         // Its memory is used again.
  std::map<std::int64_t, std::unique_ptr<VersionWatch>> versions;
  std::thread thread;

  template <class Fill>
  void add(const Fill& fill);
  void count_waiting();
  VersionWatch* version_of(std::int64_t version);
  void run();
};

VersionWatch* Watcher::State::version_of(std::int64_t version) {
  const auto [entry, is_new] = versions.try_emplace(version);
  if (is_new) {
    std::shared_ptr<const Baseline> baseline = load(version);
    if (baseline) entry->second = std::make_unique<VersionWatch>(std::move(baseline));
  }
  return entry->second.get();
}

template <class Fill>
void Watcher::State::add(const Fill& fill) {
  std::size_t before = 0, count = 0;
  {
    const std::scoped_lock lock(waiting_mutex);
    before = waiting.items.size();
    fill(waiting);
    count = waiting.items.size();
  }
  if (before == 0 && count > 0) wake.notify_one();
  if (count < kItemsMax) return;
  const std::scoped_lock lock(counts_mutex);
  count_waiting();
}

// With counts_mutex held.
void Watcher::State::count_waiting() {
  {
    const std::scoped_lock lock(waiting_mutex);
    std::swap(waiting, counting);
  }
  std::size_t begin = 0;
  for (const Item& item : counting.items) {
    const std::span<const double> features =
        std::span(counting.features).subspan(begin, item.features_end - begin);
    begin = item.features_end;
    VersionWatch* version = version_of(item.version);
    if (version == nullptr || features.size() != static_cast<std::size_t>(version->baseline->width)) continue;
    if (!std::isnan(item.truth)) {
      version->realised.add({item.received, item.version, item.score, features, item.truth, item.former});
      continue;
    }
    version->served.add(item.received, features, item.score);
    version->first = version->rows == 0 ? item.received : std::min(version->first, item.received);
    version->last = version->rows == 0 ? item.received : std::max(version->last, item.received);
    ++version->rows;
  }
  counting.clear();
}

void Watcher::State::run() {
  std::unique_lock lock(waiting_mutex);
  while (!stopping) {
    wake.wait(lock, [this] { return stopping || !waiting.items.empty(); });
    wake.wait_for(lock, kCountEvery, [this] { return stopping; });
    if (stopping) return;
    lock.unlock();
    {
      const std::scoped_lock counts_lock(counts_mutex);
      count_waiting();
    }
    lock.lock();
  }
}

Watcher::Watcher(LoadBaseline load) : state_(std::make_unique<State>(std::move(load))) {
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

Watcher::~Watcher() {
  {
    const std::scoped_lock lock(state_->waiting_mutex);
    state_->stopping = true;
  }
  state_->wake.notify_all();
  state_->thread.join();
}

void Watcher::add(std::span<const model::Prediction> predictions) {
  state_->add([predictions](Waiting& waiting) {
    for (const model::Prediction& prediction : predictions) {
      if (prediction.scores.empty()) continue;
      const model::VersionScore& served = prediction.scores.front();
      Item item;
      item.version = served.version;
      item.received = prediction.received;
      item.score = served.score;
      waiting.add(item, prediction.features);
    }
  });
}

void Watcher::add(const JoinedTruth& joined) {
  if (std::isnan(joined.truth)) return;
  Item item;
  item.version = joined.version;
  item.received = joined.received;
  item.score = joined.score;
  item.truth = joined.truth;
  item.former = joined.former;
  state_->add([&](Waiting& waiting) { waiting.add(item, joined.features); });
}

void Watcher::add(const model::Prediction& prediction, double truth) {
  if (prediction.scores.empty()) return;
  const model::VersionScore& served = prediction.scores.front();
  add({prediction.received, served.version, served.score, prediction.features, truth, kNoTruth});
}

void Watcher::look(std::int64_t version, const std::function<void(const VersionWatch*)>& look) {
  const std::scoped_lock lock(state_->counts_mutex);
  state_->count_waiting();
  look(state_->version_of(version));
}

}  // namespace trimtab::watch
