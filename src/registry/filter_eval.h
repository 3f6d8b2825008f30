// One filter over the columns of all runs. A metric that a run lacks, or an attribute without a value,
// matches no comparison; NaN differs from every number and is neither less nor greater.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "registry/like_pattern.h"
#include "registry/run_columns.h"
#include "registry/run_filter.h"

namespace trimtab::registry {

// Lives as long as the columns do not change. Not thread-safe: it remembers what it has computed.
class FilterEval {
 public:
  FilterEval(const RunColumns& columns, const Filter& filter);
  // Keeps of `bits` the runs of block `number` that match.
  void keep_matching(std::uint32_t number, RunBits& bits);
  // The same for one run; costs less where few runs of a block are asked for.
  bool matches(std::uint32_t place);

 private:
  // A term with its texts looked up.
  struct BoundTerm {
    const FilterTerm* term = nullptr;
    std::optional<std::uint32_t> key;    // Nothing: no run has it.
    std::optional<std::uint32_t> value;  // Of = and !=; nothing: no run has it.
    const ValueColumn* column = nullptr;
    LikePattern pattern;
    std::vector<std::int8_t> known;  // By text: whether it matches; -1: not asked yet.
  };

  RunBits match(BoundTerm& bound, std::uint32_t number, const RunBits& candidates) const;
  RunBits match_metric(const BoundTerm& bound, std::uint32_t number) const;
  bool matches_term(BoundTerm& bound, std::uint32_t place) const;
  bool matches_run(BoundTerm& bound, const HeldRun& run) const;
  bool matches_pair(BoundTerm& bound, const std::vector<TextPair>& pairs) const;
  bool matches_text_id(BoundTerm& bound, std::uint32_t text) const;
  bool matches_text(const BoundTerm& bound, std::string_view text) const;
  bool matches_attribute(BoundTerm& bound, const HeldRun& run) const;
  bool matches_dataset(const BoundTerm& bound, const HeldRun& run) const;

  const RunColumns& columns_;
  const Filter& filter_;
  std::vector<BoundTerm> terms_;
  // Of a filter without OR: its terms, those that cost least first.
  std::vector<std::uint32_t> conjunction_;
  std::vector<bool> truths_;  // The stack of matches().
};

// Whether `comparison` (one of = != < <= > >=) holds between two numbers.
bool compare_numbers(FilterOperator comparison, double a, double b);

}  // namespace trimtab::registry
