#include "model/booster.h"

#include <LightGBM/c_api.h>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <random>
#include <rapidcheck.h>

namespace trimtab::model {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Three numbers and a category of 12 levels; the category and the first number carry the signal, every tenth
// value is missing.
TrainingData made_data(int rows, std::uint64_t seed, bool binary = true) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> unit(0, 1);
  TrainingData data;
  data.width = 4;
  data.categorical = {3};
  data.feature_names = {"distance", "hour of day", "x", "carrier"};
  for (int row = 0; row < rows; ++row) {
    const double level = std::floor(unit(random) * 12);
    const double number = unit(random) * 10;
    const double signal = (static_cast<int>(level) % 3 == 0 ? 1.5 : -1.0) + (number > 6 ? 1 : -0.5);
    for (const double value : {number, std::floor(unit(random) * 24), unit(random) - 0.5, level}) {
      data.values.push_back(unit(random) < 0.1 ? kNan : value);
    }
    const double chance = 1 / (1 + std::exp(-signal));
    data.targets.push_back(binary ? (unit(random) < chance ? 1.0F : 0.0F)
                                  : static_cast<float>(signal + unit(random)));
  }
  return data;
}

BoosterOptions small_options() {
  BoosterOptions options;
  options.rounds = 30;
  options.learning_rate = 0.1;
  return options;
}

TrainedBooster trained(const TrainingData& data, const BoosterOptions& options,
                       const TrainingData* valid = nullptr) {
  Result<TrainedBooster> result = train_booster(data, valid, options, nullptr);
  if (!result) ADD_FAILURE() << base::render(result.error());
  return std::move(result).value_or(TrainedBooster{});
}

std::unique_ptr<Booster> loaded(const std::string& text, int width = 4) {
  Result<std::unique_ptr<Booster>> result = Booster::load(text, width);
  if (!result) ADD_FAILURE() << base::render(result.error());
  return std::move(result).value_or(nullptr);
}

std::vector<double> predictions(Booster& booster, const std::vector<double>& values, int width = 4) {
  std::vector<double> out(values.size() / static_cast<std::size_t>(width));
  booster.predict(values, out.data());
  return out;
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

TEST(Booster, SameDataOptionsAndThreadsMakeTheSameBytes) {
  const TrainingData data = made_data(2000, 1);
  BoosterOptions options = small_options();
  options.bagging_fraction = 0.7;
  options.feature_fraction = 0.7;
  for (const int threads : {1, 2}) {
    options.threads = threads;
    // Where the cores are busy and OpenMP's threads spin, a round with two threads takes a large part of a
    // second.
    options.rounds = threads == 1 ? 30 : 4;
    options.leaves = threads == 1 ? 31 : 5;
    const std::string text = trained(data, options).text;
    EXPECT_GT(text.size(), 3000U);
    EXPECT_EQ(text, trained(data, options).text);
    options.seed = 2;
    EXPECT_NE(text, trained(data, options).text);
    options.seed = 1;
  }
}

TEST(Booster, LearnsTheSignalAndPredictsProbabilities) {
  const TrainingData test = made_data(2000, 3);
  const TrainedBooster made = trained(made_data(8000, 2), small_options(), &test);
  EXPECT_EQ(made.rounds, 30);
  ASSERT_EQ(made.valid_loss.size(), 30U);
  EXPECT_LT(made.valid_loss.back(), made.valid_loss.front());
  EXPECT_LT(made.valid_loss.back(), 0.58);
  const std::unique_ptr<Booster> booster = loaded(made.text);
  const std::vector<double> scores = predictions(*booster, test.values);
  double loss = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    loss -= std::log(test.targets[i] == 1 ? scores[i] : 1 - scores[i]);
  }
  EXPECT_NEAR(loss / 2000, made.valid_loss.back(), 1e-6);
  std::vector<double> raw(scores.size());
  booster->predict_raw(test.values, raw.data());
  for (std::size_t i = 0; i < scores.size(); ++i) EXPECT_DOUBLE_EQ(scores[i], 1 / (1 + std::exp(-raw[i])));
}

TEST(Booster, RegressionPredictsValues) {
  BoosterOptions options = small_options();
  options.binary = false;
  options.rounds = 100;
  const TrainingData test = made_data(1000, 5, false);
  const TrainedBooster made = trained(made_data(5000, 4, false), options, &test);
  EXPECT_LT(made.valid_loss.back(), made.valid_loss.front() / 3);
  const std::vector<double> values = predictions(*loaded(made.text), test.values);
  EXPECT_NEAR(values[0], test.targets[0], 2);
}

