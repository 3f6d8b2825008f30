#include "base/yaml.h"

#include <algorithm>
#include <charconv>
#include <istream>
#include <map>
#include <simdjson.h>
#include <streambuf>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

namespace trimtab::base {
namespace {

constexpr std::size_t kBytesMax = 1024 * 1024;
constexpr std::size_t kDepthMax = 64;
constexpr std::size_t kShownBytesMax = 80;

template <class Number>
std::optional<Number> whole_text_as(std::string_view text) {
  // from_chars knows no plus sign.
  if (text.starts_with("+") && !text.starts_with("+-")) text.remove_prefix(1);
  Number number{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Error error_at(ErrorCode code, SourceRange where, std::string message, std::string hint = {}) {
  return Error{code, std::move(message), std::move(hint), std::move(where), nullptr};
}

// Reads the caller's bytes in place.
class TextBuffer : public std::streambuf {
 public:
  explicit TextBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // Only ever read: std::streambuf has no const form.
    setg(begin, begin, begin + text.size());
  }
};

// Builds the tree from yaml-cpp's events, and keeps the first thing that our files may not have. After that
// it ignores all events, so that no exception of ours has to pass through the library.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const std::string& file) : file_(file) { root_.where = SourceRange{file, 1, 1}; }

  const std::optional<Error>& error() const { return error_; }
  // Where in the text the last scalar starts.
  std::size_t last_scalar() const { return last_scalar_; }
  // Where the document starts, when there was one.
  const std::optional<SourceRange>& start() const { return start_; }
  YamlNode take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override { start_ = place(mark); }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    if (error_) return;
    YamlNode node;
    node.where = place(mark);
    add(std::move(node));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse_anchor(mark); }
  void OnAnchor(const YAML::Mark& mark, const std::string&) override { refuse_anchor(mark); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    last_scalar_ = static_cast<std::size_t>(std::max(mark.pos, 0));
    if (refused_tag(mark, tag)) return;
    YamlNode node;
    node.kind = YamlNode::Kind::scalar;
    node.where = place(mark);
    node.scalar = value;
    node.quoted = tag == "!";  // yaml-cpp's way of saying that the scalar is not plain.
    add(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, YamlNode::Kind::sequence);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, YamlNode::Kind::mapping);
  }
  void OnMapEnd() override { close(); }

 private:
  // A list or mapping whose end has not come yet.
  struct Open {
    YamlNode node;
    std::optional<YamlNode> key;       // Of a mapping: the key whose value comes next.
    std::map<std::string, int> lines;  // Of a mapping: where each key stood.
  };

  SourceRange place(const YAML::Mark& mark) const {
    return mark.is_null() ? SourceRange{file_, 0, 0} : SourceRange{file_, mark.line + 1, mark.column + 1};
  }

  void refuse(SourceRange where, std::string message, std::string hint = {}) {
    if (!error_) error_ = error_at(ErrorCode::invalid, std::move(where), std::move(message), std::move(hint));
  }

  void refuse_anchor(const YAML::Mark& mark) {
    refuse(place(mark), "anchors and aliases are not taken here", "write the value out in both places");
  }

  bool refused_tag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") {
      refuse(place(mark), "tags are not taken here: '" + tag.substr(0, kShownBytesMax) + "'");
    }
    return error_.has_value();
  }

  void open(const YAML::Mark& mark, const std::string& tag, YamlNode::Kind kind) {
    if (refused_tag(mark, tag)) return;
    if (open_.size() >= kDepthMax) {
      error_ = error_at(ErrorCode::too_large, place(mark),
                        "the text is nested deeper than " + std::to_string(kDepthMax) + " levels");
      return;
    }
    Open& opened = open_.emplace_back();
    opened.node.kind = kind;
    opened.node.where = place(mark);
  }

  void close() {
    if (error_) return;
    YamlNode done = std::move(open_.back().node);
    open_.pop_back();
    add(std::move(done));
  }

  void add(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::sequence) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.key) {
      add_key(parent, std::move(node));
    } else {
      // yaml-cpp puts a value that is not there where the next word stands; a reader looks at the key.
      const bool absent = node.kind == YamlNode::Kind::null && node.where.line != parent.key->where.line;
      if (absent) node.where = parent.key->where;
      parent.node.entries.push_back({parent.key->scalar, parent.key->where, std::move(node)});
      parent.key.reset();
    }
  }

  void add_key(Open& parent, YamlNode key) {
    if (key.kind != YamlNode::Kind::scalar) {
      return refuse(key.where, "a key must be text, not " + std::string(key.kind_name()));
    }
    const auto [first, is_new] = parent.lines.emplace(key.scalar, key.where.line);
    if (!is_new) {
      return refuse(key.where, "duplicate key '" + key.scalar.substr(0, kShownBytesMax) +
                                   "' (first at line " + std::to_string(first->second) + ")");
    }
    parent.key = std::move(key);
  }

  const std::string& file_;
  YamlNode root_;
  std::vector<Open> open_;
  std::optional<SourceRange> start_;
  std::optional<Error> error_;
  std::size_t last_scalar_ = 0;
};

SourceRange place_of(std::string_view text, std::size_t position, const std::string& file) {
  const std::string_view before = text.substr(0, position);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0.
  return SourceRange{file, static_cast<int>(line), static_cast<int>(position - line_start) + 1};
}

