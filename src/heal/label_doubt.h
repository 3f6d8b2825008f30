// Labels that cannot be what happened: of many rows that have something in common, all the same label, though
// the champion expected both. A source of labels that breaks does that (a join that finds nothing, a default,
// a flag that is always set); a world that changes hardly ever does, for it leaves chance its part. A person
// is told; the loop neither learns from such a batch nor counts it for or against anybody, as long as faults
// last.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/recipe.h"
#include "watch/correction.h"

namespace trimtab::heal {

// Rows of a common value of one column, or from or up to one of it, perhaps within a value of another.
struct RowGroup {
  enum class Bound : std::uint8_t { equal, at_least, at_most };
  struct Part {
    int feature = 0;
    Bound bound = Bound::equal;
    double value = 0;
  };
  std::optional<Part> first, second;  // Neither: all rows.
};

struct LabelDoubt {
  RowGroup group;
  double label = 0;       // That all of its rows have.
  std::int64_t rows = 0;  // Of the group.
  // -ln of the probability of that, by the champion's scores at the level of the whole batch, …
  double surprise = 0;
  // … and after they were corrected by what this very batch says: a relation that is new, but one at all.
  double unexplained = 0;

  // {"rows_alike","label","surprise","unexplained","where":[{"feature","equal"|"at_least"|"at_most"}]}
  Json to_json() const;
};

// A group's "where" in the words of the version's features: "site = south and x1 >= 15.1"; "all rows".
std::string where_text(const Json& where, const std::vector<model::Feature>& features);

inline constexpr int kDoubtRowsMin = 50;
inline constexpr double kDoubtShareMin =
    0.1;  // Of the batch: a few rows may well be alike in a steep relation.
inline constexpr double kDoubtSurprise = 25;  // e^-25 a group, of some ten thousand: one batch in a million.
inline constexpr double kDoubtUnexplained = 10;  // On the day after a doubtful one 0 will do.

// The most surprising group; nothing: labels are as mixed as they should be. Looks at all rows, at each value
// of columns of few values, at tenths of the others, and at pairs of a value and a tenth: some thousand
// groups, by rows / 64 words each. Deterministic. `rows`: labelled ones of one batch; no score is NaN.
std::optional<LabelDoubt> doubt_labels(const watch::CorrectionRows& rows,
                                       double unexplained_min = kDoubtUnexplained);

}  // namespace trimtab::heal
