#include "serve/request_rows.h"

#include <gtest/gtest.h>

namespace trimtab::serve {
namespace {

using table::Column;
using table::ColumnType;

RequestColumns columns() {
  RequestColumns columns;
  columns.required.add(Column{"origin", ColumnType::text});
  columns.required.add(Column{"distance", ColumnType::integer});
  columns.required.add(Column{"ratio", ColumnType::real});
  columns.required.add(Column{"night", ColumnType::boolean});
  columns.optional.add(Column{"at", ColumnType::time});
  columns.optional.add(Column{"temp", ColumnType::real});
  columns.ignored = {"arr_delay"};
  return columns;
}

// What a request became: the columns, then a line a row, with its id in front.
std::string shown(const RequestRows& request) {
  std::string text;
  for (const std::string& name : request.rows.schema().names()) text += name + " ";
  for (int row = 0; row < request.rows.rows(); ++row) {
    text += "| " + request.ids[static_cast<std::size_t>(row)].value_or("-") + ":";
    for (int column = 0; column < request.rows.schema().size(); ++column) {
      text += " " + request.rows.cell_json(column, row).dump();
    }
    text += " ";
  }
  return text;
}

// The rows, or the refusal as a client reads it. One reader reads all: nothing of a request stays for the
// next.
std::string read(const std::string& body) {
  static RequestReader reader(columns());
  const Result<RequestRows*> request = reader.read(body);
  if (request) return shown(**request);
  const Error& error = request.error();
  return std::string(base::error_row(error.code).name) + ": " + error.message +
         (error.hint.empty() ? "" : " (" + error.hint + ")");
}

constexpr const char* kOneRow = R"(origin distance ratio night | -: "LGA" 733 0.5 true )";

TEST(RequestRows, AreReadFromEveryDialect) {
  EXPECT_EQ(read(R"({"dataframe_split":{"columns":["origin","distance","ratio","night"],)"
                 R"("data":[["LGA",733,0.5,true]]}})"),
            kOneRow);
  EXPECT_EQ(read(R"({"dataframe_split":{"index":[0],"data":[["LGA",733,0.5,true]],)"
                 R"("columns":["origin","distance","ratio","night"]}})"),
            kOneRow)
      << "as pandas writes it, in any order";
  const std::string row = R"([{"night":true,"origin":"LGA","ratio":0.5,"distance":733}]})";
  EXPECT_EQ(read(R"({"dataframe_records":)" + row), kOneRow);
  EXPECT_EQ(read(R"({"instances":)" + row), kOneRow);
  EXPECT_EQ(read(R"({"inputs":)" + row), kOneRow);
  EXPECT_EQ(
      read(R"({"params":{},"inputs":{"origin":["LGA"],"distance":[733],"ratio":[0.5],"night":[true]}})"),
      kOneRow);
  EXPECT_EQ(read(R"({"inputs":{"origin":"LGA","distance":733,"ratio":0.5,"night":true}})"), kOneRow)
      << "one row without lists";
  EXPECT_EQ(read(R"({"inputs":{"origin":["a","b"],"distance":[1,2],"ratio":[1,2],"night":[true,null]}})"),
            R"(origin distance ratio night | -: "a" 1 1.0 true | -: "b" 2 2.0 null )");
}

TEST(RequestRows, MayHoldAnIdJoinedColumnsAndColumnsThatNobodyReads) {
  EXPECT_EQ(read(R"({"instances":[{"origin":"a","distance":1,"ratio":1,"night":true,"prediction_id":"p1",)"
                 R"("temp":7.5,"arr_delay":"soon"},)"
                 R"({"origin":"b","distance":2,"ratio":2,"night":false,"prediction_id":"p2"}]})"),
            R"(origin distance ratio night temp | p1: "a" 1 1.0 true 7.5 | p2: "b" 2 2.0 false null )");
  EXPECT_EQ(read(R"({"instances":[{"origin":"a","distance":1,"ratio":1,"night":true,)"
                 R"("at":"2013-04-01T00:00:00Z"}]})"),
            R"(origin distance ratio night at | -: "a" 1 1.0 true "2013-04-01T00:00:00Z" )");
}

TEST(RequestRows, CellsFitTheirColumns) {
  const auto with = [](const std::string& cells) {
    return read(R"({"dataframe_split":{"columns":["origin","distance","ratio","night"],"data":[[)" + cells +
                "]]}}");
  };
  EXPECT_EQ(with(R"("x",3.0,3,null)"), R"(origin distance ratio night | -: "x" 3 3.0 null )");
  EXPECT_EQ(with("null,null,null,null"), "origin distance ratio night | -: null null null null ");
  EXPECT_EQ(with(R"("\u00fc\n",-9223372036854775808,"NaN",false)"),
            "origin distance ratio night | -: \"ü\\n\" -9223372036854775808 \"NaN\" false ");
  EXPECT_EQ(with(R"("x",1,"-Infinity",false)"),
            R"(origin distance ratio night | -: "x" 1 "-Infinity" false )");
  EXPECT_EQ(with("1,1,1,true"), "invalid: row 1: column 'origin' wants text, not 1");
  EXPECT_EQ(with(R"("x",1.5,1,true)"), "invalid: row 1: column 'distance' wants integer, not 1.5");
  EXPECT_EQ(with(R"("x","7",1,true)"), "invalid: row 1: column 'distance' wants integer, not \"7\"");
  EXPECT_EQ(with(R"("x",1,"nan",true)"), "invalid: row 1: column 'ratio' wants real, not \"nan\"");
  EXPECT_EQ(with(R"("x",1,true,true)"), "invalid: row 1: column 'ratio' wants real, not true");
  EXPECT_EQ(with(R"("x",1,1,1)"), "invalid: row 1: column 'night' wants boolean, not 1");
  EXPECT_EQ(with(R"({"a":[1,2]},1,1,true)"), "invalid: row 1: column 'origin' wants text, not {\"a\":[1,2]}");
  EXPECT_EQ(with("9223372036854775808,1,1,true"),
            "malformed: the JSON text is not valid: number out of range: 9223372036854775808");
}

TEST(RequestRows, ARefusalNamesTheRow) {
  EXPECT_EQ(read(R"({"instances":[{"origin":"a","distance":1,"ratio":1,"night":true},)"
                 R"({"origin":"b","distance":"far","ratio":2,"night":false}]})"),
            "invalid: row 2: column 'distance' wants integer, not \"far\"");
  EXPECT_EQ(read(R"({"instances":[{"origin":"a","distance":1,"ratio":1,"night":true,"at":"noon"}]})"),
            "invalid: row 1: column 'at' wants time, not \"noon\"");
  EXPECT_EQ(read(R"({"instances":[{"origin":"a","distance":1,"ratio":1,"night":true,"prediction_id":7}]})"),
            "invalid: row 1: prediction_id is no text: 7");
}

TEST(RequestRows, AnIdThatIsNullOrEmptyIsNoneAndALongOneIsRefused) {
  const auto with = [](const std::string& id) {
    return read(R"({"instances":[{"origin":"LGA","distance":733,"ratio":0.5,"night":true,"prediction_id":)" +
                id + "}]}");
  };
  EXPECT_EQ(with("null"), kOneRow);
  EXPECT_EQ(with("\"\""), kOneRow);
  const std::string long_one(256, 'i');
  EXPECT_EQ(with("\"" + long_one + "\""),
            "origin distance ratio night | " + long_one + ": \"LGA\" 733 0.5 true ");
  EXPECT_EQ(with("\"" + long_one + "i\""),
            "invalid: row 1: prediction_id has 257 bytes (an id has at most 256)");
}

TEST(RequestRows, AColumnThatIsThereTwiceIsRefused) {
  const auto with = [](const std::string& name, const std::string& value) {
    return read(R"({"dataframe_split":{"columns":["origin","distance","ratio","night",")" + name +
                R"("],"data":[["LGA",733,0.5,true,)" + value + "]]}}");
  };
  EXPECT_EQ(with("distance", "733"),
            "invalid: row 1: the column 'distance' is there twice (send one of the two)");
  EXPECT_EQ(with("arr_delay", "1"), kOneRow);
  EXPECT_EQ(read(R"({"dataframe_split":{"columns":["origin","distance","ratio","night","prediction_id",)"
                 R"("prediction_id"],"data":[["LGA",733,0.5,true,"a","b"]]}})"),
            "invalid: row 1: the column 'prediction_id' is there twice (send one of the two)");
}

