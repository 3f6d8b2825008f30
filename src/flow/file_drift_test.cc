#include "flow/file_drift.h"

#include <cmath>
#include <gtest/gtest.h>

#include "table/operation_fixture_test.h"

namespace trimtab::flow {
namespace {

using table::ColumnType;

class FileDrift : public table::OperationFixture {
 protected:
  // 2,000 rows: x from `shift` to `shift` + 1999, places in turn, a time a minute.
  std::filesystem::path file(const std::string& name, int shift, const std::vector<std::string>& places) {
    std::vector<table::CellList> cells;
    for (int i = 0; i < 2000; ++i) {
      const std::string& place = places[static_cast<std::size_t>(i) % places.size()];
      cells.push_back({i + shift, place.empty() ? Json() : Json(place)});
    }
    return write_part(name, table::Schema({{"x", ColumnType::integer}, {"place", ColumnType::text}}), cells);
  }
  Result<Json> compare(const std::filesystem::path& reference, const std::filesystem::path& current) {
    return compare_files(*engine_, reference, current);
  }
};

TEST_F(FileDrift, SaysWhichColumnMoved) {
  const auto march = file("march.parquet", 0, {"JFK", "LGA"});
  const auto report = compare(march, file("april.parquet", 500, {"JFK", "LGA"}));
  ASSERT_TRUE(report) << base::render(report.error());
  EXPECT_EQ(report->int_or("rows"), 2000);
  const auto& columns = (*report)["columns"].as_array();
  EXPECT_EQ(columns[0].text_or("name") + " " + columns[0].text_or("verdict"), "x moved");
  EXPECT_NEAR(columns[0].double_or("mean"), 1499.5, 1e-6);
  EXPECT_NEAR(columns[0]["statistics"]["kolmogorov_smirnov"].double_or("value"), 0.25, 1e-9);
  EXPECT_EQ(columns[1].text_or("name") + " " + columns[1].text_or("verdict"), "place same");
}

TEST_F(FileDrift, OfAFileWithItselfIsNothing) {
  const auto march = file("march.parquet", 0, {"JFK", "LGA", ""});
  const auto report = compare(march, march);
  ASSERT_TRUE(report) << base::render(report.error());
  for (const Json& column : (*report)["columns"].as_array()) {
    EXPECT_EQ(column.text_or("verdict"), "same");
    EXPECT_EQ(column["statistics"]["jensen_shannon"].double_or("value"), 0);
  }
}

TEST_F(FileDrift, UnseenTextsAndNullsAreCounted) {
  const auto report =
      compare(file("march.parquet", 0, {"JFK", "LGA"}), file("april.parquet", 0, {"JFK", "LGA", "SWF", ""}));
  ASSERT_TRUE(report) << base::render(report.error());
  std::string risen;
  for (const Json& item : (*report)["audit"].as_array())
    risen += item.text_or("column") + " " + item.text_or("what") + " " + item.text_or("verdict") + "; ";
  EXPECT_EQ(risen, "place nulls risen; place unseen risen; ");
}

TEST_F(FileDrift, WhatCannotBeComparedIsNamed) {
  const auto one = write_part(
      "one.parquet",
      table::Schema({{"x", ColumnType::integer}, {"y", ColumnType::text}, {"old", ColumnType::text}}),
      std::vector<table::CellList>(50, {1, "a", "b"}));
  const auto two = write_part(
      "two.parquet",
      table::Schema({{"x", ColumnType::real}, {"y", ColumnType::integer}, {"new", ColumnType::text}}),
      std::vector<table::CellList>(50, {1.0, 2, "b"}));
  const auto report = compare(one, two);
  ASSERT_TRUE(report) << base::render(report.error());
  ASSERT_EQ((*report)["columns"].as_array().size(), 1U)
      << "a whole number and one with a fraction are numbers";
  EXPECT_EQ((*report)["columns"].as_array()[0].text_or("verdict"), "same") << "a constant, then and now";
  EXPECT_EQ((*report)["not_compared"].dump(),
            R"([{"name":"y","why":"text, now integer"},{"name":"old","why":"only in the reference"},)"
            R"({"name":"new","why":"not in the reference"}])");
}

TEST_F(FileDrift, RowByRowHasWhatBinsCannotSay) {
  const auto march = file("march.parquet", 0, {"JFK", "LGA"});
  const auto report = compare_files(*engine_, march, file("april.parquet", 500, {"JFK", "LGA"}), true);
  ASSERT_TRUE(report) << base::render(report.error());
  const Json& samples = (*report)["row_by_row"]["samples"];
  ASSERT_EQ(samples["columns"].as_array().size(), 1U);
  const Json& x = samples["columns"].as_array()[0];
  EXPECT_NEAR(x["kolmogorov_smirnov"].double_or("value"), 0.25, 1e-9);
  EXPECT_NEAR(x["wasserstein"].double_or("value"), 500 / std::sqrt(2000.0 * 2001 / 12), 1e-9);
  EXPECT_EQ(samples["whole_rows"].text_or("verdict"), "apart");
}

TEST_F(FileDrift, FilesWithNothingInCommonAreRefused) {
  const auto other = write_part("other.parquet", table::Schema({{"x", ColumnType::text}}), {{"a"}});
  const auto march = file("march.parquet", 0, {"JFK"});
  EXPECT_EQ(compare(march, other).error().message,
            "the two files have no column of one name and type in common");
  EXPECT_EQ(compare(march, march.parent_path() / "none.parquet").error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace trimtab::flow