TEST(Booster, StopsEarlyAndKeepsTheBestRound) {
  const TrainingData data = made_data(600, 6);
  const TrainingData test = made_data(2000, 7);
  BoosterOptions options = small_options();
  options.rounds = 500;
  options.learning_rate = 0.3;
  options.patience = 10;
  const TrainedBooster made = trained(data, options, &test);
  EXPECT_LT(made.rounds, 200);
  ASSERT_EQ(std::ssize(made.valid_loss), made.rounds + 10);
  const auto best = std::min_element(made.valid_loss.begin(), made.valid_loss.end());
  EXPECT_EQ(best - made.valid_loss.begin() + 1, made.rounds);
  // The kept model is the one that the best round would have made by itself.
  options.patience = 0;
  options.rounds = made.rounds;
  const std::vector<double> kept = predictions(*loaded(made.text), test.values);
  EXPECT_TRUE(same_bits(kept, predictions(*loaded(trained(data, options).text), test.values)));
}

TEST(Booster, OneRowAndManyAndLightgbmsOwnMatrixCallGiveTheSameBits) {
  const TrainedBooster made = trained(made_data(5000, 8), small_options());
  const std::unique_ptr<Booster> booster = loaded(made.text);
  int rounds = 0;
  void* reference = nullptr;
  ASSERT_EQ(LGBM_BoosterLoadModelFromString(made.text.c_str(), &rounds, &reference), 0);
  const bool holds = rc::check("for random rows with missing and strange values", [&] {
    const std::vector<double> strange = {
        kNan, 0, -0.0, 1e-36, -3, 1e300, -1e300, 5e9, std::numeric_limits<double>::infinity()};
    const auto cell = rc::gen::weightedOneOf<double>(
        {{4, rc::gen::map(rc::gen::inRange(-20, 300), [](int tenths) { return tenths / 10.0; })},
         {1, rc::gen::elementOf(strange)}});
    // A category is one of the encoder's: a level or missing.
    const auto level = rc::gen::map(rc::gen::inRange(-1, 14), [](int at) { return at < 0 ? kNan : at; });
    std::vector<double> values;
    const int rows = *rc::gen::inRange(1, 40);
    for (int row = 0; row < rows; ++row) {
      for (int column = 0; column < 3; ++column) values.push_back(*cell);
      values.push_back(*level);
    }
    const std::vector<double> together = predictions(*booster, values);
    std::vector<double> alone, by_matrix(together.size());
    for (std::size_t at = 0; at < values.size(); at += 4) {
      alone.push_back(predictions(*booster, {values.begin() + at, values.begin() + at + 4})[0]);
    }
    std::int64_t count = 0;
    RC_ASSERT(LGBM_BoosterPredictForMat(reference, values.data(), C_API_DTYPE_FLOAT64, rows, 4, 1,
                                        C_API_PREDICT_NORMAL, 0, -1, "num_threads=1", &count,
                                        by_matrix.data()) == 0);
    RC_ASSERT(same_bits(together, alone));
    RC_ASSERT(same_bits(together, by_matrix));
  });
  EXPECT_TRUE(holds);
  LGBM_BoosterFree(reference);
}

TEST(Booster, CategoriesAreNoNumbersAndMissingIsItsOwnCase) {
  // Even levels are good, odd ones bad, missing is worst: no order of numbers would say it in one split.
  TrainingData data;
  data.width = 1;
  data.categorical = {0};
  data.feature_names = {"carrier"};
  for (int row = 0; row < 4000; ++row) {
    const int level = row % 11 - 1;
    data.values.push_back(level < 0 ? kNan : level);
    data.targets.push_back(level < 0 ? -5.0F : level % 2 == 0 ? 1.0F : -1.0F);
  }
  BoosterOptions options = small_options();
  options.binary = false;
  options.rounds = 100;
  const std::unique_ptr<Booster> booster = loaded(trained(data, options).text, 1);
  const std::vector<double> values = predictions(*booster, {0, 1, 8, 9, kNan}, 1);
  EXPECT_NEAR(values[0], 1, 0.1);
  EXPECT_NEAR(values[1], -1, 0.1);
  EXPECT_NEAR(values[2], 1, 0.1);
  EXPECT_NEAR(values[3], -1, 0.1);
  EXPECT_NEAR(values[4], -5, 0.1);
}

TEST(Booster, WeightsCount) {
  TrainingData data = made_data(2000, 9);
  data.weights.assign(2000, 1.0F);
  const std::vector<double> even = predictions(*loaded(trained(data, small_options()).text), data.values);
  for (std::size_t row = 0; row < 2000; ++row) data.weights[row] = data.targets[row] == 1 ? 5.0F : 1.0F;
  const std::vector<double> tilted = predictions(*loaded(trained(data, small_options()).text), data.values);
  double sum = 0;
  for (std::size_t row = 0; row < 2000; ++row) sum += tilted[row] - even[row];
  EXPECT_GT(sum / 2000, 0.1);
}

