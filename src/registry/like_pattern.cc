#include "registry/like_pattern.h"

#include <algorithm>
#include <cstring>

namespace trimtab::registry {
namespace {

// No character of Unicode.
constexpr char32_t kAny = 0xffff'ffff;
constexpr std::size_t kNowhere = std::string_view::npos;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return out;
}

// Bytes that are no UTF-8 count as a character each.
std::u32string characters_of(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) == 0x80 && !out.empty()) {
      out.back() = (out.back() << 6) | (byte & 0x3f);
    } else {
      out.push_back(byte);
    }
  }
  return out;
}

std::size_t find_bytes(std::string_view text, std::string_view wanted) {
  // The C library's search takes linear time; that of std::string_view does not.
  const void* found = ::memmem(text.data(), text.size(), wanted.data(), wanted.size());
  return found == nullptr ? kNowhere
                          : static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

}  // namespace

LikePattern::LikePattern(std::string_view pattern, bool ignores_case)
    : ignores_case_(ignores_case), has_any_(pattern.find('_') != std::string_view::npos) {
  const std::string text = ignores_case ? lower(pattern) : std::string(pattern);
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('%', at), text.size());
    Piece& piece = pieces_.emplace_back();
    piece.bytes = text.substr(at, end - at);
    shortest_ += has_any_ ? characters_of(piece.bytes).size() : piece.bytes.size();
    if (has_any_) prepare(piece);
    at = end + 1;
  }
}

void LikePattern::prepare(Piece& piece) {
  piece.characters = characters_of(piece.bytes);
  const std::size_t words = (piece.characters.size() + 63) / 64;
  piece.any.assign(words, 0);
  for (std::size_t i = 0; i < piece.characters.size(); ++i) {
    char32_t& character = piece.characters[i];
    if (character == U'_') character = kAny;
    std::vector<std::uint64_t>& mask = character == kAny ? piece.any : piece.masks[character];
    mask.resize(words);
    mask[i / 64] |= std::uint64_t{1} << (i % 64);
  }
}

bool LikePattern::matches(std::string_view text) const {
  if (text.size() < shortest_) return false;
  const std::string lowered = ignores_case_ ? lower(text) : std::string();
  const std::string_view seen = ignores_case_ ? std::string_view(lowered) : text;
  return has_any_ ? matches_characters(characters_of(seen)) : matches_bytes(seen);
}

bool LikePattern::matches_bytes(std::string_view text) const {
  const std::string& first = pieces_.front().bytes;
  const std::string& last = pieces_.back().bytes;
  if (pieces_.size() == 1) return text == first;
  if (text.size() < first.size() + last.size() || !text.starts_with(first) || !text.ends_with(last)) {
    return false;
  }
  text = text.substr(first.size(), text.size() - first.size() - last.size());
  for (std::size_t i = 1; i + 1 < pieces_.size(); ++i) {
    const std::size_t at = find_bytes(text, pieces_[i].bytes);
    if (at == kNowhere) return false;
    text.remove_prefix(at + pieces_[i].bytes.size());
  }
  return true;
}

bool LikePattern::stands_at_front(std::u32string_view text, const Piece& piece) {
  if (text.size() < piece.characters.size()) return false;
  for (std::size_t i = 0; i < piece.characters.size(); ++i) {
    if (piece.characters[i] != kAny && piece.characters[i] != text[i]) return false;
  }
  return true;
}

// Baeza-Yates and Gonnet, "A new approach to text searching" (1992): bit i of `state` says that the first i +
// 1 characters of the piece end here.
std::size_t LikePattern::find(std::u32string_view text, const Piece& piece) {
  const std::size_t size = piece.characters.size();
  if (size == 0) return 0;
  std::vector<std::uint64_t> state(piece.any.size(), 0);
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto mask = piece.masks.find(text[at]);
    std::uint64_t carry = 1;
    for (std::size_t word = 0; word < state.size(); ++word) {
      const std::uint64_t next_carry = state[word] >> 63;
      const std::uint64_t may = piece.any[word] | (mask == piece.masks.end() ? 0 : mask->second[word]);
      state[word] = ((state[word] << 1) | carry) & may;
      carry = next_carry;
    }
    if ((state[(size - 1) / 64] >> ((size - 1) % 64)) & 1) return at + 1 - size;
  }
  return kNowhere;
}

bool LikePattern::matches_characters(std::u32string_view text) const {
  const Piece& first = pieces_.front();
  const Piece& last = pieces_.back();
  const std::size_t first_size = first.characters.size();
  const std::size_t last_size = last.characters.size();
  if (!stands_at_front(text, first)) return false;
  if (pieces_.size() == 1) return text.size() == first_size;
  if (text.size() < first_size + last_size) return false;
  if (!stands_at_front(text.substr(text.size() - last_size), last)) return false;
  text = text.substr(first_size, text.size() - first_size - last_size);
  for (std::size_t i = 1; i + 1 < pieces_.size(); ++i) {
    const std::size_t at = find(text, pieces_[i]);
    if (at == kNowhere) return false;
    text.remove_prefix(at + pieces_[i].characters.size());
  }
  return true;
}

}  // namespace trimtab::registry
