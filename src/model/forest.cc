// How it works (after QuickScorer: Lucchese et al. 2015): the leaves of a tree are bits, numbered from left
// to right. A split that sends a row to the right rules out all leaves to its left; of those that no split
// rules out the first is where the row ends. What all splits on one feature rule out together depends on
// nothing but the thresholds that lie below its value, so it is computed when the model is read, a row of
// bits for every gap between thresholds and for every level. A prediction then looks up a row for each
// feature, keeps the bits that all of them have, and adds the leaves up in the order of the trees. It has no
// step that waits for the one before and no jump that depends on the data, which is where the walk from node
// to node spends its time.
#include "model/forest.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace trimtab::model {
namespace {

constexpr std::uint32_t kWordLeaves = 32;
// Sixteen words at a time fill the registers that every processor of the kind has.
using Words = std::uint32_t __attribute__((vector_size(16), aligned(4), may_alias));
constexpr std::size_t kWordsAtOnce = 16;
constexpr std::size_t kTableBytesMax = 16u << 20;
constexpr std::size_t kLevelsMax = 100'000;
// What LightGBM takes for zero, on its way in and as the bound of the bin that holds it.
constexpr double kZero = 1e-35F;

using Fields = std::map<std::string_view, std::string_view>;

// The next line of the text, which is cut off it.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

// Lines of `key=value` up to an empty one; nothing when there is another line, or a key twice.
std::optional<Fields> take_fields(std::string_view& text) {
  Fields fields;
  while (true) {
    const std::string_view line = take_line(text);
    if (line.empty()) return fields;
    const std::size_t sign = line.find('=');
    if (sign == std::string_view::npos) return std::nullopt;
    if (!fields.emplace(line.substr(0, sign), line.substr(sign + 1)).second) return std::nullopt;
  }
}

bool all_known(const Fields& fields, std::initializer_list<std::string_view> known) {
  return std::all_of(fields.begin(), fields.end(), [&](const auto& field) {
    return std::find(known.begin(), known.end(), field.first) != known.end();
  });
}

std::string_view text_of(const Fields& fields, std::string_view key) {
  const auto found = fields.find(key);
  return found == fields.end() ? std::string_view() : found->second;
}

// `count` numbers with a blank between them; nothing when they are other ones.
template <class T>
std::optional<std::vector<T>> numbers(const Fields& fields, std::string_view key, std::size_t count) {
  const std::string_view text = text_of(fields, key);
  std::vector<T> list;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    const auto [stop, broken] = std::from_chars(at, end, list.emplace_back());
    if (broken != std::errc() || (stop < end && *stop != ' ')) return std::nullopt;
    at = stop < end ? stop + 1 : stop;
  }
  if (list.size() != count) return std::nullopt;
  return list;
}

// A bound that compares as LightGBM does, which takes a value near zero for zero.
double beside_zero(double threshold) {
  if (threshold >= 0) return std::max(threshold, kZero);
  return std::min(threshold, std::nextafter(-kZero, -1.0));
}

// Leaves of a tree that a split rules out where it sends a row to the right.
struct Cut {
  std::uint32_t first_bit = 0;  // In a row of the table.
  std::uint32_t bits = 0;
  double threshold = 0;               // Of a number.
  bool missing_left = false;          // The same.
  std::vector<std::uint32_t> levels;  // Of a level: those that go left, a bit each.

  bool keeps(std::size_t level) const {
    return level / 32 < levels.size() && (levels[level / 32] >> (level % 32) & 1) != 0;
  }
};

struct CutsOfFeature {
  bool is_level = false;
  std::vector<Cut> cuts;
};

void rule_out(const Cut& cut, std::vector<std::uint32_t>& row) {
  for (std::uint32_t bit = cut.first_bit; bit < cut.first_bit + cut.bits; ++bit)
    row[bit / 32] &= ~(std::uint32_t{1} << (bit % 32));
}

}  // namespace

// Reads the text; every member returns false where it meets what it does not know.
class ForestReader {
 public:
  ForestReader(std::string_view text, int width) : text_(text), cuts_(static_cast<std::size_t>(width)) {
    forest_->width_ = cuts_.size();
  }

  bool read() {
    if (take_line(text_) != "tree") return false;
    const std::optional<Fields> head = take_fields(text_);
    if (!head || !read_head(*head)) return false;
    while (text_.starts_with("Tree=")) {
      const std::optional<Fields> tree = take_fields(text_);
      if (!tree || !read_tree(*tree)) return false;
      while (text_.starts_with('\n')) text_.remove_prefix(1);
    }
    return text_.starts_with("end of trees\n") && make_table();
  }

