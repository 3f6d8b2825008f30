#include "registry/run_name.h"

#include <array>
#include <charconv>
#include <cstdint>

#include "base/hash.h"

namespace trimtab::registry {
namespace {

// At most seven letters each, so that 7 + 1 + 7 + 1 + 3 stays below 20.
constexpr std::array<std::string_view, 32> kPredicates = {
    "able",  "amber", "bold",   "brave", "brisk", "calm",  "clear", "crisp", "deft",  "eager", "early",
    "fair",  "fleet", "fond",   "fresh", "glad",  "grand", "keen",  "kind",  "level", "light", "lucid",
    "merry", "neat",  "nimble", "plain", "quick", "quiet", "rare",  "stray", "swift", "wise"};
constexpr std::array<std::string_view, 32> kNouns = {
    "auk",    "bat",  "crane",  "crow",   "dove",  "duck",  "eagle",  "egret", "finch",  "gannet", "goose",
    "grebe",  "gull", "hawk",   "heron",  "ibis",  "jay",   "kite",   "lark",  "linnet", "loon",   "martin",
    "merlin", "owl",  "petrel", "plover", "raven", "robin", "shrike", "snipe", "tern",   "wren"};

}  // namespace

std::string run_name(std::string_view run_id) {
  const std::string digest = base::sha256(run_id);
  std::uint32_t bits = 0;
  std::from_chars(digest.data(), digest.data() + 8, bits, 16);
  const std::string number = std::to_string(1000 + (bits >> 10) % 1000).substr(1);
  return std::string(kPredicates[bits % 32]) + "-" + std::string(kNouns[(bits >> 5) % 32]) + "-" + number;
}

}  // namespace trimtab::registry