TEST(Booster, RefusesWhatCannotBeLearnt) {
  const auto message = [](const TrainingData& data, BoosterOptions options = small_options()) {
    const Result<TrainedBooster> result = train_booster(data, nullptr, options, nullptr);
    EXPECT_FALSE(result);
    if (result) return std::string();
    EXPECT_EQ(result.error().code, ErrorCode::invalid);
    return result.error().message;
  };
  TrainingData data = made_data(0, 1);
  EXPECT_EQ(message(data), "there are no training rows");
  data = made_data(300, 1);
  data.targets.assign(300, 1.0F);
  EXPECT_EQ(message(data), "the target is 1 in all 300 training rows");
  data.targets[7] = 3;
  EXPECT_EQ(message(data), "a target is 3, but must be 0 or 1");
  data = made_data(300, 1, false);
  data.targets[7] = std::numeric_limits<float>::quiet_NaN();
  BoosterOptions options = small_options();
  options.binary = false;
  EXPECT_EQ(message(data, options), "a target is nan, which is no number to learn");
  data = made_data(300, 1);
  data.weights.assign(300, -1.0F);
  EXPECT_EQ(message(data), "a row's weight is -1");
  options = small_options();
  options.leaves = 1;
  EXPECT_EQ(message(made_data(300, 1), options),
            "LightGBM refused the rows: Check failed: (num_leaves) > (1)");
}

TEST(Booster, StrangeFeatureNamesAndUnusableColumnsAreNoHindrance) {
  TrainingData data = made_data(500, 10);
  data.feature_names = {"a:b", "a,b", "=\n{\"}", ""};
  for (std::size_t at = 2; at < data.values.size(); at += 4) data.values[at] = at % 3 == 0 ? kNan : 1;
  for (std::size_t at = 1; at < data.values.size(); at += 4) data.values[at] = kNan;
  const std::string text = trained(data, small_options()).text;
  EXPECT_NE(text.find("feature_names=a_b a_b_ _____ _\n"), std::string::npos);
  EXPECT_NE(loaded(text), nullptr);
}

TEST(Booster, TooFewRowsMakeAConstant) {
  TrainingData data = made_data(10, 11);
  data.targets = {1, 0, 0, 0, 1, 0, 0, 0, 0, 0};
  const TrainedBooster made = trained(data, small_options());
  EXPECT_NEAR(predictions(*loaded(made.text), data.values)[0], 0.2, 1e-9);
}

TEST(Booster, IsCancelledBetweenRounds) {
  std::int64_t last = 0;
  const Result<TrainedBooster> result =
      train_booster(made_data(500, 12), nullptr, small_options(), [&](std::int64_t round) {
        last = round;
        return round < 5;
      });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::cancelled);
  EXPECT_EQ(last, 5);
}

TEST(Booster, RefusesTextThatIsNoModelOfThisWidth) {
  const std::string text = trained(made_data(500, 13), small_options()).text;
  const auto message = [](const std::string& bytes, int width) {
    const Result<std::unique_ptr<Booster>> result = Booster::load(bytes, width);
    return result ? std::string() : result.error().message;
  };
  EXPECT_EQ(message(text, 5), "the model reads 4 features, but the recipe makes 5");
  EXPECT_EQ(message("", 4), "this text of 0 bytes is no LightGBM model");
  EXPECT_EQ(message("hello\n", 4), "this text of 6 bytes is no LightGBM model");
  // Cut off anywhere within the trees: refused, not read past its end.
  const std::size_t trees = text.find("\nTree=0\n");
  const std::size_t past = text.find("end of trees");
  for (std::size_t size = 0; size < past; size += size < trees ? 7 : 997) {
    EXPECT_NE(message(text.substr(0, size), 4), "") << size;
  }
}

TEST(Booster, Version) { EXPECT_EQ(booster_version(), "4.5.0"); }

TEST(Booster, ContributionsAddUpToTheRawPrediction) {
  for (const bool binary : {true, false}) {
    BoosterOptions options = small_options();
    options.binary = binary;
    const TrainedBooster made = trained(made_data(2000, 7, binary), options);
    const std::unique_ptr<Booster> booster = loaded(made.text);
    ASSERT_TRUE(booster);
    rc::check("contributions add up", [&booster] {
      std::vector<double> row;
      for (int i = 0; i < 4; ++i) {
        const int value = *rc::gen::inRange(-20, 40);
        row.push_back(value == 0 ? kNan : value / 2.0);
      }
      std::vector<double> parts(5);
      double raw = 0;
      booster->contributions(row, parts.data());
      booster->predict_raw(row, &raw);
      double sum = 0;
      for (const double part : parts) sum += part;
      RC_ASSERT(std::abs(sum - raw) < 1e-9);
    });
  }
}

}  // namespace
}  // namespace trimtab::model
