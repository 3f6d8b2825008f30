#include "project/mapping_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

namespace trimtab::project {
namespace {

constexpr std::size_t kShownBytesMax = 60;
constexpr std::size_t kListedWordsMax = 20;
// Names are looked up one by one, which is fine for what people write.
constexpr std::size_t kSectionEntriesMax = 1000;
constexpr std::size_t kNameLengthMax = 63;
constexpr std::size_t kColumnNameBytesMax = 255;
constexpr std::size_t kExpressionBytesMax = 10'000;

// A user's words in a message: on one line, not too long, and not cut within a letter.
std::string shown(std::string_view text) {
  std::string part(text.substr(0, kShownBytesMax));
  if (part.size() < text.size()) {
    const auto is_inner = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; };
    std::size_t end = part.size();
    while (end > 0 && is_inner(text[end])) --end;
    part = part.substr(0, end) + "…";
  }
  for (char& c : part) c = static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  return part;
}

const YamlNode& empty_mapping() {
  static const YamlNode kEmpty = [] {
    YamlNode node;
    node.kind = YamlNode::Kind::mapping;
    return node;
  }();
  return kEmpty;
}

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

void add_out_of_range(const YamlNode& node, std::string_view subject, const Key& key,
                      Diagnostics& diagnostics) {
  diagnostics.add(node.where, std::string(subject) + " is " + shown(node.scalar) + ", " +
                                  wanted_in_range(key) + " is wanted");
}

}  // namespace

MappingReader::MappingReader(const YamlNode& node, SourceRange place, std::string what, const KeyTable& keys,
                             Diagnostics& diagnostics)
    : node_(&node), place_(std::move(place)), what_(std::move(what)), keys_(keys), diagnostics_(diagnostics) {
  if (node.kind != YamlNode::Kind::mapping) {
    add_wrong(node, what_, wanted(Form::mapping), diagnostics_);
    // What lacks everything lacks no key in particular.
    node_ = &empty_mapping();
    return;
  }
  check_keys();
}

void MappingReader::check_keys() const {
  // A required key that is only misspelt is one mistake, not two.
  std::set<std::string, std::less<>> meant;
  for (const YamlNode::Entry& entry : node_->entries) {
    const Key* key = keys_.find(entry.key);
    if (key == nullptr) {
      const std::vector<std::string> names = keys_.names();
      meant.emplace(base::closest(entry.key, names));
      std::string hint = base::did_you_mean(entry.key, names);
      if (hint.empty()) hint = names.empty() ? "it takes no keys" : "its keys are: " + list_of(names);
      diagnostics_.add(entry.key_where, "unknown key " + in_quotes(entry.key) + " in " + what_, hint);
    } else if (key->form == Form::unsupported) {
      add_unsupported(entry.key_where, in_quotes(entry.key) + " in " + what_, diagnostics_);
    }
  }
  for (const Key& key : keys_.keys) {
    if (!key.required || node_->find(key.name) != nullptr || meant.contains(key.name)) continue;
    const std::string value = key.choices.empty() ? std::string(wanted(key.form)) : one_of(key.choices);
    const std::string name(key.name);
    diagnostics_.add(place_, what_ + " lacks the key '" + name + "'", "add '" + name + ":' with " + value);
  }
}

const YamlNode* MappingReader::find(std::string_view key) const {
  CHECK(keys_.find(key) != nullptr);
  return node_->find(key);
}

const Key& MappingReader::key_of(std::string_view key, Form form) const {
  const Key* found = keys_.find(key);
  CHECK(found != nullptr && found->form == form);
  return *found;
}

const YamlNode* MappingReader::find(std::string_view key, Form form) const {
  key_of(key, form);
  return node_->find(key);
}

SourceRange MappingReader::place_of(std::string_view key) const {
  const YamlNode* node = find(key);
  return node == nullptr ? SourceRange{} : node->where;
}

std::string MappingReader::text(std::string_view key) const {
  const YamlNode* node = find(key, Form::text);
  return node == nullptr ? "" : read_text(*node, in_quotes(key), diagnostics_).value_or("");
}

std::vector<std::string> MappingReader::texts(std::string_view key) const {
  const YamlNode* node = find(key, Form::texts);
  return node == nullptr ? std::vector<std::string>{} : read_texts(*node, in_quotes(key), diagnostics_);
}

std::vector<std::string> MappingReader::columns(std::string_view key) const {
  const YamlNode* node = find(key, Form::columns);
  return node == nullptr ? std::vector<std::string>{} : read_columns(*node, in_quotes(key), diagnostics_);
}