  std::unique_ptr<const Forest> take() { return std::move(forest_); }

 private:
  // The fields of a tree that say where a row goes.
  struct Splits {
    std::vector<int> feature, decision, left, right;
    std::vector<double> threshold;
    std::vector<std::uint32_t> level_begins, level_words;
    std::vector<double> leaves;
  };

  bool read_head(const Fields& head) {
    const std::string_view objective = text_of(head, "objective");
    forest_->is_binary_ = objective == "binary sigmoid:1";
    return (forest_->is_binary_ || objective == "regression") && text_of(head, "version") == "v4" &&
           text_of(head, "num_class") == "1" && text_of(head, "num_tree_per_iteration") == "1" &&
           all_known(head, {"version", "num_class", "num_tree_per_iteration", "label_index",
                            "max_feature_idx", "objective", "feature_names", "feature_infos", "tree_sizes"});
  }

  bool read_tree(const Fields& tree) {
    if (!all_known(tree, {"Tree", "num_leaves", "num_cat", "split_feature", "split_gain", "threshold",
                          "decision_type", "left_child", "right_child", "leaf_value", "leaf_weight",
                          "leaf_count", "internal_value", "internal_weight", "internal_count",
                          "cat_boundaries", "cat_threshold", "is_linear", "shrinkage"}))
      return false;
    const auto leaves = numbers<std::uint16_t>(tree, "num_leaves", 1);
    const auto categories = numbers<std::uint16_t>(tree, "num_cat", 1);
    if (!leaves || leaves->front() == 0 || !categories || text_of(tree, "is_linear") != "0") return false;
    Splits splits;
    if (!read_splits(tree, leaves->front() - 1U, splits) || !read_levels(tree, categories->front(), splits))
      return false;
    return add(splits);
  }

  static bool read_splits(const Fields& tree, std::size_t count, Splits& to) {
    auto leaves = numbers<double>(tree, "leaf_value", count + 1);
    auto feature = numbers<int>(tree, "split_feature", count);
    auto threshold = numbers<double>(tree, "threshold", count);
    auto decision = numbers<int>(tree, "decision_type", count);
    auto left = numbers<int>(tree, "left_child", count);
    auto right = numbers<int>(tree, "right_child", count);
    if (!leaves || !feature || !threshold || !decision || !left || !right) return false;
    to.leaves = *std::move(leaves);
    to.feature = *std::move(feature);
    to.threshold = *std::move(threshold);
    to.decision = *std::move(decision);
    to.left = *std::move(left);
    to.right = *std::move(right);
    return true;
  }

  static bool read_levels(const Fields& tree, std::size_t count, Splits& to) {
    if (count == 0) return true;
    auto begins = numbers<std::uint32_t>(tree, "cat_boundaries", count + 1);
    if (!begins || begins->front() != 0 || !std::is_sorted(begins->begin(), begins->end())) return false;
    auto words = numbers<std::uint32_t>(tree, "cat_threshold", begins->back());
    if (!words) return false;
    to.level_begins = *std::move(begins);
    to.level_words = *std::move(words);
    return true;
  }

