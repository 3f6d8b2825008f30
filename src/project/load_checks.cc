#include "project/load_checks.h"

#include <algorithm>

#include "project/mapping_reader.h"

namespace trimtab::project {
namespace {

using Entry = YamlNode::Entry;
using Kind = Check::Kind;

// They judge the whole table; the others judge each row, and the rows that fail leave.
constexpr std::string_view kTableKinds[] = {"unique", "fresh", "rows"};

bool is_option(std::string_view key) { return key == "mostly" || key == "on_fail"; }

std::string text_of(const Json& value) { return value.is_string() ? value.as_string() : value.dump(); }

// "in(origin, EWR, JFK)"
std::string call_text(std::string_view name, const std::vector<std::string>& arguments) {
  std::string text(name);
  for (std::size_t i = 0; i < arguments.size(); ++i) text += (i == 0 ? "(" : ", ") + arguments[i];
  return text + ")";
}

// Reads one check of the list, which may stand for several: one for each column.
class CheckReader {
 public:
  CheckReader(const MappingReader& item, Diagnostics& diagnostics) : item_(item), diagnostics_(diagnostics) {}

  std::vector<Check> read(const Entry& kind) {
    read_options(kind);
    if (kind.key == "not_null") read_not_null(kind);
    if (kind.key == "unique") read_unique(kind);
    if (kind.key == "in" || kind.key == "between" || kind.key == "matches") read_columns_of(kind);
    if (kind.key == "expression") read_condition(kind);
    if (kind.key == "fresh") read_fresh(kind);
    if (kind.key == "rows") read_rows(kind);
    return std::move(checks_);
  }

 private:
  // Options stand beside the check or inside its value.
  void read_options(const Entry& kind) {
    const bool of_table = std::ranges::count(kTableKinds, kind.key) > 0;
    options_.on_fail = of_table ? OnFail::fail : OnFail::quarantine;
    // Rows that are late are no reason to throw away those that came.
    if (kind.key == "fresh") options_.on_fail = OnFail::warn;
    options_.mostly = item_.share("mostly", 1.0);
    if (const auto found = item_.choice("on_fail")) options_.on_fail = static_cast<OnFail>(*found);
    if (of_table && item_.has("mostly")) {
      diagnostics_.add(item_.place_of("mostly"),
                       "'mostly' says nothing about " + in_quotes(kind.key) + ", which judges a whole table",
                       "remove it");
    }
    if (of_table || kind.value.kind != YamlNode::Kind::mapping) return;
    if (const YamlNode* mostly = kind.value.find("mostly")) {
      const std::optional<double> share = read_share(*mostly, *kCheckKeys.find("mostly"), diagnostics_);
      options_.mostly = share.value_or(options_.mostly);
    }
    if (const YamlNode* on_fail = kind.value.find("on_fail")) read_on_fail(*on_fail);
  }

  void read_on_fail(const YamlNode& node) {
    const auto found = read_choice(node, "'on_fail'", kOnFailNames, diagnostics_);
    if (found) options_.on_fail = static_cast<OnFail>(*found);
  }

  Check& add(Kind kind, SourceRange where) {
    Check check = options_;
    check.kind = kind;
    check.where = std::move(where);
    return checks_.emplace_back(std::move(check));
  }

  void read_not_null(const Entry& kind) {
    for (const std::string& column : item_.columns("not_null")) {
      Check& check = add(Kind::not_null, kind.key_where);
      check.columns = {column};
      check.text = call_text("not_null", {column});
    }
  }

  void read_unique(const Entry& kind) {
    std::vector<std::string> columns = item_.columns("unique");
    if (columns.empty()) return;
    Check& check = add(Kind::unique, kind.key_where);
    check.text = call_text("unique", columns);
    check.columns = std::move(columns);
  }

  void read_columns_of(const Entry& kind) {
    const Form form = kCheckKeys.find(kind.key)->form;
    const std::vector<Entry>& entries = kind.value.entries;
    if (entries.empty()) {
      add_wrong(kind.value, in_quotes(kind.key), wanted(form), diagnostics_);
    } else if (std::ranges::all_of(entries, is_option, &Entry::key)) {
      diagnostics_.add(kind.value.where, in_quotes(kind.key) + " names no column");
    }
    std::map<std::string, SourceRange> seen;
    for (const Entry& entry : entries) {
      if (is_option(entry.key)) continue;
      if (!is_new_column(entry.key, entry.key_where, "column", seen, diagnostics_)) continue;
      if (form == Form::values_by_column) read_in(entry);
      if (form == Form::ranges_by_column) read_between(entry);
      if (form == Form::patterns_by_column) read_matches(entry);
    }
  }

  void read_in(const Entry& entry) {
    if (entry.value.kind != YamlNode::Kind::sequence || entry.value.items.empty()) {
      add_wrong(entry.value, in_quotes(entry.key), "a list of values", diagnostics_);
      return;
    }
    std::vector<Json> values;
    std::vector<std::string> arguments = {entry.key};
    for (const YamlNode& item : entry.value.items) {
      const std::string subject = "a value of " + in_quotes(entry.key);
      if (std::optional<Json> value = read_constant(item, subject, diagnostics_)) {
        arguments.push_back(text_of(*value));
        values.push_back(std::move(*value));
      }
    }
    Check& check = add(Kind::in, entry.key_where);
    check.columns = {entry.key};
    check.values = std::move(values);
    check.text = call_text("in", arguments);
  }

