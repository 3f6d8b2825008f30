#include "table/expression_tree.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/diagnostics.h"
#include "table/allowed_functions.h"

namespace trimtab::table {
namespace {

// What the engine may have to unfold for one row: more than any honest expression needs, far less than hurts.
constexpr double kNodesMax = 20'000;
constexpr double kGrowthMax = 1'000;
constexpr double kUnknownGrowth = 30;  // Of a replacement that is not written out.
constexpr std::int64_t kPadLengthMax = 256;
constexpr std::size_t kColumnsListed = 12;

struct NodeType {
  std::string_view node_class;
  std::string_view type;
};

constexpr NodeType kAllowedNodes[] = {
    {"CONSTANT", "VALUE_CONSTANT"},
    {"COLUMN_REF", "COLUMN_REF"},
    {"COMPARISON", "COMPARE_EQUAL"},
    {"COMPARISON", "COMPARE_NOTEQUAL"},
    {"COMPARISON", "COMPARE_LESSTHAN"},
    {"COMPARISON", "COMPARE_GREATERTHAN"},
    {"COMPARISON", "COMPARE_LESSTHANOREQUALTO"},
    {"COMPARISON", "COMPARE_GREATERTHANOREQUALTO"},
    {"COMPARISON", "COMPARE_DISTINCT_FROM"},
    {"COMPARISON", "COMPARE_NOT_DISTINCT_FROM"},
    {"CONJUNCTION", "CONJUNCTION_AND"},
    {"CONJUNCTION", "CONJUNCTION_OR"},
    {"BETWEEN", "COMPARE_BETWEEN"},
    {"CASE", "CASE_EXPR"},
    {"CAST", "OPERATOR_CAST"},
    {"FUNCTION", "FUNCTION"},
    {"OPERATOR", "OPERATOR_NOT"},
    {"OPERATOR", "OPERATOR_IS_NULL"},
    {"OPERATOR", "OPERATOR_IS_NOT_NULL"},
    {"OPERATOR", "OPERATOR_COALESCE"},
    {"OPERATOR", "COMPARE_IN"},
    {"OPERATOR", "COMPARE_NOT_IN"},
};

constexpr std::array<std::string_view, 7> kConstantTypes = {"NULL",   "BOOLEAN", "INTEGER", "BIGINT",
                                                            "DOUBLE", "DECIMAL", "VARCHAR"};
constexpr std::array<std::string_view, 17> kCastTypes = {
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
    "FLOAT",   "DOUBLE",  "DECIMAL",  "VARCHAR", "DATE",   "TIME",     "TIMESTAMP", "INTERVAL"};
constexpr std::array<std::string_view, 3> kJoining = {"||", "concat", "concat_ws"};
constexpr std::string_view kZonedTime = "TIMESTAMP WITH TIME ZONE";
constexpr std::string_view kNoList = "a row holds numbers, texts, truths and times only, no lists";

struct ForbiddenNode {
  std::string_view node;  // A class, or a type of it.
  std::string_view what;
  std::string_view hint;
};

// Words for what people try; everything else that is not allowed is called by the engine's own name for it.
constexpr ForbiddenNode kForbiddenNodes[] = {
    {"SUBQUERY", "a subquery",
     "an expression sees one row; the step `join` brings in columns of other tables"},
    {"WINDOW", "a window function", "an expression sees one row; the step `window` sees its neighbours"},
    {"STAR", "'*' for columns", "name the columns"},
    {"LAMBDA", "'->'", "there are no lambdas and no JSON paths; `split_column` and `parse` take texts apart"},
    {"PARAMETER", "a parameter", "write the value itself"},
    {"POSITIONAL_REFERENCE", "a column by its position", "name the column"},
    {"COLLATE", "COLLATE", "compare lower(…) or strip_accents(…) instead"},
    {"ARRAY_EXTRACT", "'[…]'", "substring(text, from, length) takes a part of a text"},
    {"ARRAY_SLICE", "'[…]'", "substring(text, from, length) takes a part of a text"},
    {"ARRAY_CONSTRUCTOR", "a list", kNoList},
    {"STRUCT_EXTRACT", "a struct", kNoList},
    {"OPERATOR_TRY", "TRY", "use try_cast(… AS type) or try_strptime"},
    {"OPERATOR_UNPACK", "'*' for columns", "name the columns"},
    {"GROUPING_FUNCTION", "grouping", "the step `aggregate` groups rows"},
    {"DEFAULT", "DEFAULT", "write the value itself"},
};

// Functions that the parser makes of brackets, which deserve a better name than their own.
constexpr ForbiddenNode kForbiddenBrackets[] = {
    {"row", "more than one value", "write exactly one expression"},
    {"list_value", "a list", kNoList},
    {"struct_pack", "a struct", kNoList},
    {"map", "a map", kNoList},
    {"list_apply", "a list", kNoList},
    {"list_filter", "a list", kNoList},
};

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return result;
}

template <class List>
bool holds(const List& list, std::string_view name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

template <std::size_t N>
const ForbiddenNode* find_words(const ForbiddenNode (&list)[N], std::string_view node) {
  const auto* found =
      std::find_if(list, list + N, [&](const ForbiddenNode& row) { return row.node == node; });
  return found == list + N ? nullptr : found;
}

// "a, b and 3 more", so that a message stays a line even over a wide table.
std::string list_columns(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kColumnsListed; ++i)
    text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kColumnsListed)
    text += " and " + std::to_string(names.size() - kColumnsListed) + " more";
  return text;
}

