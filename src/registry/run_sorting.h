// What runs are put in order by. Under each term values come first, then NaN, then runs that have none,
// whatever the direction; runs that are equal under all terms come newest first, then by id.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/run_columns.h"
#include "registry/run_filter.h"

namespace trimtab::registry {

// What one run has under one term.
struct SortKey {
  enum class Kind : std::uint8_t { value, nan, none };
  Kind kind = Kind::value;
  double number = 0;      // Of metrics and times.
  std::string_view text;  // Of the others.
};

// A term with its key looked up. Lives as long as the columns do not change. Not thread-safe.
class SortTerm {
 public:
  SortTerm(const RunColumns& columns, const OrderTerm& term);
  SortKey key(std::uint32_t place);
  // Less than 0: `a` comes before `b`; 0: this term does not tell them apart.
  int compare(const SortKey& a, const SortKey& b) const;

 private:
  SortKey metric_key(std::uint32_t place);
  SortKey time_key(const HeldRun& run) const;
  SortKey pair_key(const std::vector<TextPair>& pairs) const;
  std::string_view attribute(const HeldRun& run);

  const RunColumns& columns_;
  const OrderTerm& term_;
  bool has_texts_ = false;
  std::optional<std::uint32_t> key_;  // Of metrics, params and tags; nothing: no run has it.
  const ValueColumn* values_ = nullptr;
  // Neighbours are often asked for one after the other, so the block of the last one is remembered.
  const ValueBlock* block_ = nullptr;
  std::uint32_t block_number_ = ~0U;
  std::deque<std::string> made_;  // Texts that are computed and kept nowhere else.
};

// Compares runs by their places, for a few comparisons. Lives as long as the columns do not change; not
// thread-safe.
class RunComparison {
 public:
  RunComparison(const RunColumns& columns, const std::vector<OrderTerm>& order);
  bool comes_before(std::uint32_t a, std::uint32_t b);
  // Of two runs that no term tells apart.
  bool breaks_tie(std::uint32_t a, std::uint32_t b) const;
  std::vector<SortTerm>& terms() { return terms_; }

 private:
  const RunColumns& columns_;
  std::vector<SortTerm> terms_;
  bool has_start_ = false;
};

// Puts those `count` of `places` first that come first, in order, and drops the others.
void sort_places(const RunColumns& columns, const std::vector<OrderTerm>& order, std::size_t count,
                 std::vector<std::uint32_t>& places);

}  // namespace trimtab::registry