  // Numbers the leaves from left to right, and notes for each split which of them lie to its left.
  bool add(const Splits& splits) {
    const std::size_t count = splits.feature.size();
    std::vector<std::uint32_t> size(count, 0), begin(count, 0);  // Of the leaves below each split.
    for (std::size_t i = count; i-- > 0;) {
      const std::optional<std::uint32_t> left = leaves_below(splits.left[i], i, size);
      const std::optional<std::uint32_t> right = leaves_below(splits.right[i], i, size);
      if (!left || !right) return false;
      size[i] = *left + *right;
    }
    const std::size_t leaves = splits.leaves.size();
    if (count > 0 && size[0] != leaves) return false;
    const auto first_leaf = static_cast<std::uint32_t>(forest_->leaves_.size());
    forest_->trees_.push_back({words_, first_leaf});
    forest_->leaves_.resize(first_leaf + leaves);
    std::vector<bool> is_placed(count + leaves, false);  // Splits, then leaves.
    const auto place = [&](int child, std::uint32_t at) {
      const std::size_t number =
          child < 0 ? count + static_cast<std::size_t>(~child) : static_cast<std::size_t>(child);
      if (number >= is_placed.size() || is_placed[number]) return false;
      is_placed[number] = true;
      if (child < 0) forest_->leaves_[first_leaf + at] = splits.leaves[number - count];
      if (child >= 0) begin[number] = at;
      return true;
    };
    if (!place(count > 0 ? 0 : ~0, 0)) return false;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t left = *leaves_below(splits.left[i], i, size);
      if (!place(splits.left[i], begin[i]) || !place(splits.right[i], begin[i] + left)) return false;
      if (!add_cut(splits, i, words_ * kWordLeaves + begin[i], left)) return false;
    }
    words_ += (static_cast<std::uint32_t>(leaves) + kWordLeaves - 1) / kWordLeaves;
    return true;
  }

  // LightGBM numbers a split before those below it; whatever does not run in a circle.
  static std::optional<std::uint32_t> leaves_below(int child, std::size_t parent,
                                                   const std::vector<std::uint32_t>& size) {
    if (child < 0) return 1;
    const auto number = static_cast<std::size_t>(child);
    if (number <= parent || number >= size.size()) return std::nullopt;
    return size[number];
  }

  bool add_cut(const Splits& splits, std::size_t split, std::uint32_t first_bit, std::uint32_t bits) {
    const int feature = splits.feature[split];
    if (feature < 0 || static_cast<std::size_t>(feature) >= cuts_.size()) return false;
    Cut cut;
    cut.first_bit = first_bit;
    cut.bits = bits;
    const double threshold = splits.threshold[split];
    const bool is_level = (splits.decision[split] & 1) != 0;
    if (is_level) {
      if (!(threshold >= 0 && threshold + 1 < static_cast<double>(splits.level_begins.size()))) return false;
      const auto list = static_cast<std::size_t>(threshold);
      cut.levels.assign(splits.level_words.begin() + splits.level_begins[list],
                        splits.level_words.begin() + splits.level_begins[list + 1]);
    } else {
      const int missing = splits.decision[split] >> 2;  // 0: there is none, 1: zero is it, 2: NaN is it.
      if ((missing != 0 && missing != 2) || std::isnan(threshold)) return false;
      cut.threshold = beside_zero(threshold);
      // Where training saw none missing, what is missing counts as zero.
      cut.missing_left = missing == 2 ? (splits.decision[split] & 2) != 0 : threshold >= 0;
    }
    CutsOfFeature& known = cuts_[static_cast<std::size_t>(feature)];
    if (!known.cuts.empty() && known.is_level != is_level) return false;
    known.is_level = is_level;
    known.cuts.push_back(std::move(cut));
    return true;
  }

  bool make_table() {
    forest_->row_words_ = (words_ + kWordsAtOnce - 1) / kWordsAtOnce * kWordsAtOnce;
    for (std::size_t position = 0; position < cuts_.size(); ++position) {
      CutsOfFeature& known = cuts_[position];
      if (known.cuts.empty()) continue;
      Forest::Feature feature;
      feature.position = position;
      feature.is_level = known.is_level;
      if (known.is_level ? !add_levels(known.cuts, feature) : !add_numbers(known.cuts, feature)) return false;
      forest_->features_.push_back(std::move(feature));
    }
    return true;
  }

  std::vector<std::uint32_t> whole_row() const {
    return std::vector<std::uint32_t>(forest_->row_words_, ~0U);
  }

  // The number of the new row; nothing when there are too many.
  std::optional<std::uint32_t> add_row(const std::vector<std::uint32_t>& row) {
    std::vector<std::uint32_t>& table = forest_->table_;
    if ((table.size() + row.size()) * sizeof(std::uint32_t) > kTableBytesMax) return std::nullopt;
    table.insert(table.end(), row.begin(), row.end());
    return static_cast<std::uint32_t>(table.size() / row.size() - 1);
  }

  bool add_numbers(std::vector<Cut>& cuts, Forest::Feature& feature) {
    std::sort(cuts.begin(), cuts.end(), [](const Cut& a, const Cut& b) { return a.threshold < b.threshold; });
    std::vector<std::uint32_t> missing = whole_row();
    for (const Cut& cut : cuts) {
      if (!cut.missing_left) rule_out(cut, missing);
    }
    std::vector<std::uint32_t> row = whole_row();
    std::optional<std::uint32_t> first = add_row(row), last = first;
    for (std::size_t i = 0; i < cuts.size() && last; ++i) {
      rule_out(cuts[i], row);
      if (i + 1 < cuts.size() && cuts[i + 1].threshold == cuts[i].threshold) continue;
      feature.thresholds.push_back(cuts[i].threshold);
      last = add_row(row);
    }
    const std::optional<std::uint32_t> none = add_row(missing);
    if (!first || !last || !none) return false;
    feature.first_row = *first;
    feature.none_row = *none;
    return true;
  }

  // Many levels are ruled out alike; they share a row.
  bool add_levels(const std::vector<Cut>& cuts, Forest::Feature& feature) {
    std::size_t levels = 0;
    for (const Cut& cut : cuts) levels = std::max(levels, cut.levels.size() * 32);
    if (levels > kLevelsMax) return false;
    std::map<std::vector<std::uint32_t>, std::uint32_t> known;
    for (std::size_t level = 0; level <= levels; ++level) {  // The last stands for what is no level.
      std::vector<std::uint32_t> row = whole_row();
      for (const Cut& cut : cuts) {
        if (!cut.keeps(level)) rule_out(cut, row);
      }
      const auto [entry, is_new] = known.try_emplace(row);
      if (is_new) {
        const std::optional<std::uint32_t> added = add_row(row);
        if (!added) return false;
        entry->second = *added;
      }
      feature.none_row = entry->second;
      feature.of_level.push_back(entry->second);
    }
    return true;
  }

  std::string_view text_;
  std::vector<CutsOfFeature> cuts_;
  std::uint32_t words_ = 0;  // Of the trees so far.
  std::unique_ptr<Forest> forest_{new Forest};
};

