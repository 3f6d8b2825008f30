// What the loop needs to know of an endpoint under care, and what it may do to it. A Ward is the real one;
// the simulation of the loop has one without a model, so that thousands of lives fit into a minute.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "heal/limit_finding.h"
#include "heal/policy.h"
#include "model/recipe.h"
#include "serve/vitals.h"
#include "watch/batches.h"
#include "watch/correction.h"

namespace trimtab::heal {

// Belongs to the loop's thread, except where an implementation says more.
class Patient {
 public:
  virtual ~Patient() = default;

  virtual const std::string& name() const = 0;
  virtual const PolicyOptions& options() const = 0;
  virtual watch::Batches& batches() = 0;
  virtual PolicyState& policy() = 0;
  virtual const PolicyState& policy() const = 0;
  // What is known at once of versions that run beside each other, with all that was answered until now.
  virtual std::vector<serve::PairVitals> vitals() const = 0;
  // Brings into operation what the record says: the champion, and who scores along. Idempotent.
  virtual Status redeploy() = 0;
  // Whether the version could answer: asked before it is made champion, so that no alias points at what does
  // not load. Errors: what its loading says.
  virtual Status can_serve(std::int64_t version) = 0;
  // What a version, whether it runs or not, would have said to the rows of a batch; NaN where that is not
  // known, because the log does not keep the row as it was asked. Errors: those of its loading and scoring.
  virtual Result<std::vector<double>> score_again(std::int64_t version,
                                                  const watch::LabelledBatch& batch) = 0;
  // What a correction could have learnt from the rows that the version was judged by (watch/baseline.h);
  // nothing: it brought none along.
  virtual std::optional<watch::Correction> weakness_of(std::int64_t version) = 0;
  // What its learner sees, in order; empty: not known.
  virtual std::vector<model::Feature> features_of(std::int64_t version) = 0;
  // How the limits that its owner declared stand now; none declared: empty.
  virtual std::vector<LimitFinding> limits() { return {}; }
  // From now on answers are moved by so much in log odds; 0: not at all.
  virtual void answer_at(double level) = 0;
};

}  // namespace trimtab::heal
