// What a version would have said of rows that another one answered: earlier champions are asked so after each
// batch, and a version that a person pushes before it serves. Nothing of it is on the way of a request.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/result.h"
#include "model/artifact.h"
#include "model/booster.h"
#include "watch/batches.h"

namespace trimtab::heal {

// Belongs to one thread. Keeps what it has loaded.
class Rescorer {
 public:
  using Load = std::function<Result<std::shared_ptr<const model::Artifact>>(std::int64_t version)>;
  explicit Rescorer(Load load) : load_(std::move(load)) {}

  // One score a row, from the features as the answering version's learner saw them: text levels are read back
  // and encoded anew, what that version's recipe had filled stays filled. NaN where another version than
  // `batch.served_version` answered. Errors: those of loading, invalid (a feature that the answers do not
  // hold).
  Result<std::vector<double>> score(std::int64_t version, const watch::LabelledBatch& batch);

 private:
  struct Loaded {
    std::shared_ptr<const model::Artifact> artifact;
    std::unique_ptr<model::Booster> booster;  // None: the learner is a constant.
  };
  Result<Loaded*> loaded(std::int64_t version);

  Load load_;
  std::map<std::int64_t, Loaded> known_;
};

}  // namespace trimtab::heal
