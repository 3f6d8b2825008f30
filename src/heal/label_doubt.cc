#include "heal/label_doubt.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>
#include <vector>

#include "heal/batch_level.h"
#include "model/level.h"

namespace trimtab::heal {
namespace {

constexpr std::size_t kFewValues = 12;  // A column of no more is taken value by value.
constexpr int kParts = 10;
constexpr double kDoubtRidge = 1;

// Some of a batch's rows, a bit each.
using RowBits = std::vector<std::uint64_t>;

RowBits common(const RowBits& a, const RowBits& b) {
  RowBits both(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) both[i] = a[i] & b[i];
  return both;
}

bool is_apart(const RowBits& a, const RowBits& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if ((a[i] & b[i]) != 0) return false;
  }
  return true;
}

struct Group {
  RowGroup rows;
  RowBits bits;
};

template <class Predicate>
RowBits rows_where(std::size_t count, Predicate holds) {
  RowBits bits((count + 63) / 64);
  for (std::size_t row = 0; row < count; ++row) {
    if (holds(row)) bits[row / 64] |= std::uint64_t{1} << (row % 64);
  }
  return bits;
}

// -ln of the probability of a label.
double cost_of(double score, double truth) {
  return -std::log(std::max(truth >= 0.5 ? score : 1 - score, 1e-6));
}

class Search {
 public:
  Search(const watch::CorrectionRows& rows, double unexplained_min)
      : rows_(rows), count_(rows.truth.size()), unexplained_min_(unexplained_min) {
    const double level = fit_level(rows.score, rows.truth);
    std::vector<double> expected(count_), corrected(count_);
    for (std::size_t row = 0; row < count_; ++row) expected[row] = model::at_level(rows.score[row], level);
    corrected = expected;
    if (const auto correction = watch::Correction::fit(rows, kDoubtRidge)) correction->apply(rows, corrected);
    for (std::size_t row = 0; row < count_; ++row) {
      surprise_.push_back(cost_of(expected[row], rows.truth[row]));
      unexplained_.push_back(cost_of(corrected[row], rows.truth[row]));
    }
    positives_ = rows_where(count_, [&](std::size_t row) { return rows.truth[row] >= 0.5; });
    negatives_ = rows_where(count_, [&](std::size_t row) { return rows.truth[row] < 0.5; });
  }

  std::optional<LabelDoubt> run() {
    std::vector<Group> values, parts;
    for (int feature = 0; feature < rows_.width; ++feature) add_groups(feature, values, parts);
    for (const Group& value : values) weigh(value);
    for (const Group& part : parts) weigh(part);
    for (const Group& value : values) {
      for (const Group& part : parts) {
        RowGroup rows = value.rows;
        rows.second = part.rows.first;
        weigh({rows, common(value.bits, part.bits)});
      }
    }
    return worst_;
  }

  // All rows alike: their level explains that, so it is weighed without.
  std::optional<LabelDoubt> all_alike() const {
    const auto is_positive = [](double truth) { return truth >= 0.5; };
    const bool all = std::all_of(rows_.truth.begin(), rows_.truth.end(), is_positive);
    if (!all && std::any_of(rows_.truth.begin(), rows_.truth.end(), is_positive)) return std::nullopt;
    LabelDoubt doubt{{}, all ? 1.0 : 0.0, static_cast<std::int64_t>(count_), 0, 0};
    for (std::size_t row = 0; row < count_; ++row) doubt.surprise += cost_of(rows_.score[row], doubt.label);
    doubt.unexplained = doubt.surprise;
    return doubt.surprise >= kDoubtSurprise ? std::optional(doubt) : std::nullopt;
  }

 private:
  double cell(std::size_t row, int feature) const {
    return rows_.features[row * static_cast<std::size_t>(rows_.width) + static_cast<std::size_t>(feature)];
  }