// What yaml-cpp takes without a word although it is no YAML: bytes that are no UTF-8, and control characters
// (at a U+0004 it would silently stop reading).
Status check_characters(std::string_view text, const std::string& file) {
  const auto is_control = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f;
  };
  const auto control = std::find_if(text.begin(), text.end(), is_control);
  if (control != text.end()) {
    const SourceRange where = place_of(text, static_cast<std::size_t>(control - text.begin()), file);
    return fail(error_at(ErrorCode::malformed, where, "a control character has no place in YAML"));
  }
  if (simdjson::validate_utf8(text.data(), text.size())) return {};
  std::size_t line_start = 0;
  while (line_start < text.size()) {
    const std::size_t line_end = std::min(text.find('\n', line_start), text.size());
    if (!simdjson::validate_utf8(text.data() + line_start, line_end - line_start)) break;
    line_start = line_end + 1;
  }
  SourceRange where = place_of(text, std::min(line_start, text.size()), file);
  where.column = 0;
  return fail(error_at(ErrorCode::malformed, where, "the text is not UTF-8"));
}

// yaml-cpp takes a quoted scalar that the end of the text cuts off, when that end is a line's end. `start` is
// where the last scalar starts; no other can be cut off.
Status check_closing_quote(std::string_view text, std::size_t start, const std::string& file) {
  const char quote = start < text.size() ? text[start] : ' ';
  if (quote != '\'' && quote != '"') return {};
  for (std::size_t i = start + 1; i < text.size(); ++i) {
    const bool escapes = quote == '"' ? text[i] == '\\' : text.substr(i, 2) == "''";
    if (escapes) {
      ++i;
    } else if (text[i] == quote) {
      return {};
    }
  }
  return fail(error_at(ErrorCode::malformed, place_of(text, start, file), "this quote is never closed"));
}

Error syntax_error(const YAML::Exception& thrown, std::string_view text, const std::string& file) {
  const SourceRange where{file, thrown.mark.line + 1, thrown.mark.column + 1};
  std::size_t line_start = 0;
  for (int line = 1; line < where.line && line_start < text.size(); ++line) {
    line_start = std::min(text.find('\n', line_start), text.size() - 1) + 1;
  }
  const std::string_view line = text.substr(line_start);
  const std::string_view indent = line.substr(0, line.find_first_not_of(" \t"));
  const bool tab = indent.find('\t') != std::string_view::npos;
  return error_at(ErrorCode::malformed, where, "the YAML text is not valid: " + thrown.msg,
                  tab ? "indent with blanks, not with tabs" : "");
}

Result<YamlNode> build_tree(std::string_view text, const std::string& file) {
  TextBuffer buffer(text);
  std::istream stream(&buffer);
  TreeBuilder first(file);
  TreeBuilder second(file);
  std::optional<Error> failure;
  try {
    YAML::Parser parser(stream);
    if (parser.HandleNextDocument(first) && !first.error()) parser.HandleNextDocument(second);
  } catch (const YAML::Exception& thrown) {
    failure = syntax_error(thrown, text, file);
  } catch (const std::exception& thrown) {
    failure = error_at(ErrorCode::malformed, SourceRange{file, 0, 0},
                       "the YAML text is not valid: " + std::string(thrown.what()));
  }
  if (first.error()) return fail(*first.error());
  if (second.start()) {
    return fail(error_at(ErrorCode::invalid, *second.start(), "a second document starts here",
                         "keep one document in a file"));
  }
  if (failure) return fail(*failure);
  TRY(check_closing_quote(text, first.last_scalar(), file));
  return first.take_root();
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

std::string_view YamlNode::kind_name() const {
  switch (kind) {
    case Kind::null:
      return "nothing";
    case Kind::sequence:
      return "a list";
    case Kind::mapping:
      return "a mapping";
    case Kind::scalar:
      break;
  }
  if (as_double()) return "a number";
  return as_bool() ? "true or false" : "text";
}

std::optional<std::int64_t> YamlNode::as_int() const {
  if (kind != Kind::scalar || quoted) return std::nullopt;
  return whole_text_as<std::int64_t>(scalar);
}

std::optional<double> YamlNode::as_double() const {
  if (kind != Kind::scalar || quoted) return std::nullopt;
  // from_chars would also take "inf" and "nan", which are words here.
  if (scalar.find_first_not_of("+-.0123456789eE") != std::string::npos) return std::nullopt;
  return whole_text_as<double>(scalar);
}

std::optional<bool> YamlNode::as_bool() const {
  if (kind != Kind::scalar || quoted) return std::nullopt;
  if (is_one_of(scalar, {"true", "True", "TRUE", "yes", "Yes", "YES"})) return true;
  if (is_one_of(scalar, {"false", "False", "FALSE", "no", "No", "NO"})) return false;
  return std::nullopt;
}

Result<YamlNode> parse_yaml(std::string_view text, std::string file) {
  if (text.size() > kBytesMax) {
    return fail(error_at(ErrorCode::too_large, SourceRange{file, 0, 0},
                         "the text is larger than " + std::to_string(kBytesMax) + " bytes"));
  }
  // A byte order mark is no part of the text, and yaml-cpp does not count it.
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  TRY(check_characters(text, file));
  return build_tree(text, file);
}

}  // namespace trimtab::base
