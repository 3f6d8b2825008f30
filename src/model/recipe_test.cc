#include "model/recipe.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <rapidcheck.h>
#include <string>
#include <vector>

#include "model/unseen.h"
#include "table/random_rows_test.h"

namespace trimtab::model {
namespace {

using table::Batch;
using table::ColumnType;
using table::Schema;

Recipe flights_recipe() {
  Recipe recipe;
  recipe.request =
      Schema({{"origin", ColumnType::text}, {"sched_dep", ColumnType::time}, {"tailnum", ColumnType::text}});
  recipe.time_zone = "America/New_York";
  recipe.time_column = "sched_dep";
  table::LookupSpec weather;
  weather.table = "weather";
  weather.left_keys = {"origin"};
  weather.right_keys = {"origin"};
  weather.left_time = "sched_dep";
  weather.right_time = "time_hour";
  weather.age_max = 3 * base::kHourUs;
  weather.select = {"temp"};
  recipe.stages = {
      table::DeriveStage{{{"tailnum", "upper(trim(tailnum))", {}}, {"hour", "hour(sched_dep)", {}}}},
      table::LookupStage{weather},
      table::DeriveStage{{{"temp", "coalesce(temp, 54.1)", {}}, {"warm", "temp > 60", {}}}},
      table::SelectStage{{"origin", "hour", "temp", "warm"}}};
  recipe.joined = {
      {1, "weather",
       Schema({{"origin", ColumnType::text}, {"time_hour", ColumnType::time}, {"temp", ColumnType::real}})}};
  recipe.features = {{"origin", ColumnType::text, {"EWR", "JFK", "", "Zürich \"n\""}},
                     {"hour", ColumnType::integer, {}},
                     {"temp", ColumnType::real, {}},
                     {"warm", ColumnType::boolean, {}}};
  return recipe;
}

TEST(Recipe, JsonRoundTrip) {
  const Recipe recipe = flights_recipe();
  const Json json = recipe.to_json();
  Result<Recipe> back = Recipe::from_json(*base::parse_json(json.dump(2)));
  ASSERT_TRUE(back) << base::render(back.error());
  EXPECT_EQ(*back, recipe);
  EXPECT_EQ(back->to_json().dump(), json.dump());
  EXPECT_TRUE(Recipe::from_json(Recipe{}.to_json()));
}

TEST(Recipe, RefusesWhatItCannotMean) {
  const auto message = [](const std::function<void(Json&)>& change) {
    Json json = flights_recipe().to_json();
    change(json);
    const Result<Recipe> result = Recipe::from_json(json);
    return result ? std::string() : result.error().message;
  };
  const auto with_feature = [&](Json feature) {
    return message([&](Json& json) { json.set("features", Json::array().push(std::move(feature))); });
  };
  EXPECT_EQ(Recipe::from_json(Json(3)).error().message, "the model's recipe is broken: it is no object");
  EXPECT_EQ(message([](Json& json) { json.set("features", 1); }),
            "the model's recipe is broken: 'features' is not a list");
  EXPECT_EQ(message([](Json& json) { json.set("time_zone", 1); }),
            "the model's recipe is broken: 'time_zone' is not a text");
  EXPECT_EQ(message([](Json& json) { json.set("joined", Json::array().push(Json::object({{"stage", 0}}))); }),
            "the model's recipe is broken: a joined table belongs to stage 0, which is no lookup");
  EXPECT_EQ(message([](Json& json) { json.set("joined", Json::array().push(Json::object({{"stage", 9}}))); }),
            "the model's recipe is broken: a joined table belongs to stage 9, which is no lookup");
  EXPECT_EQ(with_feature(Json::object({{"name", "x"}, {"type", "time"}})),
            "the model's recipe is broken: feature 'x' is of type 'time', which no learner takes");
  EXPECT_EQ(with_feature(Json::object({{"name", "x"}, {"type", "text"}})),
            "the model's recipe is broken: 'levels' is not a list");
  EXPECT_EQ(with_feature(Json::object(
                {{"name", "x"}, {"type", "text"}, {"levels", Json::array().push("a").push("a")}})),
            "the model's recipe is broken: feature 'x' has the level \"a\" twice, or it is no text");
}

TEST(FeatureEncoder, NumbersTruthsTextsAndNulls) {
  const std::vector<Feature> features = flights_recipe().features;
  const FeatureEncoder encoder(features);
  EXPECT_EQ(encoder.width(), 4);
  EXPECT_EQ(encoder.categorical(), std::vector<int>{0});
  // A column behind the features is none of the encoder's business.
  Batch rows(Schema({{"origin", ColumnType::text},
                     {"hour", ColumnType::integer},
                     {"temp", ColumnType::real},
                     {"warm", ColumnType::boolean},
                     {"__part", ColumnType::text}}));
  rows.reset(4);
  const char* origins[] = {"JFK", "", "Zürich \"n\"", "LGA"};
  for (int row = 0; row < 3; ++row) {
    rows.set_text(0, row, origins[row]);
    rows.set_integer(1, row, -row);
    rows.set_real(2, row, row / 4.0);
    rows.set_boolean(3, row, row != 1);
  }
  rows.set_text(0, 3, origins[3]);
  rows.set_null(1, 3);
  rows.set_real(2, 3, -std::numeric_limits<double>::signaling_NaN());
  rows.set_null(3, 3);
  std::vector<double> out(16);
  encoder.encode(rows, out.data());
  const std::vector<double> known(out.begin(), out.begin() + 12);
  EXPECT_EQ(known, (std::vector<double>{1, 0, 0, 1, 2, -1, 0.25, 0, 3, -2, 0.5, 1}));
  const auto missing = std::bit_cast<std::uint64_t>(std::numeric_limits<double>::quiet_NaN());
  EXPECT_TRUE(is_unseen(out[12])) << "a text that training did not know";
  for (int column = 1; column < 4; ++column)
    EXPECT_EQ(std::bit_cast<std::uint64_t>(out[12 + column]), missing);
  rows.reset(0);
  encoder.encode(rows, nullptr);
}

TEST(FeatureEncoder, EachLevelIsItsPositionAndAnythingElseIsMissing) {
  const bool holds = rc::check("for random levels and cells", [] {
    // Levels are fitted on cells, and what a cell holds is valid UTF-8.
    const auto texts = rc::gen::container<std::vector<std::string>>(table::any_text());
    std::vector<std::string> levels;
    for (const std::string& word : *texts) {
      if (std::find(levels.begin(), levels.end(), word) == levels.end()) levels.push_back(word);
    }
    std::vector<std::string> all = levels;
    for (const std::string& cell : *texts) all.push_back(cell);
    const FeatureEncoder encoder({{"word", ColumnType::text, levels}});
    Batch rows(Schema({{"word", ColumnType::text}}));
    rows.reset(static_cast<int>(all.size()));
    for (std::size_t row = 0; row < all.size(); ++row) rows.set_text(0, static_cast<int>(row), all[row]);
    std::vector<double> out(all.size());
    encoder.encode(rows, out.data());
    for (std::size_t row = 0; row < all.size(); ++row) {
      const auto found = std::find(levels.begin(), levels.end(), all[row]);
      if (found == levels.end()) {
        RC_ASSERT(std::isnan(out[row]) && is_unseen(out[row]));
      } else {
        RC_ASSERT(out[row] == static_cast<double>(found - levels.begin()));
      }
    }
  });
  EXPECT_TRUE(holds);
}

}  // namespace
}  // namespace trimtab::model
