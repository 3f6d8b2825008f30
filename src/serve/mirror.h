// Scores along: what was answered is scored again by the versions that did not answer, on a thread of their
// own, so that a shadow neither slows nor fails an answer, however slow or broken it is.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/clock.h"
#include "model/prediction.h"
#include "serve/deployment.h"
#include "serve/vitals.h"
#include "table/engine.h"

namespace trimtab::serve {

// A prediction that was asked for, and who is to score along.
struct Mirrored {
  model::Prediction prediction;
  std::shared_ptr<const Deployment> deployed;
  std::shared_ptr<const table::Schema> columns;  // Of the request.
  std::uint64_t request = 0;                     // Its number: the rows of one request are counted together.
  bool is_answered = true;                       // False: the request failed; it is counted, and no more.
  std::vector<Asked> failed = {};                // Who was asked already, in vain.
};

// Thread-safe.
class Mirror {
 public:
  using OnPredictions = std::function<void(std::span<model::Prediction>)>;

  // `on_predictions` hears of each answered prediction when all versions have scored it, in the order of
  // add(). A version that cannot score a row has NaN there. What they make of the requests and, now and then,
  // how long they take goes to `vitals`. All must outlive the mirror.
  Mirror(table::Engine& engine, const base::Clock& clock, Vitals& vitals,
         const OnPredictions& on_predictions);
  ~Mirror();  // Hands on what it has.

  // When more than so many predictions wait, the next ones are handed on at once without further scores.
  static constexpr std::size_t kWaitingMax = 65'536;
  // Those of one request come together, so that it is counted as a whole.
  void add(std::vector<Mirrored> mirrored);
  // Waits until all that was added before has been handed on.
  void settle();
  std::uint64_t skipped() const;  // Predictions that nobody scored along.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::serve
