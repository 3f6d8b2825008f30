// Which ids of predictions are known, and where their rows are. The ids of a batch lie side by side in one
// text, and a table of twelve bytes a slot finds them: a node and a string of its own for each id cost three
// times as much as all else that is kept of a row.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trimtab::watch {

// The ids of one batch, by row.
class BatchIds {
 public:
  std::string_view of(std::size_t row) const {
    const std::size_t begin = row == 0 ? 0 : ends_[row - 1];
    return std::string_view(text_).substr(begin, ends_[row] - begin);
  }
  std::size_t size() const { return ends_.size(); }

 private:
  friend class IdIndex;
  std::int64_t number_ = 0;  // Of the batch.
  std::string text_;
  std::vector<std::uint32_t> ends_;
};

// Not thread-safe.
class IdIndex {
 public:
  struct Place {
    std::int64_t batch = 0;
    std::uint32_t row = 0;
  };

  IdIndex();
  // Tells the processor that the id will be looked for soon: with many ids its memory is far away.
  void expect(std::string_view id) const { __builtin_prefetch(&slots_[hash_of(id) & mask()]); }
  std::optional<Place> find(std::string_view id) const;
  // The id of the next row of that batch; it must be new.
  Place add(std::string_view id, std::int64_t batch);
  // Of a batch that has rows.
  const BatchIds& of(std::int64_t batch) const { return *batches_[serials_.at(batch)]; }
  void forget(std::int64_t batch);

 private:
  struct Slot {
    std::uint32_t hash = 0;    // Says at which slot the search for it begins.
    std::uint32_t serial = 0;  // Of its batch.
    std::uint32_t row = 0;     // And 1; 0: the slot is free.
  };

  std::uint32_t hash_of(std::string_view id) const;
  bool holds(const Slot& slot, std::uint32_t hash, std::string_view id) const;
  std::size_t mask() const { return slots_.size() - 1; }
  std::size_t slot_of(std::uint32_t hash, std::string_view id) const;
  void put(const Slot& slot);
  void grow();
  void remove(std::string_view id);

  std::uint64_t seed_;
  std::vector<Slot> slots_;  // A power of two, at most half full.
  std::size_t used_ = 0;
  std::map<std::int64_t, std::uint32_t> serials_;   // By the number of the batch.
  std::vector<std::unique_ptr<BatchIds>> batches_;  // By serial; null: free for the next batch.
};

}  // namespace trimtab::watch
