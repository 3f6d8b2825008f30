// CSV as the JSON that endpoints read: headers, quotes, nulls, types.
#include "api/predict/csv_rows.h"

#include <cmath>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "api/predict/sent_columns_test.h"
#include "base/json.h"

namespace trimtab::api {
namespace {

// The rows of a CSV, or its refusal.
std::string data_of(std::string_view csv, std::vector<std::string> nulls = {"", "NA"}) {
  const serve::RequestColumns columns = sent_columns();
  const Result<std::string> json = csv_as_json(csv, {columns, std::move(nulls)});
  if (!json) return json.error().message + (json.error().hint.empty() ? "" : " | " + json.error().hint);
  return (*base::parse_json(*json))["dataframe_split"]["data"].dump();
}

TEST(CsvRows, WithAHeaderTheColumnsMayBeInAnyOrder) {
  const serve::RequestColumns columns = sent_columns();
  EXPECT_EQ(*csv_as_json("size,name\n1.5,a\n", {columns, {""}}),
            R"({"dataframe_split":{"columns":["size","name"],"data":[[1.5,"a"]]}})");
}

TEST(CsvRows, WithoutAHeaderTheyAreTheRequiredColumnsInTheirOrder) {
  EXPECT_EQ(data_of("a,1,0.1,true\nb,2,5,FALSE"), R"([["a",1,0.1,true],["b",2,5.0,false]])");
}

TEST(CsvRows, NullsAreWhatTheSourcesFilesSay) {
  EXPECT_EQ(data_of("NA,,NA,\n"), "[[null,null,null,null]]");
  EXPECT_EQ(data_of(",,1,true\n", {"NA"}), R"([["",null,1.0,true]])");
}

TEST(CsvRows, QuotesLineEndsAndTheByteOrderMark) {
  EXPECT_EQ(data_of("\xEF\xBB\xBF\"a \"\"b\"\",\nc\",1,2,true\r\n\r\n"), R"([["a \"b\",\nc",)"
                                                                         R"(1,2.0,true]])");
  EXPECT_EQ(data_of("name\n\"00123\"\n"), R"([["00123"]])");
}

TEST(CsvRows, WhatIsNoValueOfItsTypeIsLeftForTheEndpointToRefuse) {
  EXPECT_EQ(data_of("count,size,late,at,note\nmany,big,perhaps,2013-01-01T00:00:00Z,7\n"),
            R"([["many","big","perhaps","2013-01-01T00:00:00Z","7"]])");
}

// So that a row has one probability, however it was sent.
RC_GTEST_PROP(CsvRows, ANumberIsTheNumberOfTheJson, (double x)) {
  RC_PRE(std::isfinite(x));
  RC_ASSERT(data_of("size\n" + Json(x).dump() + "\n") == "[[" + Json(x).dump() + "]]");
}

RC_GTEST_PROP(CsvRows, ATextComesBackFromItsQuotes, (const std::string& ascii)) {
  std::string text, quoted;
  for (const char c : ascii) {
    if (c <= 0) continue;
    text += c;
    quoted += c == '"' ? "\"\"" : std::string(1, c);
  }
  RC_ASSERT(data_of("name\n\"" + quoted + "\"\n", {}) == "[[" + Json(text).dump() + "]]");
}

RC_GTEST_PROP(CsvRows, NoTextBringsTheReaderDown, ()) {
  (void)data_of(*rc::gen::container<std::string>(rc::gen::element('"', ',', '\n', '\r', 'a', '1', '\xEF')));
}

TEST(CsvRows, WhatIsNotUtf8NamesTheLine) {
  EXPECT_EQ(data_of("a,1,1,true\n\xDC,1,1,true\n"), "line 2 of the CSV: it is not in UTF-8");
  EXPECT_EQ(data_of("name\n\"\xC3\"\n"), "line 2 of the CSV: it is not in UTF-8");
}

TEST(CsvRows, NoLinesAreNoRows) {
  EXPECT_EQ(data_of(""), "[]");
  EXPECT_EQ(data_of("\n\n"), "[]");
  EXPECT_EQ(data_of("name,size\n"), "[]");
}

TEST(CsvRows, WhatIsWrongNamesTheLine) {
  EXPECT_EQ(data_of("a,1,2,true\nb,1,2\n"),
            "line 2 of the CSV: it has 3 cells for 4 columns | without a header the columns are "
            "name,count,size,late");
  EXPECT_EQ(data_of("name,size\n\n\"x\ny\",1\nb\n"), "line 5 of the CSV: it has 1 cells for 2 columns");
  EXPECT_EQ(data_of("name\n\"a\n"), "line 2 of the CSV: a quote is never closed");
  EXPECT_EQ(data_of("name\n\"a\"b\n"), "line 2 of the CSV: there is text behind a closing quote");
}

}  // namespace
}  // namespace trimtab::api
