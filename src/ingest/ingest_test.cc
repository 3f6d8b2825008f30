#include "ingest/ingest.h"

#include <gtest/gtest.h>

#include "table/operation_fixture_test.h"

namespace trimtab::ingest {
namespace {

using table::ColumnType;
using table::Schema;

project::Source flights() {
  project::Source source;
  source.name = "flights";
  source.read = "data/*.csv";
  source.read_where = {"trimtab.yaml", 3, 12};
  source.time_where = {"trimtab.yaml", 4, 11};
  source.nulls = {"", "NA"};
  return source;
}

class Ingest : public table::OperationFixture {
 protected:
  // The names of the files found, or the refusal.
  std::string found(const project::Source& source) {
    const auto files = find_files(source, allowed());
    if (!files) return base::render(files.error());
    std::string names;
    for (const SourceFile& file : *files) {
      EXPECT_EQ(file.path, path(file.name));
      EXPECT_EQ(file.size, std::filesystem::file_size(file.path));
      names += (names.empty() ? "" : " ") + file.name;
    }
    return names;
  }

  std::string with_folder(std::string text) const {
    for (std::size_t at = text.find("HERE"); at != std::string::npos; at = text.find("HERE"))
      text.replace(at, 4, allowed().string());
    return text;
  }

  Result<Json> ingest(const project::Source& source, const Schema& raw, const std::string& csv) {
    return run(ingest_file, ingest_params(source, raw), {{"file", {write("data/a.csv", csv)}}});
  }

  // The refusal of rows that came by POST, or the rows.
  std::string arrived(const Schema& schema, const std::string& time, const std::string& lines) {
    const auto done =
        run(ingest_rows, ingest_rows_params(schema, time), {{"rows", {write("rows.jsonl", lines)}}});
    return done ? rows_of(output("part.parquet")) : base::render(done.error());
  }

