// The step "contract": is a batch what batches of this stream are? Looked at before anything is concluded
// from it. A batch that breaks it is no evidence, and nobody learns from it; its answers stand. That columns
// move is no breach by itself: seasons and campaigns do that too. What counts is what no season does: the same
// rows again, one value in a column of many, a column in other units, columns that no longer go together.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/json.h"
#include "watch/batches.h"

namespace trimtab::heal {

// What a batch broke. Empty `reasons`: nothing.
struct Breach {
  std::vector<std::string> reasons;  // "feature 3: one value in 31 % of the rows", …
  bool repeated = false;             // The rows of an earlier batch.

  bool is_broken() const { return repeated || !reasons.empty(); }
  Json to_json() const;
};

// The rolling picture of clean batches: location and scale of each feature, and how they go together.
class Contract {
 public:
  static constexpr std::size_t kBatchesMin = 5;   // Clean ones seen before anything is called strange.
  static constexpr std::size_t kRowsMin = 50;     // Smaller batches are only compared by their rows.
  static constexpr std::size_t kHashesMax = 512;  // Batches remembered by their rows.

  // Looks at one batch, in order of time. The picture moves only with batches that break nothing. A stream
  // that has broken it for `kBrokenMax` batches on end has changed for good: the picture starts anew, and the
  // batch is no breach.
  static constexpr int kBrokenMax = 20;
  Breach look(const watch::LabelledBatch& batch);

  Json to_json() const;  // Exact.
  static Contract from_json(const Json& json);

 private:
  struct Column {
    double location = 0, scale = 0, missing = 0, commonest = 0;
  };
  struct Picture {
    std::vector<Column> columns;
    std::vector<double> correlation;  // columns × columns
  };
  static Picture picture_of(const watch::LabelledBatch& batch, const std::vector<std::size_t>& rows);
  void compare(const Picture& now, double rows, Breach& breach) const;
  void move(const Picture& now);

  Picture reference_;
  std::size_t clean_ = 0;
  int broken_ = 0;  // On end.
  std::deque<std::int64_t> hashes_;
};

}  // namespace trimtab::heal
