// The population stability index as it is commonly used: how far the features of a batch lie from those of a
// reference, binned at the reference's tenths. Here for the policies to compare with; healing itself never
// acts on it, because features can move without anything to learn (watch/ has the careful statistics).
#pragma once

#include <span>
#include <vector>

#include "base/json.h"
#include "watch/batches.h"

namespace trimtab::heal {

class PopulationReference {
 public:
  PopulationReference() = default;
  // Of the batches' rows as the learner of their version saw them. Batches of another width than the last
  // one's are left out. None: a reference that nothing differs from.
  static PopulationReference of(std::span<const watch::LabelledBatch* const> batches);

  // The largest index of all features, each Σ (q - p)·ln(q / p) over ten bins and one for missing cells; a
  // bin holds at least half a row. 0 when there is no reference of this width.
  double shift_of(const watch::LabelledBatch& batch) const;
  bool empty() const { return features_.empty(); }

  Json to_json() const;
  static PopulationReference from_json(const Json& json);

 private:
  struct Feature {
    std::vector<double> edges;   // Ascending, without repetition; a value equal to an edge lies below it.
    std::vector<double> counts;  // edges + 1 bins, then the missing cells.
  };
  std::vector<Feature> features_;
};

}  // namespace trimtab::heal