  // A null end is open.
  void read_between(const Entry& entry) {
    const std::vector<YamlNode>& ends = entry.value.items;
    if (entry.value.kind != YamlNode::Kind::sequence || ends.size() != 2) {
      add_wrong(entry.value, in_quotes(entry.key), "a list of two ends, [low, high],", diagnostics_);
      return;
    }
    std::optional<double> bounds[2];
    std::vector<std::string> arguments = {entry.key};
    for (std::size_t i = 0; i < 2; ++i) {
      bounds[i] = ends[i].as_double();
      const bool is_open = ends[i].kind == YamlNode::Kind::null;
      if (!bounds[i] && !is_open) {
        add_wrong(ends[i], "an end of " + in_quotes(entry.key), wanted(Form::number), diagnostics_);
      }
      arguments.push_back(is_open ? "any" : ends[i].scalar);
    }
    if (bounds[0] && bounds[1] && *bounds[0] > *bounds[1]) {
      diagnostics_.add(entry.value.where,
                       "no value is between " + in_quotes(arguments[1]) + " and " + in_quotes(arguments[2]),
                       "the low end comes first");
    }
    Check& check = add(Kind::between, entry.key_where);
    check.columns = {entry.key};
    check.low = bounds[0];
    check.high = bounds[1];
    check.text = call_text("between", arguments);
  }

  void read_matches(const Entry& entry) {
    const std::optional<std::string> pattern = read_text(entry.value, in_quotes(entry.key), diagnostics_);
    if (!pattern) return;
    Check& check = add(Kind::matches, entry.key_where);
    check.columns = {entry.key};
    check.pattern = *pattern;
    check.text = call_text("matches", {entry.key, *pattern});
  }

  void read_condition(const Entry& kind) {
    Check& check = add(Kind::expression, kind.key_where);
    check.condition = item_.expression("expression");
    check.text = check.condition.text;
  }

  void read_fresh(const Entry& kind) {
    const MappingReader reader(kind.value, kind.key_where, "'fresh'", kFreshKeys, diagnostics_);
    if (const auto found = reader.choice("on_fail")) options_.on_fail = static_cast<OnFail>(*found);
    Check& check = add(Kind::fresh, kind.key_where);
    check.columns = {reader.text("by")};
    check.within = reader.duration("within").value_or(0);
    check.text = call_text("fresh", {check.columns[0], "within " + base::format_duration(check.within)});
  }

  void read_rows(const Entry& kind) {
    const MappingReader reader(kind.value, kind.key_where, "'rows'", kRowsKeys, diagnostics_);
    if (const auto found = reader.choice("on_fail")) options_.on_fail = static_cast<OnFail>(*found);
    Check& check = add(Kind::rows, kind.key_where);
    std::vector<std::string> arguments;
    const auto bound = [&](std::string_view key) -> std::optional<double> {
      if (!reader.has(key)) return std::nullopt;
      const std::int64_t value = reader.whole(key, 0);
      arguments.push_back(std::string(key) + " " + std::to_string(value));
      return static_cast<double>(value);
    };
    check.low = bound("at_least");
    check.high = bound("at_most");
    check.text = call_text("rows", arguments);
    if (kind.value.kind != YamlNode::Kind::mapping) return;
    if (!check.low && !check.high) {
      diagnostics_.add(kind.key_where, "'rows' has no limit", "add at_least or at_most");
    } else if (check.low && check.high && *check.low > *check.high) {
      diagnostics_.add(reader.place_of("at_least"), "'at_least' is above 'at_most'");
    }
  }

  const MappingReader& item_;
  Diagnostics& diagnostics_;
  Check options_;  // What the checks of this item have in common.
  std::vector<Check> checks_;
};

}  // namespace

std::vector<Check> load_checks(const YamlNode& list, Diagnostics& diagnostics) {
  std::vector<Check> checks;
  if (list.kind != YamlNode::Kind::sequence) {
    add_wrong(list, "'checks'", wanted(Form::checks), diagnostics, "start each check with '- '");
    return checks;
  }
  for (const YamlNode& item : list.items) {
    const MappingReader reader(item, item.where, "a check", kCheckKeys, diagnostics);
    const Entry* kind = nullptr;
    bool has_unknown = false;
    for (const Entry& entry : reader.node().entries) {
      if (kCheckKeys.find(entry.key) == nullptr) {
        has_unknown = true;
      } else if (!is_option(entry.key) && kind != nullptr) {
        diagnostics.add(entry.key_where, "a check has one kind, " + in_quotes(entry.key) + " is one too many",
                        "start each check with '- '");
      } else if (!is_option(entry.key)) {
        kind = &entry;
      }
    }
    if (kind != nullptr) {
      std::ranges::move(CheckReader(reader, diagnostics).read(*kind), std::back_inserter(checks));
    } else if (item.kind == YamlNode::Kind::mapping && !has_unknown) {
      diagnostics.add(item.where, "this check has no kind", "add one like 'not_null: [column]'");
    }
  }
  return checks;
}

}  // namespace trimtab::project
