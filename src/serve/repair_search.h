// What is wrong with a window of rows, and what would make it right: a pure function of the window and of
// what the endpoint is used to.
#pragma once

#include <span>
#include <vector>

#include "serve/column_maps.h"
#include "serve/number_window.h"
#include "serve/request_reference.h"

namespace trimtab::serve {

struct DefaultValue {
  std::size_t column = 0;
  double value = 0;
};

// In the order in which it is carried out.
struct RepairPlan {
  std::vector<DefaultValue> defaults;  // These values stand for nothing.
  std::vector<ColumnMap> maps;
  std::vector<std::size_t> lost;  // Columns that are wrong in a way that nothing undoes: not believed.
  std::vector<std::size_t> gaps;  // Columns that lack values where they never do.
  bool is_unexplained = false;    // Something is wrong that the maps leave, whether or not it is given up.

  // Whether what is left as it is may be learnt from.
  bool leaves_good_rows() const { return maps.empty() && lost.empty() && !is_unexplained; }
  bool empty() const { return defaults.empty() && maps.empty() && lost.empty() && gaps.empty(); }
};

struct SearchOptions {
  std::span<const ColumnMap> last;  // What was right for the window before.
  std::span<const char> is_whole;   // Of each column: whole numbers. Columns are swapped with their like.
  bool may_lose = true;             // Whether columns may be given up.
};

// The reference is ready. A change of place alone, which harmless shifts are, leads to nothing, with one
// exception: a column of ratios that has about doubled or halved, or more, and that a unit explains.
RepairPlan find_repair(const Reference& reference, NumberTable window, const SearchOptions& options);

}  // namespace trimtab::serve
