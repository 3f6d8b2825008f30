// Answers that were given, by prediction id: the same id again gets the same answer, and another input under
// a known id is a conflict. Bounded: the oldest are forgotten.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace trimtab::serve {

struct RememberedAnswer {
  std::uint64_t request_hash = 0;
  double score = 0;
  std::int64_t version = 0;
};

// Thread-safe.
class AnswerMemory {
 public:
  explicit AnswerMemory(std::size_t answers_max) : answers_max_(answers_max) {}

  std::optional<RememberedAnswer> find(const std::string& id) const {
    std::scoped_lock lock(mutex_);
    const auto found = answers_.find(id);
    if (found == answers_.end()) return std::nullopt;
    return found->second;
  }
  // Remembers the first answer under an id. Gives that one when it was there already.
  std::optional<RememberedAnswer> add(const std::string& id, const RememberedAnswer& answer) {
    std::scoped_lock lock(mutex_);
    const auto [entry, is_new] = answers_.emplace(id, answer);
    if (!is_new) return entry->second;
    order_.push_back(&entry->first);  // Keys of an unordered_map stay where they are.
    if (order_.size() <= answers_max_) return std::nullopt;
    const auto oldest = answers_.find(*order_.front());
    order_.pop_front();
    answers_.erase(oldest);
    return std::nullopt;
  }

 private:
  std::size_t answers_max_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, RememberedAnswer> answers_;
  std::deque<const std::string*> order_;
};

}  // namespace trimtab::serve