std::int64_t MappingReader::whole(std::string_view key, std::int64_t fallback) const {
  const Key& row = key_of(key, Form::whole);
  const YamlNode* node = find(key);
  if (node == nullptr) return fallback;
  const std::optional<std::int64_t> value = node->as_int();
  if (!value) {
    add_wrong(*node, in_quotes(key), wanted(Form::whole), diagnostics_);
  } else if (!row.range.contains(static_cast<double>(*value))) {
    add_out_of_range(*node, in_quotes(key), row, diagnostics_);
  } else {
    return *value;
  }
  return fallback;
}

double MappingReader::number(std::string_view key, double fallback) const {
  const Key& row = key_of(key, Form::number);
  const YamlNode* node = find(key);
  if (node == nullptr) return fallback;
  const std::optional<double> value = node->as_double();
  if (!value) {
    add_wrong(*node, in_quotes(key), wanted(Form::number), diagnostics_);
  } else if (!row.range.contains(*value)) {
    add_out_of_range(*node, in_quotes(key), row, diagnostics_);
  } else {
    return *value;
  }
  return fallback;
}

double MappingReader::share(std::string_view key, double fallback) const {
  const YamlNode* node = find(key, Form::share);
  return node == nullptr ? fallback : read_share(*node, *keys_.find(key), diagnostics_).value_or(fallback);
}

std::optional<TimeUs> MappingReader::duration(std::string_view key) const {
  const YamlNode* node = find(key, Form::duration);
  return node == nullptr ? std::nullopt : read_duration(*node, *keys_.find(key), diagnostics_);
}

std::optional<std::size_t> MappingReader::choice(std::string_view key) const {
  const Key& row = key_of(key, Form::choice);
  const YamlNode* node = find(key);
  return node == nullptr ? std::nullopt : read_choice(*node, in_quotes(key), row.choices, diagnostics_);
}

NamedExpression MappingReader::expression(std::string_view key) const {
  const YamlNode* node = find(key, Form::expression);
  return node == nullptr ? NamedExpression{} : read_expression(*node, std::string(key), diagnostics_);
}

std::vector<NamedExpression> MappingReader::expressions(std::string_view key) const {
  const YamlNode* node = find(key, Form::expressions);
  std::vector<NamedExpression> list;
  if (node == nullptr) return list;
  if (node->kind != YamlNode::Kind::mapping) {
    add_wrong(*node, in_quotes(key), wanted(Form::expressions), diagnostics_);
    return list;
  }
  std::map<std::string, SourceRange> seen;
  for (const YamlNode::Entry& entry : node->entries) {
    if (is_new_column(entry.key, entry.key_where, "column", seen, diagnostics_)) {
      list.push_back(read_expression(entry.value, entry.key, diagnostics_));
    }
  }
  return list;
}

void MappingReader::each_section(std::string_view key, std::string_view kind,
                                 const std::function<void(const YamlNode::Entry&)>& read) const {
  const YamlNode* node = find(key, Form::sections);
  if (node == nullptr) return;
  if (node->kind != YamlNode::Kind::mapping) {
    add_wrong(*node, in_quotes(key), wanted(Form::sections), diagnostics_);
    return;
  }
  if (!can_read_section(*node)) {
    diagnostics_.add(node->where, in_quotes(key) + " has " + std::to_string(node->entries.size()) +
                                      " entries, at most 1000 are taken");
    return;
  }
  for (const YamlNode::Entry& entry : node->entries) {
    if (!is_thing_name(entry.key)) add_bad_name(entry.key_where, entry.key, kind, diagnostics_);
    read(entry);
  }
}

bool can_read_section(const YamlNode& section) {
  return section.kind == YamlNode::Kind::mapping && section.entries.size() <= kSectionEntriesMax;
}

std::string list_of(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < std::min(words.size(), kListedWordsMax); ++i) {
    text += (i == 0 ? "" : ", ") + words[i];
  }
  return words.size() > kListedWordsMax ? text + ", …" : text;
}

std::string in_quotes(std::string_view text) { return "'" + shown(text) + "'"; }

