#include "base/json_view.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace trimtab::base {
namespace {

TEST(JsonView, ShowsEachKindOfValue) {
  JsonText text;
  const JsonView root =
      text.parse(R"({"n":null,"b":true,"i":-7,"r":2.5,"t":"\u00fc","a":[1,"x"],"o":{}})").value();
  ASSERT_TRUE(root.is_object());
  EXPECT_EQ(root.size(), 7u);
  EXPECT_TRUE(root.find("n")->is_null());
  EXPECT_TRUE(root.find("b")->as_bool());
  EXPECT_EQ(root.find("i")->as_int(), -7);
  EXPECT_EQ(root.find("i")->as_double(), -7.0) << "a whole number is a number";
  EXPECT_EQ(root.find("r")->as_double(), 2.5);
  EXPECT_EQ(root.find("r")->kind(), JsonView::Kind::real);
  EXPECT_EQ(root.find("t")->as_text(), "ü");
  EXPECT_EQ(root.find("a")->size(), 2u);
  EXPECT_EQ(root.find("o")->size(), 0u);
  EXPECT_FALSE(root.find("x"));
  EXPECT_FALSE(root.find("a")->find("x")) << "a list has no members";
  EXPECT_TRUE(JsonView().is_null());
}

TEST(JsonView, VisitsItemsAndMembersInOrder) {
  JsonText text;
  const JsonView root = text.parse(R"({"b":[1,2,3],"a":0})").value();
  std::string names;
  root.each_member([&](std::string_view name, JsonView) { names += name; });
  EXPECT_EQ(names, "ba");
  std::int64_t sum = 0;
  root.find("b")->each_item([&](JsonView item) { sum = 10 * sum + item.as_int(); });
  EXPECT_EQ(sum, 123);
}

TEST(JsonView, RefusesWhatParseJsonRefuses) {
  JsonText kept;
  for (const char* text :
       {"", "{", "[1,]", "\"\\x\"", "nul", "1e999", "9223372036854775808", "[[9223372036854775808]]",
        R"({"a":1,"a":2})", R"({"o":{"a":{"b":0,"b":0}}})", "\"\xff\"", "[1] 2", "\"\t\""}) {
    const Result<JsonView> view = kept.parse(text);
    ASSERT_FALSE(view) << text;
    EXPECT_EQ(view.error().message, parse_json(text).error().message) << text;
    EXPECT_EQ(view.error().code, ErrorCode::malformed);
  }
  EXPECT_EQ(kept.parse("[[[0]]]", 2).error().message, "the JSON text is nested deeper than 2 levels");
  EXPECT_EQ(kept.parse("[[{}]]", 2).error().message, "the JSON text is nested deeper than 2 levels");
  EXPECT_TRUE(kept.parse("[[0]]", 2));
  EXPECT_TRUE(kept.parse("[1]")) << "a refusal leaves nothing behind";
}

TEST(JsonView, ARepeatedNameIsFoundAmongManyToo) {
  for (const int count : {15, 16, 17, 200}) {
    std::string text = "{";
    for (int i = 0; i < count; ++i) text += "\"m" + std::to_string(i) + "\":0,";
    JsonText kept;
    EXPECT_TRUE(kept.parse(text + "\"z\":0}")) << count;
    EXPECT_EQ(kept.parse(text + "\"m7\":0}").error().message,
              "the JSON text is not valid: member 'm7' is there twice");
    EXPECT_EQ(kept.parse(text + "\"m" + std::to_string(count - 1) + "\":0}").error().code,
              ErrorCode::malformed);
  }
}

TEST(JsonView, AVeryLargeTextIsReadAndSoIsASmallOneAfterIt) {
  JsonText kept;
  const std::string large = "[\"" + std::string(3 << 20, 'x') + "\"]";
  std::size_t bytes = 0;
  kept.parse(large).value().each_item([&](JsonView item) { bytes = item.as_text().size(); });
  EXPECT_EQ(bytes, std::size_t{3} << 20);
  EXPECT_EQ(kept.parse("[1]").value().size(), 1u);
}

Json random_json(int depth) {
  switch (*rc::gen::inRange(0, depth > 0 ? 7 : 5)) {
    case 0:
      return nullptr;
    case 1:
      return *rc::gen::arbitrary<bool>();
    case 2:
      return *rc::gen::arbitrary<std::int64_t>();
    case 3:
      return *rc::gen::arbitrary<double>();
    case 4:
      return *rc::gen::string<std::string>();
    case 5: {
      Json items = Json::array();
      for (int i = *rc::gen::inRange(0, 5); i > 0; --i) items.push(random_json(depth - 1));
      return items;
    }
    default: {
      Json members = Json::object();
      for (int i = *rc::gen::inRange(0, 20); i > 0; --i)
        members.set(std::to_string(i), random_json(depth - 1));
      return members;
    }
  }
}

RC_GTEST_PROP(JsonView, IsWhatWasWritten, ()) {
  const std::string text = random_json(3).dump();
  JsonText kept;
  (void)kept.parse("[1,2,3]");
  const Json back = kept.parse(text).value().to_json();
  RC_ASSERT(back.dump() == text);
  RC_ASSERT(back == parse_json(text).value());
}

}  // namespace
}  // namespace trimtab::base
