// What GET /api/v1/endpoints/{name}/watch answers. Version 2 serves, and knows x from 0 to 999.
#include <gtest/gtest.h>

#include "api/served_project.h"

namespace trimtab::api {
namespace {

constexpr const char* kWatch = "/api/v1/endpoints/late/watch";

// Rows with x from `first` on.
void ask_for(ServedProject& world, int first, int rows) {
  std::string body = R"({"dataframe_split":{"columns":["x","prediction_id"],"data":[)";
  for (int i = 0; i < rows; ++i) {
    body += std::string(i > 0 ? "," : "") + "[" + std::to_string(first + i) + ",\"p" +
            std::to_string(first + i) + "\"]";
  }
  ASSERT_EQ(world.post("/endpoints/late/invocations", body + "]}}").status, 200);
}

std::string verdict_of_x(const Answered& answered) {
  return answered.body["columns"].as_array().at(0).text_or("verdict");
}

TEST(WatchRoute, SaysHowTheRowsMoved) {
  ServedProject world;
  ask_for(world, 0, 1000);
  const Answered same = world.get(kWatch);
  ASSERT_EQ(same.status, 200) << same.text;
  EXPECT_EQ(same.body["version"].dump(), "2");
  EXPECT_EQ(same.body["window"].int_or("rows"), 1000);
  EXPECT_EQ(same.body["traffic"].int_or("rows"), 1000);
  EXPECT_EQ(verdict_of_x(same), "same");
  ask_for(world, 5000, 1000);
  EXPECT_EQ(verdict_of_x(world.get(std::string(kWatch) + "?window=6h&against=baseline")), "moved");
}

TEST(WatchRoute, JoinsLabelsAsTheyArrive) {
  ServedProject world;
  ask_for(world, 0, 40);
  EXPECT_EQ(world.get(kWatch).body["realised"].int_or("labels"), 0);
  world.post("/api/v1/endpoints/late/labels", R"({"labels":[{"id":"p1","label":1},{"id":"p2","label":0}]})");
  const Json realised = world.get(kWatch).body["realised"];
  EXPECT_EQ(realised.int_or("labels"), 2);
  EXPECT_DOUBLE_EQ(realised.double_or("labelled_share"), 0.05);
  EXPECT_DOUBLE_EQ(realised["overall"]["brier"].double_or("value"), (0.0625 + 0.5625) / 2);
}

TEST(WatchRoute, LooksBackFromWhereItIsAsked) {
  ServedProject world;
  ask_for(world, 0, 40);
  EXPECT_EQ(world.get(std::string(kWatch) + "?as_of=2013-03-01").body["window"].int_or("rows"), 0);
}

TEST(WatchRoute, RowByRowAClassifierTellsWindowsApart) {
  ServedProject world;
  ask_for(world, 0, 400);
  world.clock().advance_to(kStart + 2 * base::kHourUs);
  ask_for(world, 5000, 400);
  world.ward().endpoint().settle();  // Two versions score: rows are logged when both have.
  ASSERT_TRUE(world.ward().log().flush());
  const Json seen = world.get(std::string(kWatch) + "?window=1h&rows=true").body["row_by_row"];
  EXPECT_EQ(seen["classifier"].text_or("reason"),
            "the rows of training are not kept one by one: ask against previous or season");
  const Json none =
      world.get(std::string(kWatch) + "?window=30m&against=previous&rows=true").body["row_by_row"];
  EXPECT_EQ(none["classifier"].text_or("reason"), "no rows on one side");
  const Json told =
      world.get(std::string(kWatch) + "?window=90m&against=previous&rows=true").body["row_by_row"];
  EXPECT_EQ(told["classifier"].text_or("verdict"), "apart") << told.dump();
  EXPECT_EQ(told["classifier"]["told_by"].as_array()[0].text_or("column"), "x");
  EXPECT_EQ(told["attributions"].text_or("reason"), "the learner 'baseline' has none");
  EXPECT_TRUE(world.get(std::string(kWatch) + "?window=1h").body["row_by_row"].is_null());
}

TEST(WatchRoute, SaysWhatIsWrong) {
  ServedProject world;
  EXPECT_EQ(world.get("/api/v1/endpoints/lat/watch").refusal(),
            "not_found: there is no endpoint 'lat' (did you mean 'late'?)");
  EXPECT_EQ(world.get(std::string(kWatch) + "?window=1s").refusal(),
            "invalid: a window of '1s' cannot be watched (ask for 1m to 400d, as in window=1d)");
  EXPECT_EQ(world.get(std::string(kWatch) + "?against=sesson").refusal(),
            "invalid: there is no reference 'sesson' (did you mean 'season'?)");
  EXPECT_EQ(world.get(std::string(kWatch) + "?as_of=yesterday").status, 400);
  world.order("/api/v1/endpoints/late/rollback", R"({"to":1})");
  EXPECT_EQ(world.get(kWatch).refusal(),
            "not_found: version 1 of 'late' has no baseline to be held against (it was trained by an older "
            "Trimtab; the next training keeps one)");
}

TEST(WatchRoute, OfAnEndpointWithoutAVersionSaysWhatToDo) {
  ServedProject world(true, "  empty: {model: m}\n");
  EXPECT_EQ(world.get("/api/v1/endpoints/empty/watch").refusal(),
            "not_found: no version of 'empty' serves yet (run `trimtab apply`)");
}

}  // namespace
}  // namespace trimtab::api
