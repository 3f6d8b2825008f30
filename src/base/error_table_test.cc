#include "base/error_table.h"

#include <gtest/gtest.h>
#include <set>
#include <string>

namespace trimtab::base {
namespace {

// The table is looked up by position, so a row out of place would give every later code its neighbour's
// status.
TEST(ErrorTable, EveryRowStandsAtItsCode) {
  for (const ErrorRow& row : error_table()) {
    EXPECT_EQ(error_row(row.code).name, row.name);
  }
  EXPECT_EQ(error_table().size(), static_cast<std::size_t>(ErrorCode::internal) + 1)
      << "internal is the last";
}

TEST(ErrorTable, NamesAreUniqueAndNumbersAreErrors) {
  std::set<std::string_view> names;
  for (const ErrorRow& row : error_table()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_GE(row.http_status, 400) << row.name;
    EXPECT_LT(row.http_status, 600) << row.name;
    EXPECT_GT(row.exit_code, 0) << row.name;
    EXPECT_FALSE(row.mlflow_code.empty()) << row.name;
  }
}

}  // namespace
}  // namespace trimtab::base
