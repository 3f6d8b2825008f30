#include "ingest/typed_rows.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "table/operation_fixture_test.h"
#include "table/random_rows_test.h"

namespace trimtab::ingest {
namespace {

using table::ColumnType;
using table::Schema;

class TypedRows : public table::OperationFixture {
 protected:
  std::string visited(const RowSource& source) {
    std::string rows;
    std::int64_t next = 0;
    const Status read =
        visit_typed_rows(engine(), source, [&](const table::Batch& batch, std::int64_t first) -> Status {
          EXPECT_EQ(first, next);
          next += batch.rows();
          rows += table::shown(batch);
          return {};
        });
    return read ? rows : base::render(read.error());
  }

  std::string visited(const std::string& text, const Schema& schema, const std::string& zone = "UTC") {
    return visited({write("data/a.csv", text), schema, {"", "NA"}, zone});
  }

  // What a naive time of that text means in New York.
  std::string in_new_york(const std::string& time) {
    return visited("t\n" + time + "\n", Schema({{"t", ColumnType::time}}), "America/New_York");
  }
};

TEST_F(TypedRows, CellsGetTheirTypesAndNullTokensBecomeNulls) {
  EXPECT_EQ(visited("b,i,r,s,t\nTrue,5.0,1e2,NA ,2013-01-05\nNA,,NA,,NA\n", table::all_types()),
            "true 5 100.0 \"NA \" \"2013-01-05T00:00:00Z\"\nnull null null null null\n");
}

TEST_F(TypedRows, QuotedCellsKeepBreaksDelimitersAndQuotes) {
  const Schema schema({{"x", ColumnType::text}, {"y", ColumnType::integer}});
  EXPECT_EQ(visited("x,y\r\n\"a,\"\"b\"\"\r\nc\",1\r\n\"\",2\r\n", schema),
            "\"a,\\\"b\\\"\\r\\nc\" 1\nnull 2\n");
}

TEST_F(TypedRows, TheFilesOrderOfColumnsDoesNotMatter) {
  const Schema schema({{"x", ColumnType::text}, {"y", ColumnType::integer}});
  EXPECT_EQ(visited("y,x\n1,a\n", schema), "\"a\" 1\n");
}

TEST_F(TypedRows, AByteOrderMarkIsNoPartOfTheFirstName) {
  EXPECT_EQ(visited("\xEF\xBB\xBFx\n1\n", Schema({{"x", ColumnType::integer}})), "1\n");
}

TEST_F(TypedRows, ALastLineWithoutAnEndCounts) {
  EXPECT_EQ(visited("x,y\n1,2\n3,4", Schema({{"x", ColumnType::integer}, {"y", ColumnType::integer}})),
            "1 2\n3 4\n");
}

TEST_F(TypedRows, AHeaderAloneHasNoRows) {
  EXPECT_EQ(visited("x,y\n", Schema({{"x", ColumnType::text}, {"y", ColumnType::text}})), "");
}

TEST_F(TypedRows, AZeroByteStaysInItsCell) {
  const std::string text("x,y\na\0b,1\n", 10);
  EXPECT_EQ(visited(text, Schema({{"x", ColumnType::text}, {"y", ColumnType::integer}})),
            "\"a\\u0000b\" 1\n");
}

TEST_F(TypedRows, ACellThatDoesNotFitIsNamedWithItsLine) {
  const auto refusal = [this](ColumnType type, const std::string& cell) {
    return visited("k,x\n1,NA\n2," + cell + "\n", Schema({{"k", ColumnType::integer}, {"x", type}}));
  };
  const std::string hint = "\n   hint: list the token under `nulls:`, or correct the row";
  EXPECT_EQ(refusal(ColumnType::integer, "many"),
            "data/a.csv:3: error: column 'x' wants a whole number, found 'many'" + hint);
  EXPECT_EQ(refusal(ColumnType::real, "1.5 m"),
            "data/a.csv:3: error: column 'x' wants a number, found '1.5 m'" + hint);
  EXPECT_EQ(refusal(ColumnType::boolean, "1"),
            "data/a.csv:3: error: column 'x' wants true or false, found '1'" + hint);
  EXPECT_EQ(refusal(ColumnType::time, "2013-02-30"),
            "data/a.csv:3: error: column 'x' wants a time like 2013-01-05 06:00, found '2013-02-30'" + hint);
  EXPECT_EQ(refusal(ColumnType::time, "1-2-3"),
            "data/a.csv:3: error: column 'x' wants a time like 2013-01-05 06:00, found '1-2-3'" + hint);
  EXPECT_EQ(
      refusal(ColumnType::integer, std::string(90, 'z')),
      "data/a.csv:3: error: column 'x' wants a whole number, found '" + std::string(80, 'z') + "…'" + hint);
}

TEST_F(TypedRows, OfSeveralBadCellsTheFirstInTheFileIsNamed) {
  const Schema schema({{"x", ColumnType::integer}, {"y", ColumnType::integer}});
  EXPECT_EQ(visited("x,y\n1,2\n\n3,four\nfive,6\n", schema),
            "data/a.csv:4: error: column 'y' wants a whole number, found 'four'\n"
            "   hint: list the token under `nulls:`, or correct the row");
}

TEST_F(TypedRows, ABrokenRowIsNamedWithItsLine) {
  const Schema schema({{"x", ColumnType::text}, {"y", ColumnType::text}});
  EXPECT_EQ(visited("x,y\n1,2\n\"a\nb\",2\n3\n", schema),
            "data/a.csv:5: error: the row has 1 cells, but the header has 2\n"
            "   hint: put a cell that holds ',' in quotes, or correct the row");
  EXPECT_EQ(visited("x,y\n\n1,2\n\n\n1,2,3\n", schema),
            "data/a.csv:6: error: the row has 3 cells, but the header has 2\n"
            "   hint: put a cell that holds ',' in quotes, or correct the row");
  EXPECT_EQ(visited("x,y\n1,2\n3,\"open\n4,5\n", schema),
            "data/a.csv:3: error: a quote is opened here and not closed before the end of the file\n"
            "   hint: close it; a quote inside of a quoted cell is written twice");
  EXPECT_EQ(visited("x,y\n1,2\ncaf\xE9,3\n", schema),
            "data/a.csv:3: error: the file is not in UTF-8\n"
            "   hint: convert it, as with `iconv -f latin1 -t utf-8`");
}

TEST_F(TypedRows, AHeaderThatIsNotTheSourcesIsRefused) {
  const Schema schema({{"x", ColumnType::text}, {"y", ColumnType::text}});
  const std::string hint = "\n   hint: all files of a source have the same columns, in any order";
  EXPECT_EQ(visited("x\n1\n", schema), "data/a.csv:1: error: the header lacks 'y'" + hint);
  EXPECT_EQ(
      visited("y,z,x,w\n1,2,3,4\n", schema),
      "data/a.csv:1: error: the header has 'z', 'w', which the source's other files do not have" + hint);
  EXPECT_EQ(visited("z\n1\n", schema),
            "data/a.csv:1: error: the header lacks 'x', 'y' and has 'z', which the source's other files do "
            "not have" +
                hint);
}

TEST_F(TypedRows, ANaiveTimeIsOfTheSourcesZone) {
  EXPECT_EQ(in_new_york("2013-01-05 06:00"), "\"2013-01-05T11:00:00Z\"\n");
  EXPECT_EQ(in_new_york("2013-07-05 06:00"), "\"2013-07-05T10:00:00Z\"\n");
  EXPECT_EQ(in_new_york("2013-07-05"), "\"2013-07-05T04:00:00Z\"\n");
}

TEST_F(TypedRows, ATimeThatNamesItsZoneIsTakenAtItsWord) {
  EXPECT_EQ(in_new_york("2013-07-05T06:00:00Z"), "\"2013-07-05T06:00:00Z\"\n");
  EXPECT_EQ(in_new_york("2013-07-05 06:00+02:00"), "\"2013-07-05T04:00:00Z\"\n");
  EXPECT_EQ(in_new_york("2013-07-05 06:00:00+02:00"), "\"2013-07-05T04:00:00Z\"\n");
  EXPECT_EQ(in_new_york("2013-07-05T06:00Z"), "\"2013-07-05T06:00:00Z\"\n");
}

// Half past two did not exist on 2013-03-10; it is taken as if the clocks had not yet been put forward.
TEST_F(TypedRows, ATimeInTheGapOfSpringIsAnHourLater) {
  EXPECT_EQ(in_new_york("2013-03-10 01:59"), "\"2013-03-10T06:59:00Z\"\n");
  EXPECT_EQ(in_new_york("2013-03-10 02:30"), "\"2013-03-10T07:30:00Z\"\n");
  EXPECT_EQ(in_new_york("2013-03-10 03:00"), "\"2013-03-10T07:00:00Z\"\n");
}

// Half past one was there twice on 2013-11-03; it is taken as the second of them.
TEST_F(TypedRows, ATimeInTheOverlapOfAutumnIsTheLaterOne) {
  EXPECT_EQ(in_new_york("2013-11-03 00:59"), "\"2013-11-03T04:59:00Z\"\n");
  EXPECT_EQ(in_new_york("2013-11-03 01:30"), "\"2013-11-03T06:30:00Z\"\n");
  EXPECT_EQ(in_new_york("2013-11-03 02:00"), "\"2013-11-03T07:00:00Z\"\n");
}

TEST_F(TypedRows, AParquetFileIsCastToTheSourcesTypes) {
  const auto part =
      write_part("data/a.parquet", Schema({{"y", ColumnType::text}, {"x", ColumnType::integer}}), {{"a", 1}});
  EXPECT_EQ(visited({part, Schema({{"x", ColumnType::real}, {"y", ColumnType::text}}), {}, "UTC"}),
            "1.0 \"a\"\n");
  EXPECT_EQ(visited({part, Schema({{"z", ColumnType::real}}), {}, "UTC"}),
            "data/a.parquet: error: the file lacks the column 'z'\n   hint: did you mean 'y'?");
  EXPECT_TRUE(visited({part, Schema({{"y", ColumnType::integer}}), {}, "UTC"})
                  .starts_with("data/a.parquet: error: the file cannot be read as the source's other files "
                               "are\n   because: "));
}

std::string as_csv(const std::string& cell) {
  std::string quoted = "\"";
  for (const char c : cell) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

TEST_F(TypedRows, EveryTextOutlivesItsQuotes) {
  const bool holds = rc::check([this] {
    const auto texts = *rc::gen::resize(8, rc::gen::container<std::vector<std::string>>(table::any_text()));
    std::string csv = "k,x\n";
    std::string expected;
    for (const std::string& text : texts) {
      csv += "1," + as_csv(text) + "\n";
      expected += "1 " + Json(text).dump() + "\n";
    }
    const Schema schema({{"k", ColumnType::integer}, {"x", ColumnType::text}});
    RC_ASSERT(visited({write("data/a.csv", csv), schema, {}, "UTC"}) == expected);
  });
  EXPECT_TRUE(holds);
}

TEST_F(TypedRows, ManyRowsComeInFileOrder) {
  std::string csv = "x\n";
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    csv += std::to_string(i) + "\n";
    expected += std::to_string(i) + "\n";
  }
  EXPECT_EQ(visited(csv, Schema({{"x", ColumnType::integer}})), expected);
}

}  // namespace
}  // namespace trimtab::ingest
