// Whatever happens to a project file, reading it ends with a project or with places to look at.
#include <algorithm>
#include <cctype>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sstream>

#include "base/file.h"
#include "base/json.h"
#include "base/yaml.h"
#include "project/load.h"

namespace trimtab::project {
namespace {

using base::YamlNode;

const std::string& example() {
  static const std::string kText = base::read_file("examples/flights/trimtab.yaml").value();
  return kText;
}

// Words that readers of some value may stumble over.
const std::vector<std::string> kWords = {"",
                                         " ",
                                         "0",
                                         "-1",
                                         "99999999999999999999",
                                         "1e999",
                                         "nan",
                                         ".5",
                                         "true",
                                         "no",
                                         "~",
                                         "null",
                                         "20%",
                                         "-5%",
                                         "14d",
                                         "99999999w",
                                         "500 rows",
                                         "2 per week",
                                         "3 batches",
                                         "UTC",
                                         "A/",
                                         "/",
                                         "late",
                                         "flights",
                                         "departures",
                                         "auc >= ",
                                         ">= 0.6",
                                         "slice(",
                                         "slice().auc >= 1",
                                         "auc >= champion -",
                                         "s3://x",
                                         "\x01",
                                         "\n",
                                         "\u00e4\u20ac\U0001f600",
                                         std::string(70, 'x'),
                                         std::string(20'000, 'y'),
                                         "hour(sched_dep)",
                                         "baseline",
                                         "onnx",
                                         "tune",
                                         "mostly"};

bool is_plain(const std::string& text) {
  const auto is_safe = [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '.' || c == '%'; };
  return !text.empty() && std::all_of(text.begin(), text.end(), is_safe);
}

void write_node(const YamlNode& node, std::string& out) {
  if (node.kind == YamlNode::Kind::null) out += "~";
  if (node.kind == YamlNode::Kind::scalar && !node.quoted && is_plain(node.scalar)) {
    out += node.scalar;
  } else if (node.kind == YamlNode::Kind::scalar) {
    base::append_json_string(out, node.scalar);
  }
  if (node.kind == YamlNode::Kind::sequence) {
    out += "[";
    for (const YamlNode& item : node.items) {
      write_node(item, out);
      out += ",\n ";
    }
    out += "]";
  }
  if (node.kind == YamlNode::Kind::mapping) {
    out += "{";
    for (const YamlNode::Entry& entry : node.entries) {
      base::append_json_string(out, entry.key);
      out += ": ";
      write_node(entry.value, out);
      out += ",\n ";
    }
    out += "}";
  }
}

void collect(YamlNode& node, std::vector<YamlNode*>& nodes) {
  nodes.push_back(&node);
  for (YamlNode& item : node.items) collect(item, nodes);
  for (YamlNode::Entry& entry : node.entries) collect(entry.value, nodes);
}

enum class Change { remove, repeat, rename, replace_by_word, replace_by_node, empty };

struct Mutation {
  int change = 0;
  unsigned node = 0;
  unsigned child = 0;
  unsigned other = 0;
};

void apply(const Mutation& mutation, YamlNode& root) {
  std::vector<YamlNode*> nodes;
  collect(root, nodes);
  YamlNode& node = *nodes[mutation.node % nodes.size()];
  const std::string& word = kWords[mutation.other % kWords.size()];
  const auto child = [&mutation](const auto& list) {
    return static_cast<std::ptrdiff_t>(mutation.child % list.size());
  };
  switch (static_cast<Change>(mutation.change)) {
    case Change::remove:
      if (!node.items.empty()) node.items.erase(node.items.begin() + child(node.items));
      if (!node.entries.empty()) node.entries.erase(node.entries.begin() + child(node.entries));
      return;
    case Change::repeat:
      if (!node.items.empty()) node.items.push_back(YamlNode(node.items[mutation.child % node.items.size()]));
      if (!node.entries.empty()) {
        YamlNode::Entry copy = node.entries[mutation.child % node.entries.size()];
        copy.key += mutation.other % 3 == 0 ? "" : "x";
        node.entries.push_back(std::move(copy));
      }
      return;
    case Change::rename:
      if (!node.entries.empty()) node.entries[mutation.child % node.entries.size()].key = word;
      return;
    case Change::replace_by_word:
      node = YamlNode();
      node.kind = YamlNode::Kind::scalar;
      node.scalar = word;
      node.quoted = mutation.child % 2 == 0;
      return;
    case Change::replace_by_node:
      node = YamlNode(*nodes[mutation.other % nodes.size()]);
      return;
    case Change::empty:
      node.items.clear();
      node.entries.clear();
      return;
  }
}

rc::Gen<Mutation> any_mutation() {
  return rc::gen::build<Mutation>(rc::gen::set(&Mutation::change, rc::gen::inRange(0, 6)),
                                  rc::gen::set(&Mutation::node, rc::gen::inRange(0U, 400U)),
                                  rc::gen::set(&Mutation::child, rc::gen::inRange(0U, 40U)),
                                  rc::gen::set(&Mutation::other, rc::gen::inRange(0U, 400U)));
}

[[maybe_unused]] void showValue(const Mutation& mutation, std::ostream& out) {
  out << "{change " << mutation.change << ", node " << mutation.node << ", child " << mutation.child
      << ", other " << mutation.other << "}";
}

// "" or the first line of the refusal that does not say where.
std::string unlocated_line(const Result<Project>& project) {
  if (project) return "";
  std::istringstream lines(base::render(project.error()));
  std::string line;
  while (std::getline(lines, line)) {
    const bool is_count = line.starts_with("error: ") && line.ends_with(" errors");
    const bool is_located = line.starts_with("p.yaml:") && std::isdigit(static_cast<unsigned char>(line[7]));
    if (!is_count && !is_located && !line.starts_with("   ")) return line;
  }
  return "";
}

RC_GTEST_PROP(Mutation, OfTheTreeGivesAProjectOrPlaces, ()) {
  YamlNode root = base::parse_yaml(example(), "p.yaml").value();
  // The tree grows when a node is replaced by a larger one, hence few changes.
  const auto size = *rc::gen::inRange<std::size_t>(1, 6);
  for (const Mutation& mutation : *rc::gen::container<std::vector<Mutation>>(size, any_mutation())) {
    apply(mutation, root);
  }
  std::string text;
  write_node(root, text);
  const std::string line = unlocated_line(parse(text, "p.yaml", "/nowhere"));
  RC_ASSERT(line == std::string());
}

RC_GTEST_PROP(Mutation, OfTheTextGivesAProjectOrPlaces, ()) {
  std::string text = example();
  const auto count = *rc::gen::inRange(1, 6);
  for (int i = 0; i < count; ++i) {
    const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
    const auto length = *rc::gen::inRange<std::size_t>(0, 30);
    const std::string word =
        *rc::gen::elementOf(std::vector<std::string>{"",  ":", " ", "\n", "- ", "{",  "}",  "[", "]", "\"",
                                                     "'", "#", ",", "~",  "&a", "*a", "!t", "|", ">", "\t"});
    text.replace(at, std::min(length, text.size() - at), word);
    if (text.empty()) text = " ";
  }
  const std::string line = unlocated_line(parse(text, "p.yaml", "/nowhere"));
  RC_ASSERT(line == std::string());
}

TEST(Mutation, TheWriterOfThisTestKeepsTheExample) {
  const YamlNode root = base::parse_yaml(example(), "p.yaml").value();
  std::string text;
  write_node(root, text);
  const Result<Project> project = parse(text, "p.yaml", "/nowhere");
  EXPECT_TRUE(project) << base::render(project.error());
}

}  // namespace
}  // namespace trimtab::project