// What unfolding a node may cost: the engine's macros repeat their arguments, some functions lengthen texts.
struct Weight {
  double nodes = 1;
  double growth = 1;           // How much longer than a cell the text may be.
  double growth_together = 0;  // Of the arguments one after the other.
};

class Judge {
 public:
  Judge(const ExpressionTree& tree, std::string_view text, const Schema& schema)
      : tree_(tree), text_(text), schema_(schema) {}

  std::optional<ExpressionFault> run(TreeReading& reading) {
    visit(tree_.root, 1, 0);
    if (fault_) return std::move(fault_);
    std::stable_sort(columns_.begin(), columns_.end(),
                     [](const Seen& a, const Seen& b) { return a.offset < b.offset; });
    for (const Seen& seen : columns_) add_once(reading.columns, seen.name);
    reading.functions = std::move(functions_);
    return std::nullopt;
  }

 private:
  struct Seen {
    std::size_t offset;
    std::string name;
  };

  static void add_once(std::vector<std::string>& list, const std::string& name) {
    if (!holds(list, name)) list.push_back(name);
  }

  Weight refuse(std::size_t offset, std::string message, std::string hint) {
    if (!fault_) fault_ = ExpressionFault{offset, std::move(message), std::move(hint)};
    return {};
  }
  Weight refuse_node(std::size_t offset, std::string_view what, std::string_view hint) {
    return refuse(offset, std::string(what) + " is not allowed in an expression", std::string(hint));
  }

  // Where the node stands in the text. Nodes that the parser invented have no place: they take their
  // parent's.
  std::size_t offset_of(const Json& node, std::size_t parent) const {
    const std::int64_t location = node.int_or("query_location", -1) - tree_.text_start;
    const bool inside = location >= 0 && static_cast<std::size_t>(location) < text_.size();
    return inside ? static_cast<std::size_t>(location) : parent;
  }

  Weight visit(const Json& node, int depth, std::size_t parent) {
    if (fault_) return {};
    const std::size_t offset = offset_of(node, parent);
    if (depth > kExpressionDepthMax) return refuse(offset, std::string(kTooDeep), std::string(kSplitIt));
    const std::string node_class = node.text_or("class");
    const std::string type = node.text_or("type");
    const bool allowed =
        std::any_of(std::begin(kAllowedNodes), std::end(kAllowedNodes),
                    [&](const NodeType& row) { return row.node_class == node_class && row.type == type; });
    if (!allowed) return refuse_unlisted(node_class, type, offset);
    if (!node.text_or("alias").empty()) {
      return refuse_node(offset, "the name '" + node.text_or("alias") + "' for a value", "leave it out");
    }
    if (node_class == "CONSTANT") return constant(node, offset);
    if (node_class == "COLUMN_REF") return column(node, offset);
    if (node_class == "FUNCTION") return function(node, depth, offset);
    if (node_class == "CAST") check_cast(node["cast_type"], offset);
    return within_limits(children(node, depth, offset), offset);
  }

