#include "serve/lookups.h"

#include <gtest/gtest.h>

#include "store/scratch_folder.h"
#include "table/parquet.h"

namespace trimtab::serve {
namespace {

using table::ColumnType;

const table::Schema kPlanes({{"tailnum", ColumnType::text}, {"seats", ColumnType::integer}});

table::Batch planes(const std::string& tailnum, int seats) {
  table::Batch batch(kPlanes);
  batch.reset(1);
  batch.set_text(0, 0, tailnum);
  batch.set_integer(1, 0, seats);
  return batch;
}

model::Recipe recipe(const std::string& column = "seats") {
  model::Recipe made;
  table::LookupSpec spec;
  spec.table = "planes";
  spec.left_keys = spec.right_keys = {"tailnum"};
  spec.select = {column};
  made.stages = {table::LookupStage{spec}};
  made.joined = {{0, "planes", kPlanes}};
  return made;
}

class LookupsTest : public testing::Test {
 protected:
  LookupsTest() {
    table::EngineOptions options;
    options.folders_allowed = {scratch_.path().string()};
    engine_ = table::Engine::open(options).value();
    auto writer = table::ParquetWriter::create(*engine_, scratch_ / "planes.parquet", kPlanes).value();
    CHECK(writer->append(planes("N1", 100)).has_value() && writer->finish().has_value());
  }
  // The seats of an aircraft, "null" when it is not known.
  static std::string seats(const table::LookupTables& tables, const std::string& tailnum) {
    table::Batch out(table::Schema({{"seats", ColumnType::integer}}));
    out.reset(1);
    CHECK(tables.at("0")->find(planes(tailnum, 0), out, 0).has_value());
    return out.cell_json(0, 0).dump();
  }

  store::ScratchFolder scratch_;
  std::unique_ptr<table::Engine> engine_;
  int asked_ = 0;
  Lookups::PartFiles files_ =
      [this](const std::string& source) -> Result<std::vector<std::filesystem::path>> {
    ++asked_;
    if (source != "planes") return fail(ErrorCode::not_found, "no source " + source);
    return std::vector<std::filesystem::path>{scratch_ / "planes.parquet"};
  };
};

TEST_F(LookupsTest, AreLoadedOnceFromTheSnapshot) {
  Lookups lookups(*engine_, files_);
  const table::LookupTables tables = lookups.for_recipe(recipe()).value();
  EXPECT_EQ(seats(tables, "N1"), "100");
  EXPECT_EQ(seats(tables, "N2"), "null");
  EXPECT_EQ(lookups.for_recipe(recipe()).value().at("0"), tables.at("0")) << "one index serves both recipes";
  EXPECT_EQ(asked_, 1);
}

TEST_F(LookupsTest, RowsThatArriveAreSeenByWhoJoinsTheirSource) {
  Lookups lookups(*engine_, files_);
  const table::LookupTables tables = lookups.for_recipe(recipe()).value();
  ASSERT_TRUE(lookups.append("weather", planes("N1", 1), 5));
  EXPECT_EQ(seats(tables, "N1"), "100") << "of another source";
  ASSERT_TRUE(lookups.append("planes", planes("N2", 200), 5));
  ASSERT_TRUE(lookups.append("planes", planes("N1", 150), 6));
  EXPECT_EQ(seats(tables, "N2"), "200");
  EXPECT_EQ(seats(tables, "N1"), "150") << "the last row of a key counts";
}

TEST_F(LookupsTest, ARefusalOfTheFilesOrOfTheJoinIsPassedOn) {
  Lookups lookups(*engine_, files_);
  model::Recipe unknown = recipe();
  unknown.joined[0].source = "plains";
  EXPECT_EQ(lookups.for_recipe(unknown).error().message, "no source plains");
  EXPECT_EQ(lookups.for_recipe(recipe("wings")).error().code, ErrorCode::invalid);
  EXPECT_TRUE(lookups.for_recipe(recipe())) << "a refusal leaves nothing behind";
}

}  // namespace
}  // namespace trimtab::serve
