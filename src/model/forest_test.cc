#include "model/forest.h"

#include <LightGBM/c_api.h>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <random>
#include <rapidcheck.h>

#include "model/booster.h"

namespace trimtab::model {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A column of numbers (some with gaps, ties, zeros or huge ones), or of levels.
struct MadeColumn {
  int levels = 0;  // 0: numbers.
  double missing = 0;
  double scale = 1;
  bool is_rounded = false;

  double draw(std::mt19937_64& random) const {
    std::uniform_real_distribution<double> unit(0, 1);
    if (unit(random) < missing) return kNan;
    if (levels > 0) return std::floor(unit(random) * unit(random) * levels);
    const double number = (unit(random) - 0.3) * scale;
    return is_rounded ? std::round(number) : number;
  }
};

std::vector<MadeColumn> random_columns() {
  std::vector<MadeColumn> columns;
  for (int i = *rc::gen::inRange(1, 7); i > 0; --i) {
    columns.push_back({*rc::gen::elementOf(std::vector<int>{0, 0, 2, 12, 40, 200}),
                       *rc::gen::elementOf(std::vector<double>{0, 0.1, 0.6}),
                       *rc::gen::elementOf(std::vector<double>{1e-36, 1, 10, 1e6, 1e300}),
                       *rc::gen::arbitrary<bool>()});
  }
  return columns;
}

TrainingData made_rows(const std::vector<MadeColumn>& columns, int rows, bool binary, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  TrainingData data;
  data.width = static_cast<int>(columns.size());
  for (int i = 0; i < data.width; ++i) {
    data.feature_names.push_back("f" + std::to_string(i));
    if (columns[static_cast<std::size_t>(i)].levels > 0) data.categorical.push_back(i);
  }
  for (int row = 0; row < rows; ++row) {
    double signal = 0;
    for (const MadeColumn& column : columns) {
      const double value = data.values.emplace_back(column.draw(random));
      if (std::isnan(value)) signal += 0.7;
      if (value > 0)
        signal += column.levels > 0 ? (static_cast<int>(value) * 7 % 5 - 2) : value / column.scale;
    }
    signal += std::uniform_real_distribution<double>(-1, 1)(random);
    data.targets.push_back(binary ? (signal > 0.5 ? 1.0F : 0.0F) : static_cast<float>(signal));
  }
  // Both classes are there.
  if (binary) data.targets[0] = 1 - data.targets[1];
  return data;
}

std::string model_text(const TrainingData& data, const BoosterOptions& options) {
  Result<TrainedBooster> made = train_booster(data, nullptr, options, nullptr);
  RC_ASSERT(made.has_value());
  return made->text;
}

// What the text means to LightGBM.
std::vector<double> by_library(const std::string& text, const std::vector<double>& values, int width,
                               int kind) {
  int rounds = 0;
  void* booster = nullptr;
  EXPECT_EQ(LGBM_BoosterLoadModelFromString(text.c_str(), &rounds, &booster), 0);
  std::vector<double> out(values.size() / static_cast<std::size_t>(width));
  std::int64_t count = 0;
  EXPECT_EQ(
      LGBM_BoosterPredictForMat(booster, values.data(), C_API_DTYPE_FLOAT64, static_cast<int>(out.size()),
                                width, 1, kind, 0, -1, "num_threads=1 verbosity=-1", &count, out.data()),
      0);
  LGBM_BoosterFree(booster);
  return out;
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

// Rows like those of the training, with strange values in between.
std::vector<double> strange_rows(const std::vector<MadeColumn>& columns, std::uint64_t seed) {
  static const std::vector<double> kStrange = {
      kNan,   0,       -0.0,      1e-36,        -1e-36,
      1e-35F, -1e-35F, -1,        -0.5,         -3,
      0.9,    63.5,    1e9,       2147483648.0, 5e9,
      1e300,  -1e300,  kInfinity, -kInfinity,   std::numeric_limits<double>::denorm_min()};
  std::mt19937_64 random(seed);
  std::vector<double> values;
  for (int row = 0; row < 200; ++row) {
    for (const MadeColumn& column : columns) {
      const bool is_strange = random() % 4 == 0;
      values.push_back(is_strange ? kStrange[random() % kStrange.size()] : column.draw(random));
    }
  }
  return values;
}

TEST(Forest, PredictsTheBitsOfTheLibrary) {
  const bool holds = rc::check("for random models and rows", [] {
    const std::vector<MadeColumn> columns = random_columns();
    BoosterOptions options;
    options.binary = *rc::gen::arbitrary<bool>();
    options.rounds = *rc::gen::inRange(1, 40);
    options.leaves = *rc::gen::elementOf(std::vector<int>{2, 7, 31, 32, 33, 64, 120});
    options.min_data_in_leaf = *rc::gen::inRange(1, 30);
    options.learning_rate = 0.2;
    const auto seed = *rc::gen::arbitrary<std::uint64_t>();
    const int width = static_cast<int>(columns.size());
    const std::string text = model_text(made_rows(columns, 600, options.binary, seed), options);
    const std::unique_ptr<const Forest> forest = Forest::parse(text, width);
    RC_ASSERT(forest != nullptr);
    // The bounds themselves, too: they are in the text.
    std::vector<double> values = strange_rows(columns, seed + 1);
    for (std::size_t at = text.find("\nthreshold="); at != std::string::npos;
         at = text.find("\nthreshold=", at + 1))
      values[(at * 7) % values.size()] = std::atof(text.c_str() + at + 11);
    std::vector<double> raw(values.size() / columns.size()), given(raw.size()), alone(raw.size());
    forest->predict_raw(values, raw.data());
    forest->predict(values, given.data());
    for (std::size_t row = 0; row < alone.size(); ++row)
      forest->predict(std::span(values).subspan(row * columns.size(), columns.size()), &alone[row]);
    RC_ASSERT(same_bits(raw, by_library(text, values, width, C_API_PREDICT_RAW_SCORE)));
    RC_ASSERT(same_bits(given, by_library(text, values, width, C_API_PREDICT_NORMAL)));
    RC_ASSERT(same_bits(alone, given));
  });
  EXPECT_TRUE(holds);
}

TEST(Forest, BoundsAtZeroAreThoseOfTheLibrary) {
  // Bounds that training does not make: within what LightGBM takes for zero.
  const std::vector<MadeColumn> columns = {{0, 0.1, 1, false}};
  BoosterOptions options;
  options.rounds = 1;
  options.leaves = 2;
  const std::string text = model_text(made_rows(columns, 600, true, 5), options);
  const std::vector<double> values = {0,      -0.0,   1e-36,   -1e-36, 1e-35F, -1e-35F, 2e-35,
                                      -2e-35, 1e-320, -1e-320, kNan,   1,      -1};
  const std::size_t begin = text.find("\nthreshold=") + 11;
  for (const char* bound :
       {"0", "-0", "1e-36", "-1e-36", "1.0000000180025095e-35", "-1.0000000180025095e-35"}) {
    std::string other = text;
    other.replace(begin, text.find('\n', begin) - begin, bound);
    const std::unique_ptr<const Forest> forest = Forest::parse(other, 1);
    ASSERT_NE(forest, nullptr);
    std::vector<double> given(values.size());
    forest->predict(values, given.data());
    // The sizes of the trees are stated in the text.
    const std::size_t sizes = other.find("tree_sizes=");
    other.erase(sizes, other.find('\n', sizes) + 1 - sizes);
    EXPECT_TRUE(same_bits(given, by_library(other, values, 1, C_API_PREDICT_NORMAL))) << bound;
  }
}

TEST(Forest, LeavesToTheLibraryWhatItDoesNotKnow) {
  const std::vector<MadeColumn> columns = {{0, 0.1, 10, false}, {12, 0.1, 1, false}};
  BoosterOptions options;
  options.rounds = 3;
  const std::string text = model_text(made_rows(columns, 600, true, 3), options);
  ASSERT_NE(Forest::parse(text, 2), nullptr);
  EXPECT_EQ(Forest::parse(text, 1), nullptr);
  EXPECT_EQ(Forest::parse("", 2), nullptr);
  const auto with = [&text](std::string_view before, std::string_view after) {
    std::string other = text;
    const std::size_t at = other.find(before);
    EXPECT_NE(at, std::string::npos) << before;
    other.replace(at, before.size(), after);
    return Forest::parse(other, 2);
  };
  EXPECT_EQ(with("sigmoid:1", "sigmoid:2"), nullptr);
  EXPECT_EQ(with("objective=binary sigmoid:1", "objective=poisson"), nullptr);
  EXPECT_EQ(with("objective=binary sigmoid:1\n", ""), nullptr);
  EXPECT_EQ(with("num_class=1", "num_class=2"), nullptr);
  EXPECT_EQ(with("version=v4", "version=v5"), nullptr);
  EXPECT_EQ(with("label_index=0", "label_index=0\naverage_output"), nullptr);
  EXPECT_EQ(with("is_linear=0", "is_linear=1"), nullptr);
  EXPECT_EQ(with("shrinkage=", "surprise="), nullptr);
  EXPECT_EQ(with("end of trees", "end of"), nullptr);
  EXPECT_EQ(with("num_leaves=", "num_leaves=1"), nullptr);
  // The first number of a line is another one: a circle, a leaf twice, no feature, no number, zero as
  // missing.
  const auto first = [&](const std::string& line, const std::string& number) {
    const std::size_t at = text.find('\n' + line + '=');
    return with(text.substr(at, text.find_first_of(" \n", at + 1) - at), '\n' + line + '=' + number);
  };
  EXPECT_NE(first("leaf_value", "0.5"), nullptr);
  EXPECT_EQ(first("left_child", "0"), nullptr);
  EXPECT_EQ(first("left_child", "-2"), nullptr);
  EXPECT_EQ(first("split_feature", "7"), nullptr);
  EXPECT_EQ(first("leaf_value", "x"), nullptr);
  EXPECT_EQ(first("decision_type", "6"), nullptr);
  for (std::size_t size = 0; size < text.find("end of trees"); size += 97)
    EXPECT_EQ(Forest::parse(text.substr(0, size), 2), nullptr) << size;
}

TEST(Forest, ABoosterThatLeavesItsTextToTheLibraryPredictsAllTheSame) {
  const std::vector<MadeColumn> columns = {{0, 0.1, 10, false}, {12, 0.1, 1, false}};
  BoosterOptions options;
  options.rounds = 3;
  std::string text = model_text(made_rows(columns, 600, true, 3), options);
  const std::size_t sigmoid = text.find("sigmoid:1");
  text.replace(sigmoid, 9, "sigmoid:2");
  const Result<std::unique_ptr<Booster>> booster = Booster::load(text, 2);
  ASSERT_TRUE(booster);
  const std::vector<double> values = strange_rows(columns, 4);
  std::vector<double> out(values.size() / 2);
  (*booster)->predict(values, out.data());
  EXPECT_TRUE(same_bits(out, by_library(text, values, 2, C_API_PREDICT_NORMAL)));
}

}  // namespace
}  // namespace trimtab::model
