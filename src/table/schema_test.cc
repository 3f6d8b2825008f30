#include "table/schema.h"

#include <gtest/gtest.h>

namespace trimtab::table {
namespace {

Schema flights() {
  return Schema(
      {{"carrier", ColumnType::text}, {"Distance", ColumnType::integer}, {"late", ColumnType::boolean}});
}

TEST(Schema, ComparesNamesWithoutCase) {
  EXPECT_EQ(flights().find("DISTANCE"), 1);
  EXPECT_EQ(flights().find("distance "), std::nullopt);
  EXPECT_EQ(flights().find(""), std::nullopt);
  EXPECT_EQ(Schema().find("x"), std::nullopt);
}

TEST(Schema, SetReplacesInPlaceOrAppends) {
  Schema schema = flights();
  schema.set({"distance", ColumnType::real});
  schema.set({"origin", ColumnType::text});
  EXPECT_EQ(schema.names(), (std::vector<std::string>{"carrier", "distance", "late", "origin"}));
  EXPECT_EQ(schema.at(1).type, ColumnType::real);
  schema.remove("CARRIER");
  schema.remove("absent");
  EXPECT_EQ(schema.names(), (std::vector<std::string>{"distance", "late", "origin"}));
}

TEST(Schema, ReadsBackWhatItWrites) {
  Schema schema = flights();
  schema.add({"at", ColumnType::time});
  schema.add({"x", ColumnType::real});
  EXPECT_EQ(*Schema::from_json(*base::parse_json(schema.to_json().dump())), schema);
  EXPECT_EQ(flights().to_json().dump(),
            R"([{"name":"carrier","type":"text"},{"name":"Distance","type":"integer"},)"
            R"({"name":"late","type":"boolean"}])");
}

TEST(Schema, RefusesWhatIsNoSchema) {
  for (const char* text : {R"({})", R"([{"type":"text"}])", R"([{"name":"a","type":"string"}])", R"([1])",
                           R"([{"name":"a","type":"text"},{"name":"A","type":"real"}])"}) {
    Result<Schema> schema = Schema::from_json(*base::parse_json(text));
    ASSERT_FALSE(schema) << text;
    EXPECT_EQ(schema.error().code, ErrorCode::invalid);
  }
}

TEST(ColumnType, HasANameEach) {
  for (ColumnType type :
       {ColumnType::boolean, ColumnType::integer, ColumnType::real, ColumnType::text, ColumnType::time}) {
    EXPECT_EQ(type_of_name(type_name(type)), type);
  }
  EXPECT_EQ(type_of_name("Integer"), std::nullopt);
}

}  // namespace
}  // namespace trimtab::table
