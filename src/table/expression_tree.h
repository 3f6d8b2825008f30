// Judges the tree that the engine's parser made of an expression: every node is refused unless it stands on
// the allow-list of its class, every function unless it is an allowed one, every column unless the schema has
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "table/expression_scan.h"
#include "table/schema.h"

namespace trimtab::table {

struct TreeReading {
  std::vector<std::string> columns;    // As spelled in the schema, each once, in order of appearance.
  std::vector<std::string> functions;  // Lower case, each once.
};

// An expression's tree as json_serialize_sql writes it, unknown locations as -1.
struct ExpressionTree {
  Json root;
  std::int64_t text_start = 0;  // Where the expression's text stands in the text that was parsed.
};

// Fills `reading`, or says what is wrong. `text` is what was parsed into the tree.
std::optional<ExpressionFault> judge_tree(const ExpressionTree& tree, std::string_view text,
                                          const Schema& schema, TreeReading& reading);

}  // namespace trimtab::table
