// The text of a search, read: MLflow's filter grammar for runs and for experiments, with OR and parentheses
// as our extension, and its order_by. Knows no run; run_search.h looks for them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace trimtab::registry {

enum class FilterField : std::uint8_t { metric, param, tag, text_attribute, number_attribute, dataset };
enum class FilterOperator : std::uint8_t {
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  like,
  ilike,
  in,
  not_in,
  is_null,
  is_not_null
};

struct FilterTerm {
  FilterField field = FilterField::metric;
  FilterOperator comparison = FilterOperator::equal;
  std::string key;                 // Of an attribute: its one name ("start_time", never "created").
  double number = 0;               // Of metrics and number attributes.
  std::vector<std::string> texts;  // Of the others: one, or as many as the list has.
};

// The filter in the order of computation: a term puts a truth on the stack, the others take two and put one.
struct FilterStep {
  enum class Kind : std::uint8_t { term, both, either };
  Kind kind = Kind::term;
  std::uint32_t term = 0;
};

struct Filter {
  std::vector<FilterTerm> terms;
  std::vector<FilterStep> steps;  // Empty: everything matches.
};

struct OrderTerm {
  FilterField field = FilterField::metric;
  std::string key;
  bool is_ascending = true;
  bool operator==(const OrderTerm&) const = default;
};

// What a search is about: the names of its attributes and what may stand in a filter differ.
enum class SearchSubject : std::uint8_t { runs, experiments };

// Errors: invalid, in MLflow's words, with the character it is about (from 1) in the hint; a filter of more
// than 64 KiB, 500 terms or 64 open parentheses is refused.
Result<Filter> parse_filter(std::string_view text, SearchSubject subject);
Result<std::vector<OrderTerm>> parse_order(const std::vector<std::string>& order_by, SearchSubject subject);

}  // namespace trimtab::registry
