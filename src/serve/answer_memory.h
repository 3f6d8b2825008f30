// Answers that were given, by prediction id: the same id again gets the same answer, and another input under
// a known id is a conflict. Bounded: the oldest are forgotten.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/fast_hash.h"
#include "base/id.h"

namespace trimtab::serve {

struct RememberedAnswer {
  std::uint64_t request_hash = 0;
  double score = 0;
  std::int64_t version = 0;
  bool damaged = false;  // The row was repaired before it was scored.
};

// Ids are held as 128 bits under two seeds of this process, which nobody can aim at: they take half the
// memory that their texts would, and two different ones do not meet. Thread-safe.
class AnswerMemory {
 public:
  explicit AnswerMemory(std::size_t answers_max) : answers_max_(answers_max) {}

  std::optional<RememberedAnswer> find(const std::string& id) const {
    const Key key = key_of(id);
    std::scoped_lock lock(mutex_);
    const auto found = answers_.find(key);
    if (found == answers_.end()) return std::nullopt;
    return found->second;
  }
  // Remembers the first answer under an id. Gives that one when it was there already.
  std::optional<RememberedAnswer> add(const std::string& id, const RememberedAnswer& answer) {
    const Key key = key_of(id);
    std::scoped_lock lock(mutex_);
    const auto [entry, is_new] = answers_.emplace(key, answer);
    if (!is_new) return entry->second;
    order_.push_back(key);
    if (order_.size() <= answers_max_) return std::nullopt;
    answers_.erase(order_.front());
    order_.pop_front();
    return std::nullopt;
  }

 private:
  struct Key {
    std::uint64_t a = 0, b = 0;
    bool operator==(const Key&) const = default;
  };
  struct HashKey {
    std::size_t operator()(const Key& key) const { return key.a; }
  };
  Key key_of(const std::string& id) const {
    return {base::fast_hash(id, seed_a_), base::fast_hash(id, seed_b_)};
  }

  std::size_t answers_max_;
  const std::uint64_t seed_a_ = base::fast_hash(base::random_hex(16));
  const std::uint64_t seed_b_ = base::fast_hash(base::random_hex(16));
  mutable std::mutex mutex_;
  std::unordered_map<Key, RememberedAnswer, HashKey> answers_;
  std::deque<Key> order_;
};

}  // namespace trimtab::serve
