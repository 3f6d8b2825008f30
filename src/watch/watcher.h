// Keeps the counts of an endpoint while it serves. A request pays for a copy of its row into a buffer; the
// counting is done on a thread of its own, some hundred milliseconds later or as soon as somebody looks.
// Counts are kept for each version that has answered, on that version's own baseline; nothing here is stored:
// after a restart the prediction log is added again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "model/prediction.h"
#include "watch/realised.h"
#include "watch/served_counts.h"

namespace trimtab::watch {

// What is known of one version's time in service.
struct VersionWatch {
  explicit VersionWatch(std::shared_ptr<const Baseline> its_baseline);

  std::shared_ptr<const Baseline> baseline;
  ServedCounts served;
  Realised realised;
  std::int64_t rows = 0;
  TimeUs first = 0, last = 0;  // Received, when rows > 0.
};

// Thread-safe.
class Watcher {
 public:
  // Gives a version's baseline; null: it has none, and only its rows are not counted. Called on any thread,
  // once for each version.
  using LoadBaseline = std::function<std::shared_ptr<const Baseline>(std::int64_t version)>;

  explicit Watcher(LoadBaseline load);
  ~Watcher();

  // As they were answered: the first of the scores of each.
  void add(std::span<const model::Prediction> predictions);
  void add(const model::Prediction& prediction) { add(std::span(&prediction, 1)); }
  void add(const JoinedTruth& joined);
  // The truth of a prediction that has been added.
  void add(const model::Prediction& prediction, double truth);
  // Counts what is waiting, then calls `look` with what is known of the version; null: it has no baseline.
  // Nobody else counts meanwhile, so be quick.
  void look(std::int64_t version, const std::function<void(const VersionWatch*)>& look);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::watch
