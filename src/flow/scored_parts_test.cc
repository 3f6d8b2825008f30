#include "flow/scored_parts.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "store/scratch_folder.h"

namespace trimtab::flow {
namespace {

namespace fs = std::filesystem;

const table::Schema kSchema({{"a", table::ColumnType::integer}, {"prediction", table::ColumnType::real}});

class ScoredPartsTest : public testing::TestWithParam<const char*> {
 protected:
  // Two files of batches; stops behind `batches_max` of them, as a kill would.
  std::string score(const fs::path& folder, int batches_max = 1000, std::int64_t* found = nullptr) {
    const auto parts = ScoredParts::open(*engine_, folder / "parts", GetParam(), kSchema, 10).value();
    int batches = 0;
    for (const int rows : {35, 7}) {
      if (parts->begin_file().value()) continue;
      for (int first = 0; first < rows; first += 4) {
        if (batches++ == batches_max) return "";
        const int count = std::min(4, rows - first);
        if (parts->is_there()) {
          EXPECT_TRUE(parts->pass_over(count));
          continue;
        }
        table::Batch batch(kSchema);
        batch.reset(count);
        for (int row = 0; row < count; ++row) {
          batch.set_integer(0, row, 100 * rows + first + row);
          batch.set_real(1, row, 0.1 * (first + row));
        }
        EXPECT_TRUE(parts->append(batch));
      }
      EXPECT_TRUE(parts->end_file());
    }
    if (found != nullptr) *found = parts->rows_found();
    const fs::path output = folder / (std::string("out") + GetParam());
    EXPECT_TRUE(parts->assemble(output));
    return base::read_file(output).value();
  }

  store::ScratchFolder scratch_;
  std::unique_ptr<table::Engine> engine_ =
      table::Engine::open({.folders_allowed = {scratch_.path().string()}}).value();
};

TEST_P(ScoredPartsTest, WhereverItIsInterruptedTheBytesAreTheSame) {
  const std::string whole = score(scratch_ / "whole");
  ASSERT_FALSE(whole.empty());
  for (int batches = 0; batches <= 11; ++batches) {
    const fs::path folder = scratch_ / std::to_string(batches);
    score(folder, batches);
    std::int64_t found = -1;
    EXPECT_EQ(score(folder, 1000, &found), whole);
    // A part ends with the batch that fills it: the third, the sixth, … and the last one of a file.
    EXPECT_EQ(found, batches >= 11 ? 42 : batches >= 9 ? 35 : batches / 3 * 12) << batches;
  }
}

TEST_P(ScoredPartsTest, OfNoRowsThereIsAnEmptyFile) {
  const auto parts = ScoredParts::open(*engine_, scratch_ / "parts", GetParam(), kSchema).value();
  EXPECT_EQ(parts->begin_file().value(), std::nullopt);
  EXPECT_TRUE(parts->end_file());
  const fs::path output = scratch_ / (std::string("out") + GetParam());
  EXPECT_TRUE(parts->assemble(output));
  if (std::string(GetParam()) == ".csv") {
    EXPECT_EQ(base::read_file(output).value(), "a,prediction\n");
  }
}

INSTANTIATE_TEST_SUITE_P(Flow, ScoredPartsTest, testing::Values(".csv", ".parquet"));

}  // namespace
}  // namespace trimtab::flow
