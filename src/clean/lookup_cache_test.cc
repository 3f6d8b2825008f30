#include "clean/lookup_cache.h"

#include "clean/recipe_fixture_test.h"

namespace trimtab::clean {
namespace {

class LookupCacheTest : public RecipeFixture {};

const table::LookupSpec kSpec = {"weather", {"origin"}, {"station"}, "sched_dep", "time_hour", 0, {"temp"}};

TEST_F(LookupCacheTest, WhatWasLoadedIsKeptUntilItsFilesChange) {
  const table::Schema& schema = sources().at("weather");
  const auto part = write_part("w.parquet", schema, {report("10:00", 1)});
  const auto first = load_lookup(engine(), kSpec, schema, {part});
  ASSERT_TRUE(first) << base::render(first.error());
  EXPECT_EQ((*first)->rows(), 1);
  EXPECT_EQ(*load_lookup(engine(), kSpec, schema, {part}), *first);

  table::LookupSpec other = kSpec;
  other.select = {"sky"};
  EXPECT_NE(*load_lookup(engine(), other, schema, {part}), *first);
  write_part("w.parquet", schema, {report("10:00", 1), report("11:00", 2)});
  EXPECT_EQ((*load_lookup(engine(), kSpec, schema, {part}))->rows(), 2);
}

TEST_F(LookupCacheTest, WithoutFilesItIsEmpty) {
  EXPECT_EQ((*load_lookup(engine(), kSpec, sources().at("weather"), {}))->rows(), 0);
}

TEST_F(LookupCacheTest, AFileThatIsGoneIsAnErrorAndNotKept) {
  EXPECT_FALSE(load_lookup(engine(), kSpec, sources().at("weather"), {path("later.parquet")}));
  const auto part = write_part("later.parquet", sources().at("weather"), {report("10:00", 1)});
  EXPECT_TRUE(load_lookup(engine(), kSpec, sources().at("weather"), {part}));
}

}  // namespace
}  // namespace trimtab::clean