  // All nodes below this one, whatever its class calls them: lists and single members that are objects with a
  // class of their own, and the WHEN … THEN pairs of a CASE.
  Weight children(const Json& node, int depth, std::size_t offset) {
    Weight sum;
    for (const auto& [name, member] : node.as_object()) {
      if (member.is_object() && member.find("class") != nullptr) add(sum, visit(member, depth + 1, offset));
      if (!member.is_array()) continue;
      for (const Json& item : member.as_array()) {
        add(sum,
            item.find("class") != nullptr ? visit(item, depth + 1, offset) : children(item, depth, offset));
      }
    }
    return sum;
  }

  static void add(Weight& sum, const Weight& part) {
    sum.nodes += part.nodes;
    sum.growth = std::max(sum.growth, part.growth);
    sum.growth_together += part.growth;
  }

  Weight refuse_unlisted(const std::string& node_class, const std::string& type, std::size_t offset) {
    const ForbiddenNode* words = find_words(kForbiddenNodes, type);
    if (words == nullptr) words = find_words(kForbiddenNodes, node_class);
    if (words == nullptr) return refuse_node(offset, type, "");
    return refuse_node(offset, words->what, words->hint);
  }

  Weight within_limits(const Weight& weight, std::size_t offset) {
    if (weight.nodes <= kNodesMax && weight.growth <= kGrowthMax) return weight;
    return refuse(offset, "the expression may unfold to something far too large", std::string(kSplitIt));
  }

  Weight constant(const Json& node, std::size_t offset) {
    const Json& value = node["value"];
    const std::string type = value["type"].text_or("id");
    const bool plain = value.find("value") == nullptr || !value["value"].is_object();
    if (holds(kConstantTypes, type) && plain) return {};
    return refuse(offset, "the number that starts here has too many digits",
                  "write it with an exponent, as in 1.5e20");
  }

  Weight column(const Json& node, std::size_t offset) {
    const Json::Array& names = node["column_names"].as_array();
    if (names.size() != 1) {
      return refuse_node(offset, "a name with dots",
                         "columns have plain names here, in double quotes if need be");
    }
    const std::string& name = names.front().as_string();
    if (const std::optional<int> found = schema_.find(name)) {
      columns_.push_back({offset, schema_.at(*found).name});
      return {};
    }
    const std::string_view instead = instead_of_function(lower(name));
    if (!instead.empty()) return refuse_node(offset, "'" + name + "'", instead);
    return refuse(offset, "'" + name + "' is no column here", column_hint(name, offset));
  }

  std::string column_hint(const std::string& name, std::size_t offset) const {
    const std::vector<std::string> names = schema_.names();
    const std::string meant = base::did_you_mean(name, names);
    std::string hint = meant;
    if (meant.empty() && text_.substr(offset, 1) == "\"")
      hint = "texts stand in single quotes: '" + name + "';";
    if (names.empty()) return hint + (hint.empty() ? "" : " ") + "there are no columns";
    return hint + (hint.empty() ? "" : " ") + "the columns are " + list_columns(names);
  }

  void check_cast(const Json& type, std::size_t offset) {
    const std::string id = type.text_or("id");
    const Json& info = type["type_info"];
    const bool plain = info.is_null() || (id == "DECIMAL" && info.text_or("type") == "DECIMAL_TYPE_INFO");
    if (plain && (holds(kCastTypes, id) || id == kZonedTime)) return;
    const std::string name = id == "UNBOUND" ? info.text_or("name") : id;
    refuse_node(offset, "a cast to " + name,
                "the types are BOOLEAN, INTEGER, BIGINT, DOUBLE, DECIMAL, VARCHAR, DATE, TIME, TIMESTAMP, "
                "TIMESTAMPTZ and INTERVAL");
  }

