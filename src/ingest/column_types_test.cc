#include "ingest/column_types.h"

#include <gtest/gtest.h>

#include "table/operation_fixture_test.h"

namespace trimtab::ingest {
namespace {

using table::ColumnType;

class ColumnTypes : public table::OperationFixture {
 protected:
  std::string found(const Paths& paths) {
    const Result<table::Schema> schema = find_column_types(engine(), paths, {"", "NA"});
    return schema ? table::shown(*schema) : base::render(schema.error());
  }
  // Of one file.
  std::string found_in(const std::string& text) { return found(Paths{write("data/a.csv", text)}); }
};

TEST_F(ColumnTypes, AreTheNarrowestThatHoldEveryValue) {
  EXPECT_EQ(found_in("i,r,b,t,s\n1,1.5,true,2013-01-05,EWR\n-2,2,FALSE,2013-01-05 06:00,1\n"),
            "i: integer, r: real, b: boolean, t: time, s: text");
}

TEST_F(ColumnTypes, NullTokensDoNotVote) { EXPECT_EQ(found_in("x,y\nNA,1\n2,\n"), "x: integer, y: integer"); }

TEST_F(ColumnTypes, AColumnOfNullsIsText) { EXPECT_EQ(found_in("x,y\nNA,1\n,2\n"), "x: text, y: integer"); }

TEST_F(ColumnTypes, AHeaderAloneHasColumnsOfText) { EXPECT_EQ(found_in("x,y\n"), "x: text, y: text"); }

TEST_F(ColumnTypes, AreWidenedOverAllFiles) {
  EXPECT_EQ(found({write("a.csv", "x,y\n1,1\n"), write("b.csv", "y,x\nmany,2.5\n")}), "x: real, y: text");
}

TEST_F(ColumnTypes, LooksFurtherThanTheFirstRows) {
  std::string text = "x,y\n";
  for (int i = 0; i < 30'000; ++i) text += "1,2\n";
  EXPECT_EQ(found_in(text + "1.5,2\n"), "x: real, y: integer");
}

TEST_F(ColumnTypes, ParquetFilesBringTheirOwn) {
  const auto part = write_part("a.parquet", table::Schema({{"x", ColumnType::integer}}), {{1}});
  EXPECT_EQ(found({part}), "x: integer");
  EXPECT_EQ(found({part, write("b.csv", "x\n2.5\n")}), "x: real");
  EXPECT_EQ(found({part, write("c.csv", "x\n")}), "x: integer");
  EXPECT_EQ(found({part, write_part("d.parquet", table::Schema({{"x", ColumnType::boolean}}), {{true}})}),
            "x: text");
}

TEST_F(ColumnTypes, AFileWithOtherColumnsIsRefused) {
  const auto first = write("data/a.csv", "x,y\n1,2\n");
  EXPECT_EQ(found({first, write("data/b.csv", "x,z\n1,2\n")}),
            "data/b.csv:1: error: the header lacks the column 'y' of data/a.csv\n"
            "   hint: all files of a source have the same columns, in any order");
  EXPECT_EQ(found({first, write("data/c.csv", "x,y,z\n1,2,3\n")}),
            "data/c.csv:1: error: the header has a column 'z' that data/a.csv lacks\n"
            "   hint: all files of a source have the same columns, in any order");
}

TEST_F(ColumnTypes, ABrokenRowIsNamedWithFileAndLine) {
  EXPECT_EQ(found_in("x,y\n1,2\n1,2,3\n"),
            "data/a.csv:3: error: the row has 3 cells, but the header has 2\n"
            "   hint: put a cell that holds ',' in quotes, or correct the row");
  EXPECT_EQ(found({write("data/b.csv", "x,y\n1,2\n"), write("data/c.csv", "x,y\n1,2\n3,4\n5\n")}),
            "data/c.csv:4: error: the row has 1 cells, but the header has 2\n"
            "   hint: put a cell that holds ',' in quotes, or correct the row");
}

}  // namespace
}  // namespace trimtab::ingest
