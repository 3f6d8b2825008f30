// Reads typed values out of a YAML tree and collects what is wrong with them. A getter never fails: where the
// file is wrong it writes a diagnostic down and gives the default, so that reading goes on to the next
// mistake.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"
#include "base/yaml.h"
#include "project/key_table.h"
#include "project/project.h"

namespace trimtab::project {

using base::Diagnostics;
using base::YamlNode;

// One mapping whose keys are known. Says at once which of its keys are unknown, not supported or missing.
class MappingReader {
 public:
  // `what` names the mapping in messages ("model 'late'"), `place` is where a missing key is reported.
  MappingReader(const YamlNode& node, SourceRange place, std::string what, const KeyTable& keys,
                Diagnostics& diagnostics);

  const std::string& what() const { return what_; }
  const SourceRange& place() const { return place_; }
  const YamlNode& node() const { return *node_; }

  // The value of a key, or null. All functions CHECK that the key is in the table, with the form they read.
  const YamlNode* find(std::string_view key) const;
  bool has(std::string_view key) const { return find(key) != nullptr; }
  SourceRange place_of(std::string_view key) const;  // Of its value, or {}.

  std::string text(std::string_view key) const;
  std::vector<std::string> texts(std::string_view key) const;
  std::vector<std::string> columns(std::string_view key) const;
  std::int64_t whole(std::string_view key, std::int64_t fallback) const;
  double number(std::string_view key, double fallback) const;
  double share(std::string_view key, double fallback) const;
  std::optional<TimeUs> duration(std::string_view key) const;
  // The position in the key's choices.
  std::optional<std::size_t> choice(std::string_view key) const;
  NamedExpression expression(std::string_view key) const;
  std::vector<NamedExpression> expressions(std::string_view key) const;
  // Calls `read` for each entry of a section, after its name was found to be one.
  void each_section(std::string_view key, std::string_view kind,
                    const std::function<void(const YamlNode::Entry&)>& read) const;

 private:
  const Key& key_of(std::string_view key, Form form) const;
  const YamlNode* find(std::string_view key, Form form) const;
  void check_keys() const;

  const YamlNode* node_;
  SourceRange place_;
  std::string what_;
  const KeyTable& keys_;
  Diagnostics& diagnostics_;
};

// False when a section is no mapping, or too large.
bool can_read_section(const YamlNode& section);

// The same for single values. `subject` starts the message: "'rounds'" in "'rounds' is text ('many'), …".
void add_wrong(const YamlNode& node, std::string_view subject, std::string_view wanted,
               Diagnostics& diagnostics, std::string hint = {});
void add_unsupported(const SourceRange& where, const std::string& subject, Diagnostics& diagnostics);
std::string in_quotes(std::string_view text);                // 'text' on one line, shortened when it is long.
std::string list_of(const std::vector<std::string>& words);  // "a, b, c".

// Names of projects, sources, tables, models and endpoints.
bool is_thing_name(std::string_view text);
void add_bad_name(const SourceRange& where, std::string_view name, std::string_view kind,
                  Diagnostics& diagnostics);

// Where the text of a scalar starts: behind its quote, when it has one.
SourceRange text_place(const YamlNode& scalar);
bool is_column_name(std::string_view name);

std::optional<std::string> read_text(const YamlNode& node, std::string_view subject,
                                     Diagnostics& diagnostics);
std::optional<std::string> read_column(const YamlNode& node, std::string_view subject,
                                       Diagnostics& diagnostics);
std::vector<std::string> read_texts(const YamlNode& node, std::string_view subject, Diagnostics& diagnostics);
std::vector<std::string> read_columns(const YamlNode& node, std::string_view subject,
                                      Diagnostics& diagnostics);
std::optional<double> read_share(const YamlNode& node, const Key& key, Diagnostics& diagnostics);
std::optional<TimeUs> read_duration(const YamlNode& node, const Key& key, Diagnostics& diagnostics);
std::optional<std::size_t> read_choice(const YamlNode& node, std::string_view subject,
                                       std::span<const std::string_view> choices, Diagnostics& diagnostics);
// A number, text, true or false as it stands.
std::optional<Json> read_constant(const YamlNode& node, std::string_view subject, Diagnostics& diagnostics);
NamedExpression read_expression(const YamlNode& node, std::string name, Diagnostics& diagnostics);
// "20%" → 0.2, "0.2" → 0.2; nothing for other texts.
std::optional<double> share_of_text(std::string_view text);
// Refuses a name that is there already; column names compare without case. True when it is new.
bool is_new_column(const std::string& name, const SourceRange& where, std::string_view kind,
                   std::map<std::string, SourceRange>& seen, Diagnostics& diagnostics);

}  // namespace trimtab::project
