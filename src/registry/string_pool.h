// Texts that many runs share (keys, values, names), each kept once under a small number.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace trimtab::registry {

// Texts are never taken out again and never move. Not thread-safe while it is written to.
class StringPool {
 public:
  // The number of `text`; 0, 1, 2, … in the order of first use.
  std::uint32_t intern(std::string_view text);
  std::optional<std::uint32_t> find(std::string_view text) const;
  std::string_view text(std::uint32_t id) const { return texts_[id]; }
  std::size_t size() const { return texts_.size(); }

 private:
  std::size_t slot_of(std::string_view text, std::uint64_t hash) const;
  std::string_view keep(std::string_view text);
  void grow();

  std::vector<std::string_view> texts_;
  std::vector<std::uint32_t> slots_;  // id + 1, or 0: free. A power of two, at most three quarters full.
  std::vector<std::unique_ptr<char[]>> chunks_;
  std::size_t chunk_left_ = 0;
  char* chunk_end_ = nullptr;  // Where the next text goes.
};

}  // namespace trimtab::registry
