// The latest values of one metric over all runs, laid out for a scan: blocks of 1,024 runs, packed while few
// of them have the metric and plain arrays from then on.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace trimtab::registry {

inline constexpr std::uint32_t kBlockRuns = 1'024;
// One bit a run of a block.
using RunBits = std::array<std::uint64_t, kBlockRuns / 64>;

class ValueBlock {
 public:
  void set(std::uint32_t place, double value) {
    if (dense_) {
      put(place, value);
      return;
    }
    const auto at = std::lower_bound(few_.begin(), few_.end(), place,
                                     [](const Few& few, std::uint32_t wanted) { return few.place < wanted; });
    if (at != few_.end() && at->place == place) {
      at->value = value;
    } else if (few_.size() < kFewMax) {
      few_.insert(at, {place, value});
    } else {
      spread();
      put(place, value);
    }
  }

  // Calls visit(place, value) for each run of the block that has the metric.
  template <class Visit>
  void each(const Visit& visit) const {
    for (const Few& few : few_) visit(few.place, few.value);
    if (!dense_) return;
    for (std::uint32_t word = 0; word < dense_->present.size(); ++word) {
      for (std::uint64_t bits = dense_->present[word]; bits != 0; bits &= bits - 1) {
        const std::uint32_t place = word * 64 + static_cast<std::uint32_t>(__builtin_ctzll(bits));
        visit(place, dense_->values[place]);
      }
    }
  }

  const double* find(std::uint32_t place) const {
    if (dense_) return (dense_->present[place / 64] >> (place % 64)) & 1 ? &dense_->values[place] : nullptr;
    for (const Few& few : few_) {
      if (few.place == place) return &few.value;
    }
    return nullptr;
  }

 private:
  // Sixteen bytes each, so that a full list costs a fifth of the plain array.
  static constexpr std::size_t kFewMax = 96;
  struct Few {
    std::uint32_t place = 0;
    double value = 0;
  };
  struct Dense {
    RunBits present{};
    std::array<double, kBlockRuns> values{};
  };

  void put(std::uint32_t place, double value) {
    dense_->present[place / 64] |= std::uint64_t{1} << (place % 64);
    dense_->values[place] = value;
  }
  void spread() {
    dense_ = std::make_unique<Dense>();
    for (const Few& few : few_) put(few.place, few.value);
    few_ = {};
  }

  std::vector<Few> few_;  // By place.
  std::unique_ptr<Dense> dense_;
};

class ValueColumn {
 public:
  void set(std::uint32_t run, double value) {
    const std::uint32_t number = run / kBlockRuns;
    if (blocks_.empty() || blocks_.back().first < number) blocks_.emplace_back(number, ValueBlock());
    const auto at = lower(number);
    const bool is_there = at != blocks_.end() && at->first == number;
    auto& block = is_there ? *at : *blocks_.insert(at, {number, ValueBlock()});
    block.second.set(run % kBlockRuns, value);
  }
  // Null: no run of that block has the metric.
  const ValueBlock* block(std::uint32_t number) const {
    // Of a metric that all runs have, block n is the nth.
    if (number < blocks_.size() && blocks_[number].first == number) return &blocks_[number].second;
    const auto at = const_cast<ValueColumn*>(this)->lower(number);
    return at != blocks_.end() && at->first == number ? &at->second : nullptr;
  }
  const double* find(std::uint32_t run) const {
    const ValueBlock* held = block(run / kBlockRuns);
    return held == nullptr ? nullptr : held->find(run % kBlockRuns);
  }

 private:
  using Blocks = std::vector<std::pair<std::uint32_t, ValueBlock>>;
  Blocks::iterator lower(std::uint32_t number) {
    return std::lower_bound(blocks_.begin(), blocks_.end(), number,
                            [](const auto& block, std::uint32_t wanted) { return block.first < wanted; });
  }
  Blocks blocks_;  // By number.
};

}  // namespace trimtab::registry
