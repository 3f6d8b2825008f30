// Rows of a source that arrive one by one.
#include <gtest/gtest.h>

#include "api/served_project.h"

namespace trimtab::api {
namespace {

constexpr const char* kRows = "/api/v1/tables/places/rows";

TEST(TableRoutes, RowsAreAcceptedOnce) {
  ServedProject world;
  const std::string body = R"({"rows":[{"place":"EWR","seen":"2013-04-01T05:00:00Z"},{"place":"JFK"}]})";
  EXPECT_EQ(world.post(kRows, body).text, R"({"accepted":2,"repeated":0})");
  EXPECT_EQ(world.post(kRows, body).text, R"({"accepted":0,"repeated":2})");
  EXPECT_EQ(world.post(kRows, R"({"rows":[]})").text, R"({"accepted":0,"repeated":0})");
}

TEST(TableRoutes, OneBadRowAndNoneIsKept) {
  ServedProject world;
  EXPECT_EQ(world.post(kRows, R"({"rows":[{"place":"EWR"},{"plac":"JFK"}]})").refusal(),
            "invalid: row 2: there is no column 'plac' (did you mean 'place'?)");
  EXPECT_EQ(world.post(kRows, R"({"rows":[{"place":"EWR"}]})").text, R"({"accepted":1,"repeated":0})");
}

TEST(TableRoutes, WhatIsWrongIsSaid) {
  ServedProject world;
  EXPECT_EQ(world.post(kRows, "[").status, 400);
  EXPECT_EQ(world.post(kRows, "{}").refusal(),
            R"(invalid: the body has no list 'rows' (send {"rows":[{"column":value,…},…]}))");
  EXPECT_EQ(world.post(kRows, R"({"rows":[7]})").refusal(), "invalid: row 1 is no object");
  const std::string wrong_type = world.post(kRows, R"({"rows":[{"seen":"soon"}]})").refusal();
  EXPECT_EQ(wrong_type, "invalid: row 1: column 'seen' wants time, not \"soon\"");
  EXPECT_EQ(world.post("/api/v1/tables/nowhere/rows", R"({"rows":[]})").refusal(),
            "not_found: there is no table 'nowhere'");
}

TEST(TableRoutes, ASystemClockWantsTheToken) {
  ServedProject world(false);
  EXPECT_EQ(world.post(kRows, R"({"rows":[]})").status, 401);
  EXPECT_EQ(world.order(kRows, R"({"rows":[]})").status, 200);
}

}  // namespace
}  // namespace trimtab::api
