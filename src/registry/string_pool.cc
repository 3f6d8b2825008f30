#include "registry/string_pool.h"

#include <algorithm>
#include <cstring>

#include "base/fast_hash.h"
#include "base/id.h"

namespace trimtab::registry {
namespace {

constexpr std::size_t kChunkBytes = 64 * 1024;

// Clients choose the texts; a seed they do not know keeps them from making all of them collide.
std::uint64_t hash_of(std::string_view text) {
  static const std::uint64_t seed = base::fast_hash(base::random_hex(16));
  return base::fast_hash(text, seed);
}

}  // namespace

// The slot that holds `text`, or the free one where it belongs.
std::size_t StringPool::slot_of(std::string_view text, std::uint64_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash & mask;
  while (slots_[slot] != 0 && texts_[slots_[slot] - 1] != text) slot = (slot + 1) & mask;
  return slot;
}

std::optional<std::uint32_t> StringPool::find(std::string_view text) const {
  if (slots_.empty()) return std::nullopt;
  const std::uint32_t held = slots_[slot_of(text, hash_of(text))];
  return held == 0 ? std::nullopt : std::optional(held - 1);
}

std::uint32_t StringPool::intern(std::string_view text) {
  if (slots_.size() * 3 <= texts_.size() * 4) grow();
  std::uint32_t& held = slots_[slot_of(text, hash_of(text))];
  if (held == 0) {
    texts_.push_back(keep(text));
    held = static_cast<std::uint32_t>(texts_.size());
  }
  return held - 1;
}

std::string_view StringPool::keep(std::string_view text) {
  if (text.size() > chunk_left_) {
    chunk_left_ = std::max(kChunkBytes, text.size());
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(chunk_left_));
    chunk_end_ = chunks_.back().get();
  }
  char* start = chunk_end_;
  if (!text.empty()) std::memcpy(start, text.data(), text.size());
  chunk_end_ += text.size();
  chunk_left_ -= text.size();
  return {start, text.size()};
}

void StringPool::grow() {
  slots_.assign(std::max<std::size_t>(64, slots_.size() * 2), 0);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t id = 0; id < texts_.size(); ++id) {
    std::size_t slot = hash_of(texts_[id]) & mask;
    while (slots_[slot] != 0) slot = (slot + 1) & mask;
    slots_[slot] = static_cast<std::uint32_t>(id + 1);
  }
}

}  // namespace trimtab::registry