void add_wrong(const YamlNode& node, std::string_view subject, std::string_view wanted,
               Diagnostics& diagnostics, std::string hint) {
  const bool is_collection = node.kind == YamlNode::Kind::sequence || node.kind == YamlNode::Kind::mapping;
  const bool is_empty = is_collection && node.items.empty() && node.entries.empty();
  std::string message = std::string(subject) + " is ";
  if (is_empty) {
    message += node.kind == YamlNode::Kind::sequence ? "an empty list" : "an empty mapping";
  } else {
    message += node.kind_name();
  }
  if (node.kind == YamlNode::Kind::scalar) message += " (" + in_quotes(node.scalar) + ")";
  diagnostics.add(node.where, message + ", " + std::string(wanted) + " is wanted", std::move(hint));
}

void add_unsupported(const SourceRange& where, const std::string& subject, Diagnostics& diagnostics) {
  diagnostics.add(Error{ErrorCode::unsupported, subject + " is not supported in this version", "remove it",
                        where, nullptr});
}

bool is_thing_name(std::string_view text) {
  const auto is_inner = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= kNameLengthMax && text[0] >= 'a' && text[0] <= 'z' &&
         std::all_of(text.begin(), text.end(), is_inner);
}

void add_bad_name(const SourceRange& where, std::string_view name, std::string_view kind,
                  Diagnostics& diagnostics) {
  const std::string article = kind == "endpoint" ? " cannot name an " : " cannot name a ";
  diagnostics.add(where, in_quotes(name) + article + std::string(kind),
                  "a name starts with a small letter and has only small letters, digits, '_' and '-'; "
                  "at most 63 of them");
}

SourceRange text_place(const YamlNode& scalar) {
  SourceRange where = scalar.where;
  if (scalar.quoted) ++where.column;
  return where;
}

bool is_column_name(std::string_view name) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  return !name.empty() && name.size() <= kColumnNameBytesMax &&
         std::none_of(name.begin(), name.end(), is_control);
}

std::optional<std::string> read_text(const YamlNode& node, std::string_view subject,
                                     Diagnostics& diagnostics) {
  if (node.kind == YamlNode::Kind::scalar && !node.scalar.empty()) return node.scalar;
  if (node.kind == YamlNode::Kind::scalar) {
    diagnostics.add(node.where, std::string(subject) + " is empty, text is wanted");
  } else {
    // YAML reads the plain words null and ~ as nothing, which is not always what was meant.
    const bool is_null = node.kind == YamlNode::Kind::null;
    add_wrong(node, subject, wanted(Form::text), diagnostics,
              is_null ? "give it a value, or remove it; the word null needs quotes" : "");
  }
  return std::nullopt;
}

std::optional<std::string> read_column(const YamlNode& node, std::string_view subject,
                                       Diagnostics& diagnostics) {
  std::optional<std::string> name = read_text(node, subject, diagnostics);
  if (!name || is_column_name(*name)) return name;
  diagnostics.add(node.where, in_quotes(*name) + " cannot name a column",
                  "a name has at most 255 bytes and no control characters");
  return std::nullopt;
}

std::vector<std::string> read_texts(const YamlNode& node, std::string_view subject,
                                    Diagnostics& diagnostics) {
  std::vector<std::string> list;
  if (node.kind == YamlNode::Kind::scalar) return {node.scalar};
  if (node.kind != YamlNode::Kind::sequence) {
    add_wrong(node, subject, wanted(Form::texts), diagnostics);
    return list;
  }
  for (const YamlNode& item : node.items) {
    if (item.kind == YamlNode::Kind::scalar) {
      list.push_back(item.scalar);
    } else {
      read_text(item, "an item of " + std::string(subject), diagnostics);
    }
  }
  return list;
}

std::vector<std::string> read_columns(const YamlNode& node, std::string_view subject,
                                      Diagnostics& diagnostics) {
  std::vector<std::string> list;
  if (node.kind == YamlNode::Kind::scalar) {
    if (std::optional<std::string> name = read_column(node, subject, diagnostics)) list.push_back(*name);
    return list;
  }
  if (node.kind != YamlNode::Kind::sequence || node.items.empty()) {
    add_wrong(node, subject, wanted(Form::columns), diagnostics);
    return list;
  }
  std::map<std::string, SourceRange> seen;
  for (const YamlNode& item : node.items) {
    std::optional<std::string> name = read_column(item, "an item of " + std::string(subject), diagnostics);
    if (name && is_new_column(*name, item.where, "column", seen, diagnostics)) list.push_back(*name);
  }
  return list;
}

