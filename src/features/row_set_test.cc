#include "features/row_set.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "table/operation_fixture_test.h"
#include "table/random_rows_test.h"

namespace trimtab::features {
namespace {

using table::CellList;
using table::ColumnType;
using table::Schema;

class RowSetTest : public table::OperationFixture {
 protected:
  static bool go_on(std::int64_t) { return true; }

  static Schema schema() { return Schema({{"x", ColumnType::integer}, {"__row", ColumnType::integer}}); }

  RowSet read(const std::vector<std::vector<CellList>>& parts) {
    Paths paths;
    for (const auto& rows : parts)
      paths.push_back(write_part("p" + std::to_string(paths.size()) + ".parquet", schema(), rows));
    Result<RowSet> set = RowSet::read(engine(), paths, go_on);
    EXPECT_TRUE(set) << base::render(set.error());
    return set ? std::move(*set) : RowSet();
  }

  static std::string text(const RowSet& set) {
    std::string text;
    for (const table::Batch& batch : set.batches()) text += table::shown(batch);
    return text;
  }
};

TEST_F(RowSetTest, EveryRowKnowsItsPart) {
  const RowSet set = read({{{1, 0}, {2, 1}}, {}, {{3, 0}}});
  EXPECT_EQ(set.rows(), 3);
  EXPECT_EQ(table::shown(set.schema()), "x: integer, __row: integer, __origin: integer");
  EXPECT_EQ(text(set), "1 0 0\n2 1 0\n3 0 2\n");
}

TEST_F(RowSetTest, OriginAndNumberPassEveryStage) {
  const RowSet set = read({{{1, 0}, {2, 1}}, {{3, 0}}});
  const auto passed = set.through(engine(),
                                  {table::DeriveStage{{{"y", "x * 10", {}}}},
                                   table::FilterStage{{"", "x > 1", {}}}, table::SelectStage{{"y"}}},
                                  "UTC");
  ASSERT_TRUE(passed) << base::render(passed.error());
  EXPECT_EQ(table::shown(passed->schema()), "y: integer, __origin: integer, __row: integer");
  EXPECT_EQ(text(*passed), "20 0 1\n30 1 0\n");
}

TEST_F(RowSetTest, AStageThatFailsIsAnError) {
  const auto failed = read({{{1, 0}}}).through(engine(), {table::DeriveStage{{{"y", "z", {}}}}}, "UTC");
  EXPECT_EQ(failed.error().code, ErrorCode::invalid);
}

TEST_F(RowSetTest, PicksRowsInTheOrderNamed) {
  std::vector<CellList> rows;
  std::string turned;
  for (int i = 0; i < 5000; ++i) {
    rows.push_back({i, i});
    turned = std::to_string(i) + " " + std::to_string(i) + " 0\n" + turned;
  }
  const RowSet set = read({rows});
  std::vector<RowPlace> places = set.places();
  std::reverse(places.begin(), places.end());
  EXPECT_EQ(text(set.pick(places)), turned);
  EXPECT_EQ(set.pick({}).rows(), 0);
}

TEST_F(RowSetTest, StopsOnRequest) {
  const auto part = write_part("p.parquet", schema(), {{1, 0}});
  EXPECT_EQ(RowSet::read(engine(), {part}, [](std::int64_t) { return false; }).error().code,
            ErrorCode::cancelled);
}

// Two rows have one key when, and only when, their cells are equal.
TEST_F(RowSetTest, KeysAreEqualForEqualCellsAlone) {
  const bool holds = rc::check([this] {
    const std::vector<table::Row> rows = table::any_rows(12);
    Paths paths;
    auto writer = *table::ParquetWriter::create(engine(), path("k.parquet"), table::all_types());
    table::Batch batch(table::all_types());
    table::write_rows(batch, rows, 0, rows.size());
    RC_ASSERT(writer->append(batch).has_value());
    RC_ASSERT(writer->finish().has_value());
    const auto set = RowSet::read(engine(), {path("k.parquet")}, go_on);
    RC_ASSERT(set.has_value());
    const std::vector<RowPlace> places = set->places();
    for (const RowPlace a : places) {
      for (const RowPlace b : places) {
        for (const std::vector<int>& columns :
             {std::vector<int>{1, 3}, std::vector<int>{0}, std::vector<int>{3, 4}}) {
          bool equal = true;
          for (const int column : columns) {
            equal = equal && read_cell(set->batches()[0], column, a.row) ==
                                 read_cell(set->batches()[0], column, b.row);
          }
          RC_ASSERT((set->key(a, columns) == set->key(b, columns)) == equal);
        }
      }
    }
  });
  EXPECT_TRUE(holds);
}

}  // namespace
}  // namespace trimtab::features
