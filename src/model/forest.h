// The trees of a LightGBM model as tables, one for each feature: predictions that are bit for bit the
// library's, in a fraction of its time (docs/decisions/0026). It reads what our training writes; of all else
// it says so, and the library predicts.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace trimtab::model {

// Thread-safe: it never changes.
class Forest {
 public:
  // Null when the text holds anything that is not known here: another objective than binary (sigmoid 1) and
  // regression, linear leaves, averaged trees, zeros that count as missing, or more than the tables may hold.
  static std::unique_ptr<const Forest> parse(const std::string& text, int width);

  // `values`: rows × width. Log-odds (binary) or the value, one a row.
  void predict_raw(std::span<const double> values, double* out) const;
  // Probability of the positive class (binary) or the value.
  void predict(std::span<const double> values, double* out) const;

 private:
  friend class ForestReader;
  struct Tree {
    std::uint32_t first_word = 0;
    std::uint32_t first_leaf = 0;
  };
  // A feature that trees look at. Which row of the table it leads to:
  struct Feature {
    std::size_t position = 0;
    bool is_level = false;
    std::vector<double> thresholds;       // Of a number: `first_row` and as many as lie below it.
    std::vector<std::uint32_t> of_level;  // Of a level: by level.
    std::uint32_t first_row = 0;
    std::uint32_t none_row = 0;  // Of a missing number, and of a value that is no level of any split.
  };

  Forest() = default;
  const std::uint32_t* row_of(const Feature& feature, double value) const;

  std::size_t width_ = 0;
  bool is_binary_ = false;
  std::vector<Tree> trees_;
  std::vector<double> leaves_;  // Of all trees, each from left to right, …
  std::vector<Feature> features_;
  std::size_t row_words_ = 0;         // Of a row of the table: a multiple of kWordsAtOnce.
  std::vector<std::uint32_t> table_;  // … and which of them each row of it leaves over.
};

}  // namespace trimtab::model
