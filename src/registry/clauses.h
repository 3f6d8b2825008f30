// The filters of registered models, versions and logged models: comparisons joined by AND, as MLflow's
// grammars for them have it. (Runs have a richer one.) Reading takes time in proportion to the text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "registry/like_pattern.h"

namespace trimtab::registry {

// "tags.`a b` != 'x'": entity "tags", key "a b", operation "!=", value "x".
struct Clause {
  enum class Kind : std::uint8_t { text, whole_number, number, texts };

  std::string entity;     // As written; "" when there is only a key.
  std::string key;        // Without quotes.
  std::string operation;  // "=", "!=", "<", "<=", ">", ">=", "LIKE", "ILIKE", "IN", "NOT IN".
                          // With `null_tests` also "IS NULL" and "IS NOT NULL", which have no value.
  Kind kind = Kind::text;
  std::string text;  // Without quotes.
  double number = 0;
  std::vector<std::string> texts;
  LikePattern pattern;  // Of LIKE and ILIKE.
  std::string written;  // The value as written, for messages.
};

// At most 64 KiB and 500 comparisons. Errors: invalid ("Invalid clause(s) in filter string: …").
Result<std::vector<Clause>> parse_clauses(std::string_view filter, bool null_tests = false);

// Whether `value` stands in the clause's relation to its text(s). CHECKs that the operation is one for texts.
bool holds_for_text(const Clause& clause, std::string_view value);
// The same for numbers.
bool holds_for_number(const Clause& clause, double value);

bool is_text_operation(std::string_view operation);
bool is_number_operation(std::string_view operation);

// "name DESC" → key and direction. Errors: invalid ("Invalid order_by clause '…'. Could not be parsed.").
struct OrderBy {
  std::string key;
  bool is_ascending = true;
};
Result<OrderBy> parse_order_by(std::string_view text);

}  // namespace trimtab::registry