  void add_groups(int feature, std::vector<Group>& values, std::vector<Group>& parts) const {
    std::vector<double> sorted;
    for (std::size_t row = 0; row < count_; ++row) {
      if (std::isfinite(cell(row, feature))) sorted.push_back(cell(row, feature));
    }
    std::sort(sorted.begin(), sorted.end());
    const std::set<double> distinct(sorted.begin(), sorted.end());
    const auto add = [&](std::vector<Group>& groups, RowGroup::Bound bound, double at) {
      const auto holds = [&](std::size_t row) {
        const double value = cell(row, feature);
        return bound == RowGroup::Bound::equal      ? value == at
               : bound == RowGroup::Bound::at_least ? value >= at
                                                    : value <= at;
      };
      groups.push_back({{RowGroup::Part{feature, bound, at}, std::nullopt}, rows_where(count_, holds)});
    };
    if (distinct.size() <= kFewValues) {
      for (const double value : distinct) add(values, RowGroup::Bound::equal, value);
      return;
    }
    for (int part = 1; part < kParts; ++part) {
      const double at = sorted[sorted.size() * static_cast<std::size_t>(part) / kParts];
      add(parts, RowGroup::Bound::at_least, at);
      add(parts, RowGroup::Bound::at_most, at);
    }
  }

  void weigh(const Group& group) {
    const bool is_positive = is_apart(group.bits, negatives_);
    if (!is_positive && !is_apart(group.bits, positives_)) return;
    LabelDoubt doubt{group.rows, is_positive ? 1.0 : 0.0, 0, 0, 0};
    for (std::size_t word = 0; word < group.bits.size(); ++word) {
      for (std::uint64_t rest = group.bits[word]; rest != 0; rest &= rest - 1) {
        const std::size_t row = word * 64 + static_cast<std::size_t>(std::countr_zero(rest));
        doubt.surprise += surprise_[row];
        doubt.unexplained += unexplained_[row];
        ++doubt.rows;
      }
    }
    const double share = static_cast<double>(doubt.rows) / static_cast<double>(count_);
    if (doubt.rows < kDoubtRowsMin || share < kDoubtShareMin) return;
    if (doubt.surprise < kDoubtSurprise || doubt.unexplained < unexplained_min_) return;
    if (!worst_ || doubt.surprise > worst_->surprise) worst_ = doubt;
  }

  const watch::CorrectionRows& rows_;
  std::size_t count_;
  double unexplained_min_;
  std::vector<double> surprise_, unexplained_;  // What each row's label costs.
  RowBits positives_, negatives_;
  std::optional<LabelDoubt> worst_;
};

Json part_json(const RowGroup::Part& part) {
  const char* bound = part.bound == RowGroup::Bound::equal      ? "equal"
                      : part.bound == RowGroup::Bound::at_least ? "at_least"
                                                                : "at_most";
  return Json::object({{"feature", part.feature}, {bound, part.value}});
}

}  // namespace

Json LabelDoubt::to_json() const {
  Json groups = Json::array();
  if (group.first) groups.push(part_json(*group.first));
  if (group.second) groups.push(part_json(*group.second));
  Json json = Json::object({{"rows_alike", rows}, {"label", label}, {"surprise", surprise}});
  return json.set("unexplained", unexplained).set("where", std::move(groups));
}

std::string where_text(const Json& where, const std::vector<model::Feature>& features) {
  std::string text;
  for (const Json& part : where.as_array()) {
    const auto number = static_cast<std::size_t>(part.int_or("feature"));
    const model::Feature* feature = number < features.size() ? &features[number] : nullptr;
    text += text.empty() ? "" : " and ";
    text += feature != nullptr ? feature->name : "feature " + std::to_string(number);
    const bool is_equal = part["equal"].is_number();
    text += is_equal ? " = " : part["at_least"].is_number() ? " >= " : " <= ";
    const double value =
        is_equal ? part.double_or("equal") : part.double_or("at_least", part.double_or("at_most"));
    const bool is_level = is_equal && feature != nullptr && value >= 0 &&
                          static_cast<std::size_t>(value) < feature->levels.size();
    text += is_level ? feature->levels[static_cast<std::size_t>(value)] : Json(value).dump();
  }
  return text.empty() ? "all rows" : text;
}

std::optional<LabelDoubt> doubt_labels(const watch::CorrectionRows& rows, double unexplained_min) {
  if (rows.truth.size() < kDoubtRowsMin) return std::nullopt;
  Search search(rows, unexplained_min);
  if (const std::optional<LabelDoubt> all = search.all_alike()) return all;
  return search.run();
}

}  // namespace trimtab::heal