std::optional<double> share_of_text(std::string_view text) {
  const bool percent = text.ends_with('%');
  if (percent) text.remove_suffix(1);
  while (percent && text.ends_with(' ')) text.remove_suffix(1);
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole_text = failure == std::errc() && end == text.data() + text.size();
  if (!whole_text || !std::isfinite(value)) return std::nullopt;
  return percent ? value / 100 : value;
}

std::optional<double> read_share(const YamlNode& node, const Key& key, Diagnostics& diagnostics) {
  const bool is_scalar = node.kind == YamlNode::Kind::scalar;
  const std::optional<double> share = is_scalar ? share_of_text(node.scalar) : std::nullopt;
  if (!share) {
    add_wrong(node, in_quotes(key.name), wanted(Form::share), diagnostics);
  } else if (!key.range.contains(*share)) {
    add_out_of_range(node, in_quotes(key.name), key, diagnostics);
  } else {
    return share;
  }
  return std::nullopt;
}

std::optional<TimeUs> read_duration(const YamlNode& node, const Key& key, Diagnostics& diagnostics) {
  if (node.kind == YamlNode::Kind::scalar) {
    const Result<TimeUs> duration = base::parse_duration(node.scalar);
    if (duration && key.range.contains(static_cast<double>(*duration))) return *duration;
    if (duration) {
      add_out_of_range(node, in_quotes(key.name), key, diagnostics);
      return std::nullopt;
    }
  }
  add_wrong(node, in_quotes(key.name), wanted(Form::duration), diagnostics);
  return std::nullopt;
}

std::optional<std::size_t> read_choice(const YamlNode& node, std::string_view subject,
                                       std::span<const std::string_view> choices, Diagnostics& diagnostics) {
  if (node.kind == YamlNode::Kind::scalar) {
    const auto found = std::find(choices.begin(), choices.end(), node.scalar);
    if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
    diagnostics.add(
        node.where,
        std::string(subject) + " is " + in_quotes(node.scalar) + ", " + one_of(choices) + " is wanted",
        base::did_you_mean(node.scalar, {choices.begin(), choices.end()}));
  } else {
    add_wrong(node, subject, one_of(choices), diagnostics);
  }
  return std::nullopt;
}

std::optional<Json> read_constant(const YamlNode& node, std::string_view subject, Diagnostics& diagnostics) {
  if (node.kind != YamlNode::Kind::scalar) {
    add_wrong(node, subject, "a number, text, true or false", diagnostics,
              node.kind == YamlNode::Kind::null ? "the word null needs quotes" : "");
    return std::nullopt;
  }
  if (const std::optional<std::int64_t> whole = node.as_int()) return Json(*whole);
  if (const std::optional<double> number = node.as_double()) return Json(*number);
  // A value of data: "no" and "NO" are words of a language and the code of a country here, not false.
  const std::string word = lower(node.scalar);
  if (!node.quoted && (word == "true" || word == "false")) return Json(word == "true");
  return Json(node.scalar);
}

NamedExpression read_expression(const YamlNode& node, std::string name, Diagnostics& diagnostics) {
  const std::string subject = in_quotes(name);
  NamedExpression expression{std::move(name), "", text_place(node)};
  if (node.kind != YamlNode::Kind::scalar) {
    add_wrong(node, subject, wanted(Form::expression), diagnostics,
              node.kind == YamlNode::Kind::null ? "" : "put the expression in quotes");
    return expression;
  }
  if (node.scalar.find_first_not_of(" \t\r\n") == std::string::npos) {
    diagnostics.add(node.where, subject + " is empty, an expression is wanted");
  } else if (node.scalar.size() > kExpressionBytesMax) {
    diagnostics.add(node.where, subject + " is an expression of " + std::to_string(node.scalar.size()) +
                                    " bytes, at most 10000 are taken");
  }
  expression.text = node.scalar;
  return expression;
}

bool is_new_column(const std::string& name, const SourceRange& where, std::string_view kind,
                   std::map<std::string, SourceRange>& seen, Diagnostics& diagnostics) {
  if (!is_column_name(name)) {
    diagnostics.add(where, in_quotes(name) + " cannot name a " + std::string(kind),
                    "a name has 1 to 255 bytes and no control characters");
    return false;
  }
  const auto [first, is_new] = seen.emplace(lower(name), where);
  if (!is_new) {
    diagnostics.add(where,
                    std::string(kind) + " " + in_quotes(name) + " is named twice (first at line " +
                        std::to_string(first->second.line) + ")",
                    name == lower(name) ? "" : "names compare without case");
  }
  return is_new;
}

}  // namespace trimtab::project
