#include "ingest/csv_file.h"

#include <gtest/gtest.h>

#include "table/operation_fixture_test.h"

namespace trimtab::ingest {
namespace {

TEST(FileKind, IsToldByTheEnding) {
  EXPECT_EQ(kind_of("a.csv"), FileKind::csv);
  EXPECT_EQ(kind_of("a.CSV.GZ"), FileKind::csv);
  EXPECT_EQ(kind_of("a.tsv"), FileKind::csv);
  EXPECT_EQ(kind_of("a.Parquet"), FileKind::parquet);
  EXPECT_EQ(kind_of("a.pq"), FileKind::parquet);
}

TEST(FileKind, WhatCannotBeReadSaysWhatToDo) {
  const auto refusal = [](const std::string& path) { return base::render(kind_of(path).error()); };
  EXPECT_EQ(refusal("data/a.zip"),
            "data/a.zip: error: a file that ends in '.zip' cannot be read\n"
            "   hint: unpack it; of packed files Trimtab reads .csv.gz alone");
  EXPECT_EQ(refusal("data/a.XLSX"),
            "data/a.XLSX: error: a file that ends in '.xlsx' cannot be read\n"
            "   hint: write it as CSV or Parquet");
  EXPECT_EQ(refusal("data/a.json.gz"),
            "data/a.json.gz: error: a file that ends in '.json' cannot be read\n"
            "   hint: write it as CSV or Parquet");
}

TEST(ShortName, IsTheFolderAndTheFile) {
  EXPECT_EQ(short_name("/home/x/data/flights/2013-01-01.csv"), "flights/2013-01-01.csv");
  EXPECT_EQ(short_name("a.csv"), "a.csv");
}

class CsvFile : public table::OperationFixture {
 protected:
  // The names of the header between signs of the delimiter that was found; or the refusal.
  std::string header(const std::string& text) {
    const Result<CsvHeader> header = read_header(engine(), write("data/a.csv", text));
    if (!header) return base::render(header.error());
    std::string shown;
    for (const std::string& name : header->names) shown += (shown.empty() ? "" : " ") + name;
    return shown + " by '" + header->delimiter + "'";
  }
};

TEST_F(CsvFile, TheHeaderTellsTheDelimiter) {
  EXPECT_EQ(header("a,b,c\n1,2,3\n"), "a b c by ','");
  EXPECT_EQ(header("a;b;c\n1,5;2;3\n"), "a b c by ';'");
  EXPECT_EQ(header("a\tb\n"), "a b by '\t'");
  EXPECT_EQ(header("a|b\n"), "a b by '|'");
  EXPECT_EQ(header("one\n1\n"), "one by ','");
  EXPECT_EQ(header("a;b,c;d\n"), "a b,c d by ';'");
}

TEST_F(CsvFile, TheHeaderIsReadWhateverWroteIt) {
  EXPECT_EQ(header("\xEF\xBB\xBF"
                   "a,b\r\n1,2\r\n"),
            "a b by ','");
  EXPECT_EQ(header("\"a,1\",\"b\"\"2\"\n"), "a,1 b\"2 by ','");
  EXPECT_EQ(header("a,,c\n"), "a column1 c by ','");
  EXPECT_EQ(header("größe,日本\n"), "größe 日本 by ','");
  EXPECT_EQ(header("a,b"), "a b by ','");
}

TEST_F(CsvFile, AHeaderThatCannotBeUnderstoodIsRefused) {
  EXPECT_EQ(header(""),
            "data/a.csv: error: the file is empty: not even a header\n"
            "   hint: write the header line, or remove the file");
  EXPECT_EQ(header("a,b,A\n"),
            "data/a.csv:1: error: the header has the column 'A' twice\n   hint: rename one of them");
  EXPECT_EQ(header("a,\"b\nc\"\n1,2\n"),
            "data/a.csv:1: error: a quote is opened in the header and not closed on its line\n"
            "   hint: names of columns stand on one line");
  EXPECT_EQ(header("caf\xE9,b\n1,2\n"),
            "data/a.csv:1: error: the file is not in UTF-8\n"
            "   hint: convert it, as with `iconv -f latin1 -t utf-8`");
}

TEST_F(CsvFile, AFileThatIsGoneIsNotFound) {
  const auto header = read_header(engine(), path("data/gone.csv"));
  EXPECT_EQ(header.error().code, ErrorCode::not_found);
  EXPECT_EQ(header.error().message, "cannot read data/gone.csv");
}

TEST_F(CsvFile, ATableHasTheRowsOfItsFilesAsTheyStand) {
  const auto a = write("a.csv", "x,y\n1,\n\"\",NULL\n");
  const auto b = write("b.csv", "x,y\n\"a \"\"b\"\"\nc\", d\n");
  const CsvHeader header = *read_header(engine(), a);
  std::string rows;
  const Status read =
      engine().query("SELECT * FROM " + csv_table(header, {b, a}), [&](const table::Batch& batch) -> Status {
        rows += table::shown(batch);
        return {};
      });
  ASSERT_TRUE(read) << base::render(read.error());
  EXPECT_EQ(rows, "\"a \\\"b\\\"\\nc\" \" d\"\n\"1\" \"\"\n\"\" \"NULL\"\n");
}

TEST_F(CsvFile, ARowsLineCountsHeaderBlankLinesAndQuotedBreaks) {
  const auto file = write("a.csv", "x,y\n1,2\n\n\"two\nlines\",3\n4,5\n");
  EXPECT_EQ(line_of_row(engine(), file, 0), 2);
  EXPECT_EQ(line_of_row(engine(), file, 1), 4);
  EXPECT_EQ(line_of_row(engine(), file, 2), 6);
  EXPECT_EQ(line_of_row(engine(), file, 3), 0);
}

}  // namespace
}  // namespace trimtab::ingest
