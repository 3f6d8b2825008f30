#include "registry/clauses.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace trimtab::registry {
namespace {

std::string refusal(std::string_view filter) {
  const Result<std::vector<Clause>> clauses = parse_clauses(filter);
  return clauses ? "" : clauses.error().message;
}

TEST(Clauses, AFilterIsComparisonsJoinedByAnd) {
  const std::vector<Clause> clauses =
      parse_clauses(
          "name ilike 'a%' AND tags.`a b` != \"x\" and version_number >= -2 AND run_id NOT IN ('r', 's')")
          .value();
  ASSERT_EQ(clauses.size(), 4u);
  EXPECT_EQ(clauses[0].operation + clauses[0].key + clauses[0].text, "ILIKEnamea%");
  EXPECT_EQ(clauses[1].entity + "|" + clauses[1].key + "|" + clauses[1].text, "tags|a b|x");
  EXPECT_EQ(clauses[2].kind, Clause::Kind::whole_number);
  EXPECT_EQ(clauses[2].number, -2);
  EXPECT_EQ(clauses[3].operation, "NOT IN");
  EXPECT_EQ(clauses[3].texts, (std::vector<std::string>{"r", "s"}));
  EXPECT_TRUE(parse_clauses("").value().empty());
}

TEST(Clauses, WhatIsNoComparisonIsNamed) {
  EXPECT_EQ(refusal("name="), "Invalid clause(s) in filter string: name, =");
  EXPECT_EQ(refusal("foo bar"), "Invalid clause(s) in filter string: foo bar");
  EXPECT_EQ(refusal("name = 'a' OR name = 'b'"),
            "Invalid clause(s) in filter string: name, =, 'a', OR, name, =, 'b'");
  EXPECT_EQ(refusal("name = 'a"), "Invalid clause(s) in filter string: name, =, 'a");
  EXPECT_EQ(refusal("name IN ()"), "Invalid clause(s) in filter string: name IN ( )");
}

TEST(Clauses, HostileFiltersAreRefusedByTheirSize) {
  EXPECT_EQ(refusal(std::string(100'000, 'a')), "Invalid filter string: it is longer than 65536 bytes.");
  std::string many = "name = 'a'";
  for (int i = 0; i < 1000; ++i) many += " AND name = 'a'";
  EXPECT_EQ(refusal(many), "Invalid filter string: more than 500 comparisons.");
  std::string quotes = "name = '";
  for (int i = 0; i < 500; ++i) quotes += "' AND x = '";
  EXPECT_NE(refusal(quotes), "");
}

TEST(Clauses, AnyTextIsReadOrRefused) {
  rc::check(
      [](const std::string& text) { RC_ASSERT(parse_clauses(text).has_value() || !refusal(text).empty()); });
}

TEST(Clauses, OrderIsAKeyAndADirection) {
  EXPECT_EQ(parse_order_by("name").value().is_ascending, true);
  EXPECT_EQ(parse_order_by("name desc").value().is_ascending, false);
  EXPECT_EQ(parse_order_by("attribute.name ASC").value().key, "name");
  EXPECT_EQ(parse_order_by("name up").error().message, "Invalid ordering key in order_by clause 'name up'.");
  EXPECT_EQ(parse_order_by("a b c").error().message, "Invalid order_by clause 'a b c'. Could not be parsed.");
}

}  // namespace
}  // namespace trimtab::registry