TEST(RequestRows, TooManyColumnsAreRefusedSoon) {
  std::string record, names, cells;
  for (int i = 0; i < 200'000; ++i) {
    const std::string name = "\"c" + std::to_string(i) + '"';
    record += (i > 0 ? "," : "") + name + ":1";
    names += (i > 0 ? "," : "") + name;
    cells += i > 0 ? ",1" : "1";
  }
  const std::string wide =
      "too_large: the request has more than 10000 columns (send those that GET …/schema lists)";
  EXPECT_EQ(read(R"({"instances":[{)" + record + "}]}"), wide);
  EXPECT_EQ(read(R"({"inputs":{)" + record + "}}"), wide);
  EXPECT_EQ(read(R"({"dataframe_split":{"columns":[)" + names + R"(],"data":[[)" + cells + "]]}}"), wide);
}

TEST(RequestRows, WhetherToExplainIsTrueOrFalse) {
  const std::string rows = R"("instances":[{"origin":"LGA","distance":733,"ratio":0.5,"night":true}]})";
  EXPECT_EQ(read(R"({"explain":false,)" + rows), kOneRow);
  EXPECT_EQ(read(R"({"explain":null,)" + rows), kOneRow);
  EXPECT_EQ(read(R"({"explain":"true",)" + rows), "malformed: 'explain' is true or false, not \"true\"");
}

