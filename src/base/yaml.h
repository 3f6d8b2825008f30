// A YAML document as a tree that remembers where each word stood. Refuses what a reviewed file should not
// have: duplicate keys, anchors and aliases (billion laughs), tags, several documents.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace trimtab::base {

struct YamlNode {
  enum class Kind : std::uint8_t { null, scalar, sequence, mapping };
  struct Entry;

  Kind kind = Kind::null;
  SourceRange where;
  std::string scalar;           // Of a scalar, unquoted.
  bool quoted = false;          // A quoted scalar is text, whatever it looks like.
  std::vector<YamlNode> items;  // Of a sequence.
  std::vector<Entry> entries;   // Of a mapping, in file order; keys are unique.

  const YamlNode* find(std::string_view key) const;
  // "a mapping", "a list", "text", "a number", ... for messages.
  std::string_view kind_name() const;
  std::optional<std::int64_t> as_int() const;  // Unquoted whole number.
  std::optional<double> as_double() const;     // Unquoted number.
  std::optional<bool> as_bool() const;         // Unquoted true or false (also yes/no as YAML 1.1 has them).
};

struct YamlNode::Entry {
  std::string key;
  SourceRange key_where;
  YamlNode value;
};

// `file` names the text in messages. Errors: malformed, invalid (duplicate key...), too_large;
// all with a place.
Result<YamlNode> parse_yaml(std::string_view text, std::string file);

}  // namespace trimtab::base