std::unique_ptr<const Forest> Forest::parse(const std::string& text, int width) {
  ForestReader reader(text, width);
  return reader.read() ? reader.take() : nullptr;
}

inline const std::uint32_t* Forest::row_of(const Feature& feature, double value) const {
  const std::uint32_t* const table = table_.data();
  if (std::isnan(value)) return table + feature.none_row * row_words_;
  if (feature.is_level) {
    // Fractions go to their whole part, as they do in LightGBM.
    const bool is_one = value > -1 && value < static_cast<double>(feature.of_level.size());
    const std::uint32_t row =
        is_one ? feature.of_level.data()[static_cast<std::size_t>(std::max(value, 0.0))] : feature.none_row;
    return table + row * row_words_;
  }
  // A binary search that takes all its steps: the compiler makes no jumps of it.
  const double* const first = feature.thresholds.data();
  const double* below = first;
  for (std::size_t left = feature.thresholds.size(); left > 0;) {
    const std::size_t half = (left + 1) / 2;
    below += half * static_cast<std::size_t>(below[half - 1] < value);
    left -= half;
  }
  return table + (feature.first_row + static_cast<std::size_t>(below - first)) * row_words_;
}

void Forest::predict_raw(std::span<const double> values, double* out) const {
  CHECK(values.size() % width_ == 0);
  std::vector<const std::uint32_t*> kept(features_.size());
  std::vector<std::uint32_t> bits(row_words_);
  for (; !values.empty(); values = values.subspan(width_)) {
    for (std::size_t i = 0; i < features_.size(); ++i)
      kept[i] = row_of(features_.data()[i], values.data()[features_.data()[i].position]);
    for (std::size_t word = 0; word < row_words_; word += kWordsAtOnce) {
      Words all[4] = {~Words{}, ~Words{}, ~Words{}, ~Words{}};
      for (const std::uint32_t* row : kept) {
        const Words* const more = reinterpret_cast<const Words*>(row + word);
        all[0] &= more[0];
        all[1] &= more[1];
        all[2] &= more[2];
        all[3] &= more[3];
      }
      std::memcpy(bits.data() + word, all, sizeof all);
    }
    double sum = 0;
    for (const Tree& tree : trees_) {
      const std::uint32_t* word = bits.data() + tree.first_word;
      std::size_t leaf = tree.first_leaf;
      for (; *word == 0; ++word) leaf += kWordLeaves;
      sum += leaves_.data()[leaf + static_cast<std::size_t>(std::countr_zero(*word))];
    }
    *out++ = sum;
  }
}

void Forest::predict(std::span<const double> values, double* out) const {
  predict_raw(values, out);
  if (!is_binary_) return;
  for (std::size_t row = 0; row < values.size() / width_; ++row) out[row] = 1.0 / (1.0 + std::exp(-out[row]));
}

}  // namespace trimtab::model
