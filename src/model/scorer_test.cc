#include "model/scorer.h"

#include <cstring>
#include <gtest/gtest.h>
#include <random>
#include <rapidcheck.h>
#include <thread>

#include "model/booster.h"

namespace trimtab::model {
namespace {

using table::Batch;
using table::ColumnType;
using table::DeriveStage;
using table::LookupStage;
using table::Schema;
using table::SelectStage;

using Row = std::vector<Json>;  // A cell a column of the request.

const std::vector<std::string> kOdd = {"",
                                       " ",
                                       "EWR",
                                       "JFK",
                                       "ewr ",
                                       "LGA",
                                       "O'Hare",
                                       "\"; drop table x; --",
                                       "a\tb\n",
                                       "\xc3\x9c"
                                       "ber",
                                       "\xf0\x9f\x98\x80",
                                       "NULL",
                                       "NaN",
                                       "0",
                                       "-1",
                                       "1e5",
                                       "a text that is longer than what a cell holds inline",
                                       std::string(300, 'x'),
                                       "İstanbul",
                                       "ß",
                                       "e\xcc\x81"};

constexpr TimeUs kFirstHour = 1362268800 * base::kSecondUs;  // A week before clocks change in New York.

const Schema kWeather({{"place", ColumnType::text},
                       {"time_hour", ColumnType::time},
                       {"temp", ColumnType::real},
                       {"sky", ColumnType::text}});

Recipe test_recipe() {
  Recipe recipe;
  recipe.request = Schema({{"origin", ColumnType::text},
                           {"tailnum", ColumnType::text},
                           {"distance", ColumnType::integer},
                           {"ratio", ColumnType::real},
                           {"night", ColumnType::boolean},
                           {"sched_dep", ColumnType::time}});
  recipe.time_zone = "America/New_York";
  recipe.time_column = "sched_dep";
  table::LookupSpec weather;
  weather.table = "weather";
  weather.left_keys = {"origin"};
  weather.right_keys = {"place"};
  weather.left_time = "sched_dep";
  weather.right_time = "time_hour";
  weather.age_max = 36 * base::kHourUs;
  weather.select = {"temp", "sky"};
  recipe.stages = {DeriveStage{{{"tail", "upper(trim(tailnum))", {}},
                                {"hour", "hour(sched_dep)", {}},
                                {"weekday", "isodow(sched_dep)", {}},
                                {"share", "ratio / distance", {}}}},
                   LookupStage{weather},
                   DeriveStage{{{"route", "origin || '-' || tail", {}},
                                {"warm", "temp > 10", {}},
                                {"ratio", "coalesce(ratio, 0.25)", {}},
                                {"length", "length(tail)", {}}}},
                   SelectStage{{"origin", "tail", "route", "sky", "distance", "ratio", "night", "hour",
                                "weekday", "share", "temp", "warm", "length"}}};
  recipe.joined = {{1, "weather", kWeather}};
  recipe.features = {{"origin",
                      ColumnType::text,
                      {"EWR", "JFK", "", "O'Hare",
                       "\xc3\x9c"
                       "ber"}},
                     {"tail", ColumnType::text, {"EWR", "", "NULL", "SS", "ß", "A\tB"}},
                     {"route", ColumnType::text, {"EWR-EWR", "-", "JFK-NULL", "LGA-"}},
                     {"sky", ColumnType::text, {"clear", "grey"}},
                     {"distance", ColumnType::integer, {}},
                     {"ratio", ColumnType::real, {}},
                     {"night", ColumnType::boolean, {}},
                     {"hour", ColumnType::integer, {}},
                     {"weekday", ColumnType::integer, {}},
                     {"share", ColumnType::real, {}},
                     {"temp", ColumnType::real, {}},
                     {"warm", ColumnType::boolean, {}},
                     {"length", ColumnType::integer, {}}};
  return recipe;
}

void fill(Batch& batch, const std::vector<Row>& rows) {
  batch.reset(static_cast<int>(rows.size()));
  for (std::size_t row = 0; row < rows.size(); ++row) {
    for (std::size_t column = 0; column < rows[row].size(); ++column) {
      CHECK(batch.set_cell_json(static_cast<int>(column), static_cast<int>(row), rows[row][column])
                .has_value());
    }
  }
}

// One random row from whatever gives numbers below a bound; every eighth cell is null.
template <class Below>
Row random_row(const Below& below) {
  constexpr double kRatios[] = {0, -0.0, 0.5, 1e-300, -7.25, 1e300, std::numeric_limits<double>::quiet_NaN()};
  const auto word = [&] { return Json(kOdd[static_cast<std::size_t>(below(std::ssize(kOdd)))]); };
  const auto distance = [&] {
    const std::int64_t near = below(6) == 0 ? 0 : below(4000) - 1000;
    return Json(below(9) == 0 ? near * 1'000'000'007 : near);
  };
  const auto ratio = [&] {
    return Json(below(5) == 0 ? kRatios[below(std::ssize(kRatios))]
                              : static_cast<double>(below(100'000)) / 777);
  };
  const auto time = [&] {
    return Json(base::format_time(kFirstHour + below(20 * 24 * 60) * base::kMinuteUs));
  };
  Row row = {word(), word(), distance(), ratio(), below(2) == 0, time()};
  for (Json& cell : row) {
    if (below(8) == 0) cell = nullptr;
  }
  return row;
}

std::vector<Row> random_rows(std::uint64_t seed, int count) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::int64_t bound) {
    return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(bound));
  };
  std::vector<Row> rows;
  for (int row = 0; row < count; ++row) rows.push_back(random_row(below));
  return rows;
}

bool same_bits(std::span<const double> a, std::span<const double> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

class ScorerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    engine_ = table::Engine::open({}).value().release();
    auto index =
        table::LookupIndex::make(std::get<LookupStage>(test_recipe().stages[1]).lookup, kWeather).value();
    Batch weather(kWeather);
    std::vector<Row> rows;
    for (int hour = 0; hour < 480; hour += 7) {
      const TimeUs time = kFirstHour + hour * base::kHourUs;
      const char* place = hour % 3 == 0 ? "EWR" : hour % 3 == 1 ? "JFK" : "";
      rows.push_back({place, base::format_time(time), hour % 5 == 0 ? Json() : Json(hour / 20.0),
                      hour % 4 == 0 ? Json("clear") : Json("grey")});
    }
    fill(weather, rows);
    CHECK(index->append(weather).has_value());
    lookups_ = new table::LookupTables{{"1", index}};
    lightgbm_ = new std::shared_ptr<const Artifact>(trained_artifact());
  }

  static std::unique_ptr<Scorer> made(std::shared_ptr<const Artifact> artifact) {
    Result<std::unique_ptr<Scorer>> scorer = Scorer::make(*engine_, std::move(artifact), *lookups_);
    if (!scorer) ADD_FAILURE() << base::render(scorer.error());
    CHECK(scorer.has_value());
    return std::move(*scorer);
  }

  static std::shared_ptr<Artifact> baseline_artifact() {
    auto artifact = std::make_shared<Artifact>();
    artifact->recipe = test_recipe();
    artifact->learner = "baseline";
    artifact->model_text = "0.125";
    return artifact;
  }

  // Learns from rows of the same kind, so that the trees split on odd strings, missing values and joined
  // columns.
  static std::shared_ptr<const Artifact> trained_artifact() {
    const auto encoder = made(baseline_artifact());
    TrainingData data;
    Batch batch(test_recipe().request);
    fill(batch, random_rows(1, 2048));
    CHECK(encoder->score(batch).has_value());
    data.values.assign(encoder->features().begin(), encoder->features().end());
    data.width = 13;
    data.categorical = {0, 1, 2, 3};
    for (const Feature& feature : test_recipe().features) data.feature_names.push_back(feature.name);
    for (std::size_t row = 0; row < 2048; ++row) {
      double sum = 0;
      for (std::size_t column = 0; column < 13; ++column) {
        const double value = data.values[row * 13 + column];
        sum += std::isnan(value) ? static_cast<double>(column % 3) - 1
                                 : std::sin(value * static_cast<double>(column + 1));
      }
      data.targets.push_back(sum > 0 ? 1.0F : 0.0F);
    }
    BoosterOptions options;
    options.rounds = 60;
    options.min_data_in_leaf = 5;
    options.learning_rate = 0.2;
    auto artifact = std::make_shared<Artifact>();
    artifact->recipe = test_recipe();
    artifact->learner = "lightgbm";
    artifact->model_text = train_booster(data, nullptr, options, nullptr).value().text;
    return artifact;
  }

  static table::Engine* engine_;
  static table::LookupTables* lookups_;
  static std::shared_ptr<const Artifact>* lightgbm_;
};

table::Engine* ScorerTest::engine_ = nullptr;
table::LookupTables* ScorerTest::lookups_ = nullptr;
std::shared_ptr<const Artifact>* ScorerTest::lightgbm_ = nullptr;

// What the endpoint answers for a row by itself, and the features it saw.
void expect_alone_as_together(Scorer& online, Scorer& batch_wise, const std::vector<Row>& rows) {
  Batch request(test_recipe().request);
  fill(request, rows);
  const std::span<const double> together = batch_wise.score(request).value();
  const std::span<const double> features = batch_wise.features();
  RC_ASSERT(together.size() == rows.size());
  RC_ASSERT(features.size() == rows.size() * 13);
  std::vector<double> encoded(rows.size());
  batch_wise.score_encoded(features, encoded.data());
  RC_ASSERT(same_bits(together, encoded));
  Batch one(test_recipe().request);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    fill(one, {rows[row]});
    const std::span<const double> alone = online.score(one).value();
    RC_ASSERT(same_bits(alone, together.subspan(row, 1)));
    RC_ASSERT(same_bits(online.features(), features.subspan(row * 13, 13)));
  }
}

TEST_F(ScorerTest, OneRowAtATimeEqualsManyAtOnceBitForBit) {
  const std::unique_ptr<Scorer> online = made(*lightgbm_);
  const std::unique_ptr<Scorer> batch_wise = made(*lightgbm_);
  const bool holds = rc::check("for random rows, nulls and odd strings", [&] {
    const auto below = [](std::int64_t bound) { return *rc::gen::inRange<std::int64_t>(0, bound); };
    std::vector<Row> rows;
    const int count = *rc::gen::inRange(1, 30);
    for (int row = 0; row < count; ++row) rows.push_back(random_row(below));
    expect_alone_as_together(*online, *batch_wise, rows);
  });
  const bool holds_for_texts =
      rc::check("for texts of any characters", [&](const std::vector<std::u32string>& words) {
        RC_PRE(!words.empty());
        std::vector<Row> rows = random_rows(words.size(), static_cast<int>(words.size()));
        for (std::size_t row = 0; row < words.size(); ++row) {
          std::string text;
          for (const char32_t letter : words[row]) {
            const auto code = static_cast<std::uint32_t>(letter) % 0xD800;  // Below the surrogates.
            if (code == 0) continue;
            if (code < 0x80) {
              text += static_cast<char>(code);
            } else if (code < 0x800) {
              text += {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
            } else {
              text += {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3F)),
                       static_cast<char>(0x80 | (code & 0x3F))};
            }
          }
          rows[row][row % 2] = text;
        }
        expect_alone_as_together(*online, *batch_wise, rows);
      });
  EXPECT_TRUE(holds && holds_for_texts);
}