TEST(RequestRows, UnknownAndMissingColumnsAreNamed) {
  EXPECT_EQ(read(R"({"instances":[{"orgin":"a","distance":1,"ratio":1,"night":true}]})"),
            "invalid: there is no column 'orgin' (did you mean 'origin'?)");
  EXPECT_EQ(read(R"({"instances":[{"zzzzzzzz":"a"}]})"),
            "invalid: there is no column 'zzzzzzzz' (GET …/schema lists the columns)");
  EXPECT_EQ(
      read(R"({"instances":[{"origin":"a","night":true}]})"),
      "invalid: the request lacks the column 'distance', 'ratio' (null says that a value is not known)");
  EXPECT_EQ(read(R"({"instances":[{"Origin":"a","distance":1,"ratio":1,"night":true}]})"),
            "invalid: the request lacks the column 'origin' ('Origin' is written 'origin')");
  EXPECT_EQ(read(R"({"instances":[{"origin":"a","distance":1,"ratio":1,"night":true},{"origin":"b"}]})"),
            R"(origin distance ratio night | -: "a" 1 1.0 true | -: "b" null null null )")
      << "a column that some rows have is known";
}

TEST(RequestRows, RaggedRowsAreRefused) {
  EXPECT_EQ(read(R"({"dataframe_split":{"columns":["origin","distance"],"data":[["a",1],["b"]]}})"),
            "invalid: row 2: it has 1 values for 2 columns");
  EXPECT_EQ(read(R"({"dataframe_split":{"columns":["origin","distance"],"data":[["a",1],7]}})"),
            "invalid: row 2: it has 0 values for 2 columns");
  EXPECT_EQ(read(R"({"inputs":{"origin":["a","b"],"distance":[1]}})"),
            "invalid: column 'distance' has 1 values, others have 2");
}

TEST(RequestRows, EmptyAndOversizedRequestsAreRefused) {
  EXPECT_EQ(read(R"({"instances":[]})"), "invalid: the request has no rows");
  EXPECT_EQ(read(R"({"dataframe_split":{"columns":["origin"],"data":[]}})"),
            "invalid: the request has no rows");
  EXPECT_EQ(read(R"({"inputs":{}})"), "invalid: the request has no rows");
  std::string many = R"({"dataframe_split":{"columns":["zzz"],"data":[[1])";
  for (int i = 0; i < 2048; ++i) many += ",[1]";
  EXPECT_EQ(read(many + "]}}"), "too_large: the request has 2049 rows (send at most 2048 at once)");
}