  Weight function(const Json& node, int depth, std::size_t offset) {
    const std::string name = lower(node.text_or("function_name"));
    const AllowedFunction* allowed = find_allowed_function(name);
    if (allowed == nullptr) return refuse_function(name, offset);
    const std::string schema = node.text_or("schema");
    if ((!schema.empty() && schema != "main") || !node.text_or("catalog").empty()) {
      return refuse_node(offset, "'" + schema + "." + name + "'", "write " + name + "(" + schema + ")");
    }
    const bool plain = node["filter"].is_null() && node["order_bys"]["orders"] == Json::array() &&
                       !node.bool_or("distinct", true) && !node.bool_or("export_state", true);
    if (!plain) return refuse_node(offset, "DISTINCT, ORDER BY or FILTER", instead_of_function("sum"));
    check_arguments(name, node["children"].as_array(), offset);
    add_once(functions_, name);
    Weight sum = children(node, depth, offset);
    sum.nodes *= allowed->copies;
    if (holds(kJoining, name)) sum.growth = std::max(sum.growth, sum.growth_together);
    sum.growth *= allowed->growth * replacement_growth(name, node["children"].as_array());
    return within_limits(sum, offset);
  }

  Weight refuse_function(const std::string& name, std::size_t offset) {
    if (const ForbiddenNode* words = find_words(kForbiddenBrackets, name); words != nullptr) {
      return refuse_node(offset, words->what, words->hint);
    }
    std::string hint(instead_of_function(name));
    if (hint.empty()) hint = base::did_you_mean(name, allowed_function_names());
    if (hint.empty()) hint = "docs/expressions.md lists the functions that are";
    return refuse_node(offset, "the function '" + name + "'", hint);
  }

  void check_arguments(const std::string& name, const Json::Array& arguments, std::size_t offset) {
    if (name == "age" && arguments.size() == 1) {
      refuse_node(offset, "age with one argument", instead_of_function("age"));
    }
    if (name != "lpad" && name != "rpad") return;
    const Json length = arguments.size() > 1 ? arguments[1]["value"]["value"] : Json();
    if (length.is_int() && length.as_int() <= kPadLengthMax) return;
    refuse(offset,
           "the length for " + name + " must be a whole number of at most " + std::to_string(kPadLengthMax),
           "");
  }

  // By how much a replacement may lengthen a text. Each byte may be replaced, regexp_replace also replaces
  // the nothing between two bytes, and each backslash may bring in the whole match. What is computed per row
  // might be anything.
  static double replacement_growth(const std::string& name, const Json::Array& arguments) {
    if ((name != "replace" && name != "regexp_replace") || arguments.size() < 3) return 1;
    const Json& pattern = arguments[1]["value"]["value"];
    const Json& replacement = arguments[2]["value"]["value"];
    if (!replacement.is_string() || !pattern.is_string()) return kUnknownGrowth;
    const std::string& text = replacement.as_string();
    const auto size = static_cast<double>(text.size());
    if (name == "replace") {
      return std::max(1.0, size / std::max(1.0, static_cast<double>(pattern.as_string().size())));
    }
    const bool once = arguments.size() == 3 && text.find('\\') == std::string::npos;
    return once || text.empty() ? 1 : size + 1;
  }

  const ExpressionTree& tree_;
  std::string_view text_;
  const Schema& schema_;
  std::vector<Seen> columns_;
  std::vector<std::string> functions_;
  std::optional<ExpressionFault> fault_;
};

}  // namespace

std::optional<ExpressionFault> judge_tree(const ExpressionTree& tree, std::string_view text,
                                          const Schema& schema, TreeReading& reading) {
  return Judge(tree, text, schema).run(reading);
}

}  // namespace trimtab::table
