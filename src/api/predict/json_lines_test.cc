// JSON lines as the JSON that endpoints read.
#include "api/predict/json_lines.h"

#include <gtest/gtest.h>

#include "api/predict/sent_columns_test.h"

namespace trimtab::api {
namespace {

std::string rows_of(std::string_view text) {
  const Result<std::string> json = json_lines_as_json(text, sent_columns());
  return json ? *json : json.error().message;
}

TEST(JsonLines, ObjectsAreRecords) {
  EXPECT_EQ(rows_of("{\"size\":1}\r\n\n{\"size\":null}"),
            "{\"dataframe_records\":[{\"size\":1}\r,{\"size\":null}]}");
  EXPECT_EQ(rows_of(""), R"({"dataframe_records":[]})");
}

TEST(JsonLines, ListsAreTheRequiredColumnsInTheirOrder) {
  const std::string columns = R"({"dataframe_split":{"columns":["name","count","size","late"],"data":)";
  EXPECT_EQ(rows_of("[\"a\",1,2,true]\n"), columns + "[[\"a\",1,2,true]]}}");
  EXPECT_EQ(rows_of("{\"features\":[\"a\",1,0.1,true]}\n"), columns + "[[\"a\",1,0.1,true]]}}");
}

TEST(JsonLines, WhatIsWrongNamesTheLine) {
  EXPECT_EQ(rows_of("{}\n[1]"), "line 2 of the JSON lines: objects and lists do not go together");
  EXPECT_EQ(rows_of("\n7"), "line 2 of the JSON lines: it is neither an object nor a list");
  EXPECT_TRUE(rows_of("{\"a\":1},{\"a\":2}").starts_with("line 1 of the JSON lines: "));
}

}  // namespace
}  // namespace trimtab::api
