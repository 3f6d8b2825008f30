#include "watch/id_index.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/fast_hash.h"
#include "base/id.h"
#include "base/result.h"

namespace trimtab::watch {

// Clients choose the ids; a seed they do not know keeps them from making all of them collide.
IdIndex::IdIndex() : seed_(base::fast_hash(base::random_hex(16))), slots_(64) {}

std::uint32_t IdIndex::hash_of(std::string_view id) const {
  return static_cast<std::uint32_t>(base::fast_hash(id, seed_));
}

// The slot that holds the id, or the free one where it belongs. An id is new nearly always, and then no other
// id is looked at.
std::size_t IdIndex::slot_of(std::uint32_t hash, std::string_view id) const {
  std::size_t at = hash & mask();
  while (slots_[at].row != 0 && !holds(slots_[at], hash, id)) at = (at + 1) & mask();
  return at;
}

bool IdIndex::holds(const Slot& slot, std::uint32_t hash, std::string_view id) const {
  return slot.hash == hash && batches_[slot.serial]->of(slot.row - 1) == id;
}

std::optional<IdIndex::Place> IdIndex::find(std::string_view id) const {
  const Slot& slot = slots_[slot_of(hash_of(id), id)];
  if (slot.row == 0) return std::nullopt;
  return Place{batches_[slot.serial]->number_, slot.row - 1};
}

IdIndex::Place IdIndex::add(std::string_view id, std::int64_t batch) {
  const auto [entry, is_new] = serials_.try_emplace(batch);
  if (is_new) {
    const auto free = std::find(batches_.begin(), batches_.end(), nullptr);
    entry->second = static_cast<std::uint32_t>(free - batches_.begin());
    auto ids = std::make_unique<BatchIds>();
    ids->number_ = batch;
    if (free == batches_.end()) {
      batches_.push_back(std::move(ids));
    } else {
      *free = std::move(ids);
    }
  }
  BatchIds& ids = *batches_[entry->second];
  ids.text_ += id;
  CHECK(ids.text_.size() <= std::numeric_limits<std::uint32_t>::max());
  ids.ends_.push_back(static_cast<std::uint32_t>(ids.text_.size()));
  if (2 * (used_ + 1) > slots_.size()) grow();
  ++used_;
  const auto row = static_cast<std::uint32_t>(ids.size());
  put({hash_of(id), entry->second, row});
  return {batch, row - 1};
}

void IdIndex::put(const Slot& slot) {
  std::size_t at = slot.hash & mask();
  while (slots_[at].row != 0) at = (at + 1) & mask();
  slots_[at] = slot;
}

void IdIndex::grow() {
  const std::vector<Slot> before = std::exchange(slots_, std::vector<Slot>(2 * slots_.size()));
  for (const Slot& slot : before) {
    if (slot.row != 0) put(slot);
  }
}

// What stands behind it without a gap moves up, unless its search begins behind the gap.
void IdIndex::remove(std::string_view id) {
  std::size_t gap = slot_of(hash_of(id), id);
  CHECK(slots_[gap].row != 0);
  for (std::size_t at = (gap + 1) & mask(); slots_[at].row != 0; at = (at + 1) & mask()) {
    const std::size_t begin = slots_[at].hash & mask();
    if (((at - begin) & mask()) < ((at - gap) & mask())) continue;
    slots_[gap] = slots_[at];
    gap = at;
  }
  slots_[gap] = {};
  --used_;
}

void IdIndex::forget(std::int64_t batch) {
  const auto entry = serials_.find(batch);
  CHECK(entry != serials_.end());
  std::unique_ptr<BatchIds>& ids = batches_[entry->second];
  for (std::size_t row = 0; row < ids->size(); ++row) remove(ids->of(row));
  ids.reset();
  serials_.erase(entry);
}

}  // namespace trimtab::watch
