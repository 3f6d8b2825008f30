// From request rows to predictions: the recipe's program, the encoder and the booster in one hand.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "model/artifact.h"
#include "table/engine.h"
#include "table/row_program.h"

namespace trimtab::model {

// Belongs to one thread; several share the artifact, the engine and the lookup indexes.
class Scorer {
 public:
  // `lookups` as RowProgram::bind wants them. Errors: as RowProgram::bind and Booster::load.
  static Result<std::unique_ptr<Scorer>> make(table::Engine& engine, std::shared_ptr<const Artifact> artifact,
                                              const table::LookupTables& lookups);
  ~Scorer();
  const Artifact& artifact() const;
  // One probability (binary) or value (regression) a row; holds until the next call.
  Result<std::span<const double>> score(const table::Batch& request);
  // The encoded features of the last scored rows: rows × width.
  std::span<const double> features() const;
  // What each of them adds to the raw prediction (log-odds or value) of the last scored rows, and what is
  // predicted without any, last: rows × (width + 1). Holds until the next call.
  std::span<const double> contributions();
  // Scores rows that are encoded already (a training frame).
  void score_encoded(std::span<const double> values, double* out);

 private:
  struct State;
  explicit Scorer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::model
