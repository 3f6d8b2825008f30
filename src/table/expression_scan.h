// A first look at the characters of an expression, before the engine's parser sees them: refuses what would
// cost that parser too much, and what would mislead a human reader. It is no judge of meaning; the tree is.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace trimtab::table {

inline constexpr std::size_t kExpressionBytesMax = 10'000;
inline constexpr int kExpressionDepthMax = 100;
inline constexpr std::string_view kTooDeep = "the expression is nested deeper than 100 levels";
inline constexpr std::string_view kSplitIt = "split it into several derived columns";

// What is wrong with an expression, and where in its text.
struct ExpressionFault {
  std::size_t offset = 0;  // In bytes from the start of the text.
  std::string message;
  std::string hint;
};

std::optional<ExpressionFault> scan_expression(std::string_view text);

}  // namespace trimtab::table
