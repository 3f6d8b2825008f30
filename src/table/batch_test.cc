#include "table/batch.h"

#include <gtest/gtest.h>
#include <limits>
#include <rapidcheck/gtest.h>
#include <utility>

#include "table/random_rows_test.h"

namespace trimtab::table {
namespace {

RC_GTEST_PROP(BatchProperty, ReadsBackWhatWasWritten, ()) {
  Batch batch(all_types());
  // The same batch again and again: nothing of what was in it before may show.
  for (int round = 0; round < 3; ++round) {
    std::vector<Row> rows = any_rows(80);
    write_rows(batch, rows, 0, rows.size());
    RC_ASSERT(batch.rows() == static_cast<int>(rows.size()));
    for (std::size_t row = 0; row < rows.size(); ++row) {
      RC_ASSERT(read_row(batch, static_cast<int>(row)) == rows[row]);
    }
  }
}

RC_GTEST_PROP(BatchProperty, CellsOutliveTheWayThroughJson, ()) {
  std::vector<Row> rows = any_rows(20);
  Batch batch(all_types());
  write_rows(batch, rows, 0, rows.size());
  Batch copy(all_types());
  copy.reset(batch.rows());
  for (int row = 0; row < batch.rows(); ++row) {
    for (int column = 0; column < batch.schema().size(); ++column) {
      Json json = *base::parse_json(batch.cell_json(column, row).dump());
      RC_ASSERT(copy.set_cell_json(column, row, json).has_value());
      RC_ASSERT(read_cell(copy, column, row) == read_cell(batch, column, row));
    }
  }
}

// In any order, some of them twice, into a part of a batch whose other rows stay as they are.
RC_GTEST_PROP(BatchProperty, RowsCopiedTogetherAreThoseCopiedCellByCell, ()) {
  const std::vector<Row> rows = any_rows(80);
  Batch from(all_types());
  write_rows(from, rows, 0, rows.size());
  std::vector<int> picked;
  if (!rows.empty()) {
    const int end = static_cast<int>(rows.size());
    picked = *rc::gen::resize(100, rc::gen::container<std::vector<int>>(rc::gen::inRange(0, end)));
  }
  const std::vector<Row> around = random_rows(picked.size() + 5, 7);
  Batch to(all_types());
  write_rows(to, around, 0, around.size());
  for (int column = 0; column < 5; ++column) to.copy_rows(column, 2, from, column, picked);
  for (std::size_t row = 0; row < around.size(); ++row) {
    const bool is_copied = row >= 2 && row < picked.size() + 2;
    const Row& expected = is_copied ? rows[static_cast<std::size_t>(picked[row - 2])] : around[row];
    RC_ASSERT(read_row(to, static_cast<int>(row)) == expected);
  }
}

TEST(Batch, CopiedTextsOutliveTheBatchTheyCameFrom) {
  Batch to(all_types());
  to.reset(1);
  {
    Batch from(all_types());
    from.reset(1);
    from.set_text(3, 0, "a text that is longer than a short one");
    to.copy_column(3, from, 3);
  }
  EXPECT_EQ(to.text(3, 0), "a text that is longer than a short one");
}

TEST(Batch, AValueTakesThePlaceOfANull) {
  Batch batch(all_types());
  batch.reset(70);
  for (int row = 0; row < 70; ++row) batch.set_null(1, row);
  batch.set_integer(1, 69, 7);
  EXPECT_TRUE(batch.is_null(1, 68));
  EXPECT_FALSE(batch.is_null(1, 69));
  EXPECT_EQ(batch.integer(1, 69), 7);
  batch.set_null(1, 69);
  EXPECT_TRUE(batch.is_null(1, 69));
}

TEST(Batch, KeepsItsCellsWhenItMoves) {
  Batch batch(all_types());
  batch.reset(1);
  batch.set_text(3, 0, "a text that is longer than a short one");
  Batch other = std::move(batch);
  EXPECT_EQ(other.text(3, 0), "a text that is longer than a short one");
}

TEST(Batch, HoldsNothingButText) {
  Batch batch(all_types());
  batch.reset(1);
  batch.set_text(3, 0, "caf\xE9 au lait");
  EXPECT_EQ(batch.text(3, 0), "caf\uFFFD au lait");
}

TEST(Batch, MayHaveNoColumnsOrNoRows) {
  Batch nothing;
  EXPECT_EQ(nothing.rows(), 0);
  nothing.reset(3);
  EXPECT_EQ(nothing.rows(), 3);
  Batch empty(all_types());
  empty.reset(0);
  EXPECT_EQ(empty.rows(), 0);
}

TEST(Batch, TakesNumbersFromJsonWhenNothingIsLost) {
  Batch batch(all_types());
  batch.reset(1);
  EXPECT_TRUE(batch.set_cell_json(2, 0, Json(3)));
  EXPECT_EQ(batch.real(2, 0), 3.0);
  EXPECT_TRUE(batch.set_cell_json(1, 0, Json(3.0)));
  EXPECT_EQ(batch.integer(1, 0), 3);
  EXPECT_TRUE(batch.set_cell_json(4, 0, Json("2013-01-01T05:00:00-05:00")));
  EXPECT_EQ(batch.cell_json(4, 0), Json("2013-01-01T10:00:00Z"));
}

TEST(Batch, SaysWhichColumnWantsWhatAndGotWhat) {
  Batch batch(all_types());
  batch.reset(1);
  auto refusal = [&](int column, const Json& value) {
    Status set = batch.set_cell_json(column, 0, value);
    EXPECT_FALSE(set);
    return set ? "" : set.error().message;
  };
  EXPECT_EQ(refusal(0, Json(1)), "column 'b' wants boolean, not 1");
  EXPECT_EQ(refusal(1, Json("7")), "column 'i' wants integer, not \"7\"");
  EXPECT_EQ(refusal(1, Json(0.5)), "column 'i' wants integer, not 0.5");
  EXPECT_EQ(refusal(1, Json(1e300)), "column 'i' wants integer, not 1e+300");
  EXPECT_EQ(refusal(2, Json(true)), "column 'r' wants real, not true");
  EXPECT_EQ(refusal(3, Json(5)), "column 's' wants text, not 5");
  EXPECT_EQ(refusal(4, Json("soon")), "column 't' wants time, not \"soon\"");
  EXPECT_EQ(refusal(3, Json::array()), "column 's' wants text, not []");
  EXPECT_LT(refusal(0, Json(std::string(1000, 'x'))).size(), 130u);
}

TEST(BatchDeathTest, StopsAtACellThatIsNotThere) {
  Batch batch(all_types());
  batch.reset(1);
  batch.set_integer(1, 0, 5);
  batch.set_null(2, 0);
  EXPECT_DEATH(batch.real(1, 0), "type == type");
  EXPECT_DEATH(batch.real(2, 0), "has_value");
  EXPECT_DEATH(batch.integer(1, 1), "row < rows");
  EXPECT_DEATH(batch.integer(5, 0), "column");
  EXPECT_DEATH(batch.reset(kBatchRowsMax + 1), "kBatchRowsMax");
}

}  // namespace
}  // namespace trimtab::table
