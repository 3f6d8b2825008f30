#include "base/json.h"

#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <rapidcheck/gtest.h>

#include "base/clock.h"

namespace trimtab::base {
namespace {

rc::Gen<double> any_finite_double() {
  return rc::gen::suchThat(rc::gen::map(rc::gen::arbitrary<std::uint64_t>(),
                                        [](std::uint64_t bits) { return std::bit_cast<double>(bits); }),
                           [](double value) { return std::isfinite(value); });
}

// Valid UTF-8 of all lengths, with NUL, quotes and control characters among it.
rc::Gen<std::string> any_text() {
  const auto piece = rc::gen::elementOf(std::vector<std::string>{"a", "\"", "\\", "/", "\n", "\x01", "\x7f",
                                                                 std::string(1, '\0'), "\u00e4", "\u20ac",
                                                                 "\U0001f600", "\u2028"});
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(piece),
                      [](const std::vector<std::string>& pieces) {
                        std::string text;
                        for (const std::string& one : pieces) text += one;
                        return text;
                      });
}

Json any_json(int depth) {
  switch (*rc::gen::inRange(0, depth > 0 ? 7 : 5)) {
    case 0:
      return nullptr;
    case 1:
      return *rc::gen::arbitrary<bool>();
    case 2:
      return *rc::gen::arbitrary<std::int64_t>();
    case 3:
      return *any_finite_double();
    case 4:
      return *any_text();
    case 5: {
      Json array = Json::array();
      for (int left = *rc::gen::inRange(0, 5); left > 0; --left) array.push(any_json(depth - 1));
      return array;
    }
    default: {
      Json object = Json::object();
      for (int left = *rc::gen::inRange(0, 30); left > 0; --left)
        object.set(*any_text(), any_json(depth - 1));
      return object;
    }
  }
}

RC_GTEST_PROP(Json, ReadsBackWhatWasWritten, ()) {
  const Json value = any_json(3);
  RC_ASSERT(parse_json(value.dump()) == value);
  RC_ASSERT(parse_json(value.dump(2)) == value);
}

RC_GTEST_PROP(Json, DoublesKeepEveryBit, ()) {
  const double value = *any_finite_double();
  const Result<Json> read = parse_json(Json(value).dump());
  RC_ASSERT(read.has_value());
  RC_ASSERT(!read->is_int());
  RC_ASSERT(std::bit_cast<std::uint64_t>(read->as_double()) == std::bit_cast<std::uint64_t>(value));
}

RC_GTEST_PROP(Json, WhatWeWriteIsJsonWhateverBytesATextHolds, (const std::string& bytes)) {
  RC_ASSERT(parse_json(Json(bytes).dump()).has_value());
}

RC_GTEST_PROP(Json, NeverTripsOverAnyText, (const std::string& text)) {
  for (const std::string& each : {text, "[" + text + "]", "{\"" + text}) {
    const Result<Json> read = parse_json(each);
    // In brackets, because the macro takes expressions apart and then evaluates both sides of ||.
    RC_ASSERT((read || read.error().code == ErrorCode::malformed));
  }
}

TEST(Json, WholeNumbersAndFractionsStayApart) {
  EXPECT_EQ(Json(1).dump(), "1");
  EXPECT_EQ(Json(1.0).dump(), "1.0");
  EXPECT_EQ(Json(-0.0).dump(), "-0.0");
  EXPECT_EQ(Json(0.1).dump(), "0.1");
  EXPECT_EQ(Json(1e300).dump(), "1e+300");
  EXPECT_EQ(Json(std::numeric_limits<std::int64_t>::min()).dump(), "-9223372036854775808");
  EXPECT_TRUE(parse_json("1")->is_int());
  EXPECT_FALSE(parse_json("1.0")->is_int());
  EXPECT_EQ(parse_json("9223372036854775807")->as_int(), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(Json(2).as_double(), 2.0);
}

TEST(Json, NumbersThatJsonLacksBecomeText) {
  EXPECT_EQ(Json(std::nan("")).dump(), "\"NaN\"");
  EXPECT_EQ(Json(std::numeric_limits<double>::infinity()).dump(), "\"Infinity\"");
  EXPECT_EQ(Json(-std::numeric_limits<double>::infinity()).dump(), "\"-Infinity\"");
}

TEST(Json, TextIsEscaped) {
  EXPECT_EQ(Json(std::string_view("\"\\\n\t\r\b\f\x01\0/", 10)).dump(), R"("\"\\\n\t\r\b\f\u0001\u0000/")");
  EXPECT_EQ(Json("\u00e4\u20ac").dump(), "\"\u00e4\u20ac\"");
}

TEST(Json, BytesThatAreNoTextAreReplaced) {
  EXPECT_EQ(Json("a\xff\u00e4\xc3").dump(), "\"a\ufffd\u00e4\ufffd\"");
  EXPECT_EQ(Json("\xed\xa0\x80").dump(), "\"\ufffd\ufffd\ufffd\"") << "a surrogate";
  EXPECT_EQ(Json("\xc0\x80").dump(), "\"\ufffd\ufffd\"") << "an overlong NUL";
}

TEST(Json, IsIndentedForPeople) {
  const Json value = Json::object({{"a", Json::array().push(1).push(Json::object())}, {"b", Json::array()}});
  EXPECT_EQ(value.dump(), R"({"a":[1,{}],"b":[]})");
  EXPECT_EQ(value.dump(2), "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
}

TEST(Json, MembersAreFoundAndReplacedInPlace) {
  Json value = Json::object({{"a", 1}, {"b", "x"}});
  value.set("a", 2.5).set("c", true);
  EXPECT_EQ(value.dump(), R"({"a":2.5,"b":"x","c":true})");
  EXPECT_EQ(value.double_or("a"), 2.5);
  EXPECT_EQ(value.text_or("b"), "x");
  EXPECT_EQ(value.text_or("a", "none"), "none") << "of another type";
  EXPECT_EQ(value.int_or("d", 7), 7);
  EXPECT_TRUE(value.bool_or("c"));
  EXPECT_TRUE(value["d"].is_null());
  EXPECT_EQ(value.find("d"), nullptr);
  EXPECT_EQ(Json(3).find("d"), nullptr);
}

TEST(Json, SaysThatItHasNoNumberThatIsNone) {
  for (const std::string_view text : {"[NaN]", "{\"a\":-Infinity}", "[Infinity]", R"({"a\"b":NaN})"}) {
    const Error error = parse_json(text).error();
    EXPECT_EQ(error.message, "the JSON text is not valid: JSON has no NaN and no Infinity") << text;
    EXPECT_EQ(error.hint, "send null for a value that is not known");
  }
  EXPECT_EQ(
      parse_json(R"(["NaN" 1])").error().message,
      "the JSON text is not valid: a comma, colon, bracket, value or member name is missing or out of place");
}

TEST(Json, SaysWhatIsWrong) {
  const auto message = [](std::string_view text) { return parse_json(text).error().message; };
  EXPECT_EQ(message(""), "the JSON text is not valid: it is empty");
  EXPECT_EQ(message("\"\xff\""), "the JSON text is not valid: it is not UTF-8");
  EXPECT_EQ(message("[1e999]"), "the JSON text is not valid: a number is misspelt or out of range");
  EXPECT_EQ(message("[9223372036854775808]"),
            "the JSON text is not valid: number out of range: 9223372036854775808");
  EXPECT_EQ(message(R"({"a":1,"b":2,"a":3})"), "the JSON text is not valid: member 'a' is there twice");
  for (const std::string_view text :
       {"[1,]", "{\"a\" 1}", "1 2", "nul", "'a'", "[NaN]", "{a:1}", "[01]", "\"\\ud800\""}) {
    EXPECT_EQ(parse_json(text).error().code, ErrorCode::malformed) << text;
  }
}

TEST(Json, RepeatedNamesAreRefusedInLargeObjectsToo) {
  Json object = Json::object();
  for (int i = 0; i < 1'000; ++i) object.set("m" + std::to_string(i), i);
  EXPECT_EQ(parse_json(object.dump()), object);
  object.as_object().emplace_back("m500", 1);
  EXPECT_EQ(parse_json(object.dump()).error().code, ErrorCode::malformed);
}

std::string nested(std::size_t depth) { return std::string(depth, '[') + "1" + std::string(depth, ']'); }

TEST(Json, DepthIsLimited) {
  EXPECT_TRUE(parse_json(nested(64)));
  EXPECT_EQ(parse_json(nested(65)).error().code, ErrorCode::malformed);
  EXPECT_TRUE(parse_json("1", 0));
  EXPECT_EQ(parse_json("[]", 0).error().code, ErrorCode::malformed) << "empty ones count as well";
  EXPECT_TRUE(parse_json(nested(3), 3));
  EXPECT_EQ(parse_json(nested(4), 3).error().code, ErrorCode::malformed);
  EXPECT_TRUE(parse_json(nested(64))) << "the limit of one call stayed for the next";
}

TEST(Json, DeepTextIsRefusedAtOnce) {
  const std::string text = nested(100'000);
  const TimeUs started = steady_now();
  EXPECT_EQ(parse_json(text).error().code, ErrorCode::malformed);
  EXPECT_LT(steady_now() - started, kSecondUs);
}

TEST(Json, LargeTextsAreRead) {
  Json array = Json::array();
  for (int i = 0; i < 300'000; ++i) array.push(i * 0.5);
  EXPECT_EQ(parse_json(array.dump()), array);
}

TEST(JsonDeathTest, AskingForTheWrongTypeIsABug) {
  EXPECT_DEATH(Json("x").as_int(), "invariant broken");
  EXPECT_DEATH(Json().set("a", 1), "invariant broken");
}

}  // namespace
}  // namespace trimtab::base
