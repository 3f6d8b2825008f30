#include "base/yaml.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace trimtab::base {
namespace {

YamlNode parsed(std::string_view text) {
  Result<YamlNode> node = parse_yaml(text, "f.yaml");
  EXPECT_TRUE(node) << render(node.error());
  return node ? *node : YamlNode();
}

// The error as a user reads it; "" when there is none.
std::string refusal(std::string_view text) {
  const Result<YamlNode> node = parse_yaml(text, "f.yaml");
  return node ? "" : render(node.error());
}

SourceRange at(int line, int column) { return SourceRange{"f.yaml", line, column}; }

TEST(Yaml, RemembersWhereEachWordStood) {
  const YamlNode root = parsed("a: 1\nb:\n  - x\n  - {c: 'y'}\n");
  EXPECT_EQ(root.kind, YamlNode::Kind::mapping);
  EXPECT_EQ(root.where, at(1, 1));
  EXPECT_EQ(root.entries[1].key, "b");
  EXPECT_EQ(root.entries[1].key_where, at(2, 1));
  const YamlNode& list = *root.find("b");
  EXPECT_EQ(list.where, at(3, 3));
  EXPECT_EQ(list.items[0].scalar, "x");
  EXPECT_EQ(list.items[0].where, at(3, 5));
  EXPECT_EQ(list.items[1].find("c")->where, at(4, 9));
  EXPECT_TRUE(list.items[1].find("c")->quoted);
  EXPECT_EQ(root.find("none"), nullptr);
}

TEST(Yaml, AnAbsentValueStandsAtItsKey) {
  const YamlNode root = parsed("a:\nb: ~\n");
  EXPECT_EQ(root.find("a")->kind, YamlNode::Kind::null);
  EXPECT_EQ(root.find("a")->where, at(1, 1));
  EXPECT_EQ(root.find("b")->where, at(2, 4));
}

TEST(Yaml, AnEmptyTextIsNothing) {
  for (const std::string_view text : {"", "\n\n", "# only a comment\n", "---\n"}) {
    EXPECT_EQ(parsed(text).kind, YamlNode::Kind::null) << text;
  }
  EXPECT_EQ(parsed("").where, at(1, 1));
}

TEST(Yaml, OnlyUnquotedWordsAreNumbersOrTruths) {
  const auto node = [](std::string_view text) { return parsed(text); };
  EXPECT_EQ(node("12").as_int(), 12);
  EXPECT_EQ(node("-12").as_int(), -12);
  EXPECT_EQ(node("+12").as_int(), 12);
  EXPECT_EQ(node("1.5e3").as_double(), 1500.0);
  EXPECT_EQ(node("7").as_double(), 7.0);
  EXPECT_EQ(node("yes").as_bool(), true);
  EXPECT_EQ(node("False").as_bool(), false);
  for (const std::string_view text :
       {"'12'", "\"12\"", "1_000", "0x10", "99999999999999999999", "1.5", "+-1", "+", "a"}) {
    EXPECT_FALSE(node(text).as_int()) << text;
  }
  for (const std::string_view text : {"'1.5'", "inf", ".inf", "nan", "1e999", "1.5x", "."}) {
    EXPECT_FALSE(node(text).as_double()) << text;
  }
  for (const std::string_view text : {"'true'", "1", "y", "on"}) EXPECT_FALSE(node(text).as_bool()) << text;
}

TEST(Yaml, NamesWhatItFound) {
  EXPECT_EQ(parsed("{}").kind_name(), "a mapping");
  EXPECT_EQ(parsed("[]").kind_name(), "a list");
  EXPECT_EQ(parsed("~").kind_name(), "nothing");
  EXPECT_EQ(parsed("1.5").kind_name(), "a number");
  EXPECT_EQ(parsed("no").kind_name(), "true or false");
  EXPECT_EQ(parsed("'no'").kind_name(), "text");
  EXPECT_EQ(parsed("|\n  12\n").kind_name(), "text") << "a block is text";
}

TEST(Yaml, DuplicateKeysAreRefusedWithBothPlaces) {
  EXPECT_EQ(refusal("a: 1\nb: 2\na: 3\n"), "f.yaml:3:1: error: duplicate key 'a' (first at line 1)");
  EXPECT_EQ(refusal("x:\n  - {a: 1, 'a': 2}\n"), "f.yaml:2:12: error: duplicate key 'a' (first at line 2)");
  EXPECT_EQ(refusal("a: {x: 1}\nb: {x: 1}\n"), "");
}

TEST(Yaml, WhatAReviewedFileShouldNotHaveIsRefused) {
  const std::string anchors =
      ": error: anchors and aliases are not taken here\n   hint: write the value out in both places";
  EXPECT_EQ(refusal("a: &x 1\nb: *x\n"), "f.yaml:1:4" + anchors);
  EXPECT_EQ(refusal("a: &x {b: *x}\n"), "f.yaml:1:4" + anchors);
  EXPECT_EQ(refusal("a: !!str 1\n"), "f.yaml:1:4: error: tags are not taken here: 'tag:yaml.org,2002:str'");
  EXPECT_EQ(refusal("a: !mine [1]\n"), "f.yaml:1:4: error: tags are not taken here: '!mine'");
  EXPECT_EQ(refusal("a: 1\n---\nb: 2\n"),
            "f.yaml:2:1: error: a second document starts here\n   hint: keep one document in a file");
  EXPECT_EQ(refusal("? [a]\n: b\n"), "f.yaml:1:3: error: a key must be text, not a list");
  EXPECT_EQ(refusal("~: b\n"), "f.yaml:1:1: error: a key must be text, not nothing");
  EXPECT_EQ(parse_yaml("a: *x\n", "f.yaml").error().where, at(1, 4)) << "an alias of nothing";
}

TEST(Yaml, WrongTextIsRefusedWithItsPlace) {
  EXPECT_EQ(refusal("a: b: c\n"), "f.yaml:1:5: error: the YAML text is not valid: illegal map value");
  EXPECT_EQ(refusal("a: [1\n"),
            "f.yaml:2:1: error: the YAML text is not valid: end of sequence flow not found");
  EXPECT_EQ(refusal("a:\n\tb: 1\n"),
            "f.yaml:2:3: error: the YAML text is not valid: illegal map value\n"
            "   hint: indent with blanks, not with tabs");
  EXPECT_EQ(refusal("a: 1\nb: \xff\n"), "f.yaml:2: error: the text is not UTF-8");
  EXPECT_EQ(refusal("a: 1\nb\x04: 2\n"), "f.yaml:2:2: error: a control character has no place in YAML");
}

// yaml-cpp would take the rest of the file as the text of the scalar.
TEST(Yaml, AQuoteMustBeClosed) {
  EXPECT_EQ(refusal("a: 'x\nb: 1\n"), "f.yaml:1:4: error: this quote is never closed");
  EXPECT_EQ(refusal("a: 1\nb: \"x\\\"\n"), "f.yaml:2:4: error: this quote is never closed");
  EXPECT_EQ(refusal("a: 'it''s\n"), "f.yaml:1:4: error: this quote is never closed");
  EXPECT_EQ(parsed("a: 'it''s'\n").find("a")->scalar, "it's");
  EXPECT_EQ(parsed("a: \"x\\\\\"\n").find("a")->scalar, "x\\");
  EXPECT_EQ(parsed("\xef\xbb\xbf"
                   "a: \u00e4\nb: 'x'\n")
                .find("b")
                ->where,
            at(2, 4))
      << "with a byte order mark";
}

TEST(Yaml, SizeAndDepthAreLimited) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(refusal(nested(64)), "");
  const Result<YamlNode> deep = parse_yaml(nested(65), "f.yaml");
  EXPECT_EQ(deep.error().code, ErrorCode::too_large);
  EXPECT_EQ(deep.error().where, at(1, 65));
  EXPECT_EQ(parse_yaml(nested(500'000), "f.yaml").error().code, ErrorCode::too_large);
  EXPECT_EQ(parse_yaml(std::string(1024 * 1024 + 1, ' '), "f.yaml").error().code, ErrorCode::too_large);
}

// Texts made of the characters that mean something to YAML.
RC_GTEST_PROP(Yaml, NeverTripsOverAnyText, ()) {
  const auto piece = rc::gen::elementOf(std::vector<std::string>{
      "a", "b", ": ", "- ", "\n", "  ", "[",  "]",     "{",     "}",  ",", "'",      "\"", "|", ">",
      "&", "*", "!",  "#",  "?",  "%",  "\t", "---\n", "...\n", "\\", "~", "\u00e4", "@",  "\r"});
  std::string text;
  for (const std::string& one : *rc::gen::container<std::vector<std::string>>(piece)) text += one;
  const Result<YamlNode> node = parse_yaml(text, "f.yaml");
  // In brackets, because the macro takes expressions apart and then evaluates both sides of ||.
  RC_ASSERT((node || node.error().where.has_value()));
}

// A quoted scalar comes out as it went in.
RC_GTEST_PROP(Yaml, QuotedTextIsKept, ()) {
  const auto character = rc::gen::elementOf(std::string("ab01 :-#[]{},&*!|>%@`~\"?"));
  const std::string text = *rc::gen::container<std::string>(character);
  const Result<YamlNode> node = parse_yaml("key: '" + text + "'\n", "f.yaml");
  RC_ASSERT(node.has_value());
  RC_ASSERT(node->find("key")->scalar == text);
}

}  // namespace
}  // namespace trimtab::base