  std::string schema_of(const project::Source& source, const Schema& raw) {
    const auto schema = source_schema(engine(), source, raw);
    return schema ? table::shown(*schema) : base::render(schema.error());
  }
};

TEST_F(Ingest, FindsTheFilesOfASourceSorted) {
  write("data/b.csv", "x\n");
  write("data/a.csv", "x\n1\n");
  write("data/c.txt", "");
  EXPECT_EQ(found(flights()), "data/a.csv data/b.csv");
}

TEST_F(Ingest, SaysWhereItLookedAndWhatIsThere) {
  project::Source source = flights();
  EXPECT_EQ(found(source), with_folder("trimtab.yaml:3:12: error: no file matches 'data/*.csv'\n"
                                       "   hint: there is no folder HERE/data"));
  std::filesystem::create_directory(path("data"));
  EXPECT_EQ(found(source), with_folder("trimtab.yaml:3:12: error: no file matches 'data/*.csv'\n"
                                       "   hint: HERE/data is empty"));
  for (const char* name : {"d.txt", "b.txt", "a.cvs", "c.txt"}) write(std::string("data/") + name, "");
  EXPECT_EQ(found(source), with_folder("trimtab.yaml:3:12: error: no file matches 'data/*.csv'\n"
                                       "   hint: HERE/data holds a.cvs, b.txt, c.txt and 1 more"));
}

TEST_F(Ingest, ThePlaceOfAProjectIsNoPattern) {
  const std::filesystem::path folder = path("a[b]*");
  write("a[b]*/data/a.csv", "x\n");
  const auto files = find_files(flights(), folder);
  ASSERT_TRUE(files) << base::render(files.error());
  EXPECT_EQ(files->front().name, "data/a.csv");
}

TEST_F(Ingest, SniffsAllFilesWithTheSourcesNullTokens) {
  const auto sniffed =
      run(sniff, sniff_params(flights()),
          {{"file", {write("data/a.csv", "x,y\n1,NA\n"), write("data/b.csv", "x,y\n,2.5\n")}}});
  ASSERT_TRUE(sniffed) << base::render(sniffed.error());
  EXPECT_EQ(sniffed->dump(), R"({"schema":[{"name":"x","type":"integer"},{"name":"y","type":"real"}]})");
}

TEST_F(Ingest, AFileBecomesAPartWithItsDeclaredColumns) {
  project::Source source = flights();
  source.time_zone = "America/New_York";
  source.columns = {{"sched_dep", "make_timestamp(year, 1, day, 6, 0, 0)", {}}, {"day", "day * 10", {}}};
  source.time = "sched_dep";
  const Schema raw({{"year", ColumnType::integer}, {"day", ColumnType::integer}});
  const auto done = ingest(source, raw, "year,day\n2013,5\n2013,NA\n2013,2\n");
  ASSERT_TRUE(done) << base::render(done.error());
  // The new columns see the day as it stood in the file.
  EXPECT_EQ(rows_of(output("part.parquet"), {"day", "sched_dep"}),
            "50 \"2013-01-05T11:00:00Z\"\nnull null\n20 \"2013-01-02T11:00:00Z\"\n");
  EXPECT_EQ((*done)["rows"], Json(3));
  EXPECT_EQ(base::format_time((*done)["time_min"].as_int()), "2013-01-02T11:00:00Z");
  EXPECT_EQ(base::format_time((*done)["time_max"].as_int()), "2013-01-05T11:00:00Z");
  EXPECT_EQ(table::shown(*Schema::from_json((*done)["schema"])), schema_of(source, raw).c_str());
}

TEST_F(Ingest, WithoutRowsThereIsNoSpanOfTimes) {
  project::Source source = flights();
  source.time = "t";
  const auto done = ingest(source, Schema({{"t", ColumnType::time}}), "t\n");
  ASSERT_TRUE(done) << base::render(done.error());
  EXPECT_EQ(done->dump(), R"({"rows":0,"schema":[{"name":"t","type":"time"}]})");
  EXPECT_EQ(rows_of(output("part.parquet")), "");
}

TEST_F(Ingest, TheSameFileMakesTheSameBytes) {
  const Schema raw({{"x", ColumnType::text}});
  std::string csv = "x\n";
  for (int i = 0; i < 6000; ++i) csv += "text " + std::to_string(i % 100) + "\n";
  ASSERT_TRUE(ingest(flights(), raw, csv));
  const std::string first = bytes_of(output("part.parquet"));
  ASSERT_TRUE(ingest(flights(), raw, csv));
  EXPECT_EQ(bytes_of(output("part.parquet")), first);
}

// A file of `good` rows and then some that cannot be read.
std::string mostly_good(int good, const std::string& bad) {
  std::string csv = "x,y\n";
  for (int row = 0; row < good; ++row) csv += std::to_string(row) + ",a\n";
  return csv + bad;
}
const Schema kNumberAndText({{"x", ColumnType::integer}, {"y", ColumnType::text}});

TEST_F(Ingest, RowsThatCannotBeReadLeaveWithTheirReasons) {
  const auto done = ingest(flights(), kNumberAndText, mostly_good(40, "\nmany,b\n40,c\n0.5,d\n"));
  ASSERT_TRUE(done) << base::render(done.error());
  EXPECT_EQ((*done)["rows"], Json(41));
  EXPECT_EQ((*done)["left"].dump(),
            R"({"rows":2,"set_aside":false,"message":"column 'x' wants a whole number, found 'many'",)"
            R"("line":43,"hint":"list the token under `nulls:`, or correct the row","first":[)"
            R"({"row":41,"line":43,"column":"x","value":"many",)"
            R"("why":"column 'x' wants a whole number, found 'many'"},)"
            R"({"row":43,"line":45,"column":"x","value":"0.5",)"
            R"("why":"column 'x' wants a whole number, found '0.5'"}]})");
  EXPECT_EQ(bytes_of(output("left.jsonl")), R"({"row":41,"line":43,"column":"x","value":"many",)"
                                            R"("why":"column 'x' wants a whole number, found 'many'"})"
                                            "\n"
                                            R"({"row":43,"line":45,"column":"x","value":"0.5",)"
                                            R"("why":"column 'x' wants a whole number, found '0.5'"})"
                                            "\n");
  EXPECT_TRUE(rows_of(output("part.parquet")).ends_with("39 \"a\"\n40 \"c\"\n"));
}

TEST_F(Ingest, AFileWithTooManyOfThemIsSetAside) {
  const auto done = ingest(flights(), kNumberAndText, mostly_good(19, "many,b\n\"m\nb\",b\n"));
  ASSERT_TRUE(done) << base::render(done.error());
  EXPECT_EQ((*done)["rows"], Json(0));
  EXPECT_EQ(rows_of(output("part.parquet")), "");
  EXPECT_TRUE((*done)["left"].bool_or("set_aside"));
  EXPECT_EQ((*done)["left"].text_or("message"),
            "2 of 21 rows cannot be read, more than the 5 % that may leave: column 'x' wants a whole number, "
            "found 'many'");
  EXPECT_EQ((*done)["left"].int_or("line"), 21);
}

TEST_F(Ingest, TheShareThatMayLeaveIsDeclared) {
  project::Source source = flights();
  source.bad_rows = 0.5;
  auto done = ingest(source, kNumberAndText, mostly_good(1, "many,b\n"));
  ASSERT_TRUE(done) << base::render(done.error());
  EXPECT_FALSE((*done)["left"].bool_or("set_aside"));
  source.bad_rows = 0;
  done = ingest(source, kNumberAndText, mostly_good(100, "many,b\n"));
  ASSERT_TRUE(done) << base::render(done.error());
  EXPECT_TRUE((*done)["left"].bool_or("set_aside"));
}

TEST_F(Ingest, AFileThatCannotBeReadAsAWholeIsSetAside) {
  const auto said = [&](const std::string& csv) {
    const auto done = ingest(flights(), kNumberAndText, csv);
    if (!done) return base::render(done.error());
    EXPECT_TRUE((*done)["left"].bool_or("set_aside"));
    EXPECT_EQ((*done)["rows"], Json(0));
    return std::to_string((*done)["left"].int_or("line")) + ": " + (*done)["left"].text_or("message");
  };
  EXPECT_EQ(said("x,z\n1,a\n"),
            "1: the header lacks 'y' and has 'z', which the source's other files do not have");
  EXPECT_EQ(said(mostly_good(100, "5\n")), "102: the row has 1 cells, but the header has 2");
  EXPECT_EQ(said(""), "0: the file is empty: not even a header");
}

TEST_F(Ingest, ARowForWhichADeclaredColumnFailsLeaves) {
  project::Source source = flights();
  source.bad_rows = 0.5;
  source.columns = {{"sched_dep", "make_timestamp(2013, month, 1, 0, 0, 0)", {"trimtab.yaml", 6, 9}}};
  const auto done = ingest(source, Schema({{"month", ColumnType::integer}}), "month\n1\n\n13\n");
  ASSERT_TRUE(done) << base::render(done.error());
  EXPECT_EQ((*done)["rows"], Json(1));
  EXPECT_EQ((*done)["left"].int_or("line"), 4);
  const std::string message = (*done)["left"].text_or("message");
  EXPECT_TRUE(message.find("'sched_dep'") != std::string::npos) << message;
}

TEST_F(Ingest, ARowOfParquetLeavesToo) {
  project::Source source = flights();
  source.bad_rows = 0.5;
  source.columns = {{"y", "CAST(x AS INTEGER)", {}}};
  const Schema raw({{"x", ColumnType::text}});
  const auto part = write_part("data/a.parquet", raw, {{"1"}, {"many"}});
  const auto done = run(ingest_file, ingest_params(source, raw), {{"file", {part}}});
  ASSERT_TRUE(done) << base::render(done.error());
  EXPECT_EQ((*done)["left"]["first"].as_array().front().int_or("row"), 2);
  EXPECT_EQ(rows_of(output("part.parquet")), "\"1\" 1\n");
}

TEST_F(Ingest, StopsOnRequestAndLeavesNothing) {
  stop_ = true;
  const auto done = ingest(flights(), Schema({{"x", ColumnType::integer}}), "x\n1\n");
  EXPECT_EQ(done.error().code, ErrorCode::cancelled);
  EXPECT_EQ(done.error().message, "stopped on request");
  EXPECT_FALSE(std::filesystem::exists(output("part.parquet")));
}

TEST_F(Ingest, ArrivedRowsBecomeAPart) {
  const Schema schema({{"t", ColumnType::time}, {"x", ColumnType::real}, {"s", ColumnType::text}});
  EXPECT_EQ(arrived(schema, "t", "{\"x\":1,\"t\":\"2013-01-05\"}\n{\"s\":\"a\",\"x\":null}"),
            "\"2013-01-05T00:00:00Z\" 1.0 null\nnull null \"a\"\n");
  EXPECT_EQ(arrived(schema, "t", ""), "");
}

TEST_F(Ingest, AnArrivedRowThatDoesNotFitIsNamedByItsNumber) {
  const Schema schema({{"x", ColumnType::integer}});
  EXPECT_EQ(arrived(schema, "", "{\"x\":1}\n{\"x\":\"many\"}\n{\"x\":2}\n"),
            "arrived rows:2: error: column 'x' wants integer, not \"many\"");
  EXPECT_EQ(arrived(schema, "", "{\"x\":1}\n[1]\n"), "arrived rows:2: error: a row is an object");
  EXPECT_TRUE(arrived(schema, "", "{\"x\":\n").starts_with("arrived rows:1: error: "));
  std::string lines;
  for (int i = 0; i < 2100; ++i) lines += "{\"x\":1}\n";
  EXPECT_EQ(arrived(schema, "", lines + "{\"x\":0.5}\n"),
            "arrived rows:2101: error: column 'x' wants integer, not 0.5");
}

TEST_F(Ingest, TheSchemaHasTheDeclaredColumns) {
  project::Source source = flights();
  source.columns = {{"y", "x > 1", {}}, {"x", "x / 2", {}}};
  EXPECT_EQ(schema_of(source, Schema({{"x", ColumnType::integer}})), "x: real, y: boolean");
}

TEST_F(Ingest, EverythingThatIsWrongIsSaidAtOnce) {
  project::Source source = flights();
  source.columns = {{"a", "z + 1", {"trimtab.yaml", 5, 10}},
                    {"b", "getenv('HOME')", {"trimtab.yaml", 6, 10}},
                    {"c", "read_text('/etc/passwd')", {"trimtab.yaml", 7, 10}},
                    {"__d", "x", {"trimtab.yaml", 8, 10}}};
  source.time = "tme";
  const Schema raw({{"x", ColumnType::integer}, {"__row", ColumnType::integer}, {"time", ColumnType::time}});
  EXPECT_EQ(schema_of(source, raw),
            "error: 6 errors\n"
            "trimtab.yaml:3:12: error: a file has a column '__row'; names that start with '__' are ours\n"
            "   hint: rename it in the files\n"
            "trimtab.yaml:4:11: error: 'tme' is no column of source 'flights'\n"
            "   hint: did you mean 'time'?\n"
            "trimtab.yaml:5:10: error: 'z' is no column here\n"
            "   hint: did you mean 'x'? the columns are x, __row, time\n"
            "trimtab.yaml:6:10: error: the function 'getenv' is not allowed in an expression\n"
            "   hint: docs/expressions.md lists the functions that are\n"
            "trimtab.yaml:7:10: error: the function 'read_text' is not allowed in an expression\n"
            "   hint: docs/expressions.md lists the functions that are\n"
            "trimtab.yaml:8:10: error: names that start with '__' are ours\n"
            "   hint: give '__d' another one");
}

TEST_F(Ingest, TheTimeColumnIsATime) {
  project::Source source = flights();
  source.time = "hour";
  EXPECT_EQ(schema_of(source, Schema({{"hour", ColumnType::integer}})),
            "trimtab.yaml:4:11: error: the time column 'hour' is integer, not a time\n"
            "   hint: make one under `columns:`, as in make_timestamp(year, month, day, 0, 0, 0)");
}

TEST_F(Ingest, OfATimeWhoseExpressionIsWrongOnlyThatIsSaid) {
  project::Source source = flights();
  source.columns = {{"at", "make_timestamp(yer, 1, 1, 0, 0, 0)", {"trimtab.yaml", 5, 10}}};
  source.time = "at";
  const std::string said = schema_of(source, Schema({{"year", ColumnType::integer}}));
  EXPECT_EQ(said.find("no column of source"), std::string::npos) << said;
  EXPECT_NE(said.find("'yer'"), std::string::npos) << said;
}

}  // namespace
}  // namespace trimtab::ingest