TEST_F(ScorerTest, AFullBatchEqualsItsRowsBitForBit) {
  const std::unique_ptr<Scorer> scorer = made(*lightgbm_);
  const std::unique_ptr<Scorer> other = made(*lightgbm_);
  for (const std::uint64_t seed : {2, 3}) expect_alone_as_together(*scorer, *other, random_rows(seed, 2048));
}

TEST_F(ScorerTest, PredictionsDependOnTheRows) {
  const std::unique_ptr<Scorer> scorer = made(*lightgbm_);
  Batch request(test_recipe().request);
  fill(request, random_rows(4, 500));
  const std::span<const double> scores = scorer->score(request).value();
  EXPECT_GT(std::set<double>(scores.begin(), scores.end()).size(), 300U);
  for (const double score : scores) EXPECT_TRUE(score > 0 && score < 1);
}

TEST_F(ScorerTest, ThreadsWithTheirOwnScorersAnswerAlike) {
  Batch request(test_recipe().request);
  fill(request, random_rows(5, 400));
  const std::unique_ptr<Scorer> first = made(*lightgbm_);
  const std::span<const double> expected = first->score(request).value();
  std::vector<std::thread> threads;
  std::vector<int> alike(4, 0);
  for (int& count : alike) {
    threads.emplace_back([&] {
      const std::unique_ptr<Scorer> scorer = made(*lightgbm_);
      Batch own(test_recipe().request);
      fill(own, random_rows(5, 400));
      for (int turn = 0; turn < 20; ++turn) count += same_bits(scorer->score(own).value(), expected) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(alike, std::vector<int>(4, 20));
}

TEST_F(ScorerTest, TheBaselineAnswersItsConstant) {
  const std::unique_ptr<Scorer> scorer = made(baseline_artifact());
  Batch request(test_recipe().request);
  fill(request, random_rows(6, 3));
  const std::span<const double> scores = scorer->score(request).value();
  EXPECT_EQ(std::vector<double>(scores.begin(), scores.end()), std::vector<double>(3, 0.125));
  request.reset(0);
  EXPECT_TRUE(scorer->score(request).value().empty());
  EXPECT_EQ(scorer->artifact().learner, "baseline");
}

TEST_F(ScorerTest, BuffersStayOnceTheyAreWarm) {
  const std::unique_ptr<Scorer> scorer = made(*lightgbm_);
  Batch request(test_recipe().request);
  fill(request, random_rows(7, 100));
  const double* const scores = scorer->score(request).value().data();
  const double* const features = scorer->features().data();
  for (const int rows : {1, 100, 7}) {
    fill(request, random_rows(8, rows));
    EXPECT_EQ(scorer->score(request).value().data(), scores);
    EXPECT_EQ(scorer->features().data(), features);
  }
}

TEST_F(ScorerTest, RefusesAModelThatDoesNotFitItsRecipe) {
  const auto message = [](const std::function<void(Artifact&)>& change) {
    auto artifact = baseline_artifact();
    change(*artifact);
    const Result<std::unique_ptr<Scorer>> result = Scorer::make(*engine_, artifact, *lookups_);
    return result ? std::string() : result.error().message;
  };
  EXPECT_EQ(message([](Artifact& artifact) { artifact.model_text = "a lot"; }),
            "the baseline's model.txt is not one number");
  EXPECT_EQ(message([](Artifact& artifact) { artifact.recipe.features.clear(); }),
            "the model has no features");
  EXPECT_EQ(message([](Artifact& artifact) {
              artifact.recipe.stages.back() = SelectStage{{"origin", "distance"}};
              artifact.recipe.features = {{"origin", ColumnType::text, {}},
                                          {"distance", ColumnType::real, {}}};
            }),
            R"(the recipe makes the columns [{"name":"origin","type":"text"},)"
            R"({"name":"distance","type":"integer"}], but the model was trained on )"
            R"([{"name":"origin","type":"text"},{"name":"distance","type":"real"}])");
  EXPECT_EQ(message([](Artifact& artifact) {
              artifact.learner = "lightgbm";
              artifact.model_text = (*lightgbm_)->model_text;
              artifact.recipe.stages.back() = SelectStage{{"origin"}};
              artifact.recipe.features = {{"origin", ColumnType::text, {}}};
            }),
            "the model reads 13 features, but the recipe makes 1");
}

}  // namespace
}  // namespace trimtab::model