TEST(RequestRows, WhatIsNoDialectIsMalformed) {
  const std::string wanted =
      "malformed: The input must be a JSON dictionary with exactly one of the input fields "
      "{'dataframe_split', 'dataframe_records', 'instances', 'inputs'}";
  EXPECT_EQ(read("{}"), wanted);
  EXPECT_EQ(read("[1]"), wanted);
  EXPECT_EQ(read(R"({"rows":[]})"), wanted);
  EXPECT_EQ(read(R"({"dataframe_split":[]})"),
            "malformed: dataframe_split wants the lists 'columns' and 'data'");
  EXPECT_EQ(read(R"({"dataframe_split":{"columns":["origin"]}})"),
            "malformed: dataframe_split wants the lists 'columns' and 'data'");
  EXPECT_EQ(read(R"({"dataframe_split":{"columns":["origin",7],"data":[]}})"),
            "malformed: a column's name is no text: 7");
  EXPECT_EQ(read(R"({"dataframe_records":{}})"), "malformed: dataframe_records wants a list of objects");
  EXPECT_EQ(read(R"({"instances":{}})"), "malformed: instances wants a list of objects");
  EXPECT_EQ(read(R"({"inputs":7})"), "malformed: inputs wants an object of columns");
  EXPECT_EQ(read(R"({"instances":[[1,2]]})"),
            "invalid: row 1: it is no object (columns are matched by name: send {\"column\": value, …})");
  EXPECT_EQ(read("{"),
            "malformed: the JSON text is not valid: a comma, colon, bracket, value or member name is missing "
            "or out of place");
  EXPECT_EQ(read(R"({"instances":[{"origin":"a","origin":"b"}]})"),
            "malformed: the JSON text is not valid: member 'origin' is there twice");
  EXPECT_EQ(read(R"({"inputs":{"origin":)" + std::string(70, '[') + std::string(70, ']') + "}}"),
            "malformed: the JSON text is nested deeper than 64 levels");
}

TEST(RequestRows, ManySetsOfColumnsAreForgottenAndNotMixedUp) {
  RequestColumns many = columns();
  for (int i = 0; i < 40; ++i) many.optional.add(Column{"extra" + std::to_string(i), ColumnType::integer});
  RequestReader reader(many);
  const std::uint64_t before = reader.generation();
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 40; ++i) {
      const std::string extra = "extra" + std::to_string(i);
      const Result<RequestRows*> rows =
          reader.read(R"({"instances":[{"origin":"a","distance":1,"ratio":1,"night":true,")" + extra +
                      "\":" + std::to_string(i) + "}]}");
      ASSERT_TRUE(rows);
      EXPECT_EQ(shown(**rows), "origin distance ratio night " + extra + R"( | -: "a" 1 1.0 true )" +
                                   std::to_string(i) + " ");
      EXPECT_LT((*rows)->shape, 16u);
      EXPECT_NE((*rows)->shape, 0u);
    }
  }
  EXPECT_GT(reader.generation(), before);
  EXPECT_EQ(read(R"({"instances":[{"origin":"LGA","distance":733,"ratio":0.5,"night":true}]})"), kOneRow);
}

TEST(RequestRows, TheOrderInWhichJoinedColumnsAreSentLeavesNoTrace) {
  const std::string row = R"("origin":"a","distance":1,"ratio":1,"night":true)";
  EXPECT_EQ(read(R"({"instances":[{"temp":1,"at":null,)" + row + "}]}"),
            read(R"({"instances":[{"at":null,)" + row + R"(,"temp":1}]})"));
}

TEST(RequestRows, UnknownColumnsArePassedOverWhereThatIsAskedFor) {
  RequestReader reader(columns());
  const char* body =
      R"({"instances":[{"origin":"LGA","distance":733,"ratio":0.5,"night":true,"nobody_knows":{"a":1}}]})";
  for (int i = 0; i < 2;
       ++i) {  // What the first reading learns of these columns must not leak into the next.
    const Result<RequestRows*> request = reader.read(body, true);
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(shown(**request), kOneRow);
    EXPECT_EQ(reader.read(body).error().message, "there is no column 'nobody_knows'");
  }
  EXPECT_EQ(reader.read(R"({"instances":[{"nobody_knows":1}]})", true).error().message,
            "the request lacks the column 'origin', 'distance', 'ratio', 'night'");
}

TEST(RequestRows, OneBodyHasOneFieldOfRows) {
  EXPECT_EQ(read(R"({"instances":[],"inputs":{}})"),
            "malformed: The input must be a JSON dictionary with exactly one of the input fields "
            "{'dataframe_split', 'dataframe_records', 'instances', 'inputs'}");
}

}  // namespace
}  // namespace trimtab::serve
