#include "watch/column_bins.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/unseen.h"

namespace trimtab::watch {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

ColumnBins ColumnBins::of_numbers(std::vector<double> values, int quantiles) {
  CHECK(quantiles >= 1 && quantiles < kLevelsMax - 2);
  ColumnBins bins;
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  if (values.empty()) return bins;
  std::sort(values.begin(), values.end());
  const std::size_t count = values.size();
  for (int i = 0; i < quantiles; ++i) {
    const double edge = values[count * static_cast<std::size_t>(i) / static_cast<std::size_t>(quantiles)];
    if (bins.edges_.empty() || edge > bins.edges_.back()) bins.edges_.push_back(edge);
  }
  bins.edges_.push_back(std::nextafter(values.back(), kInfinity));
  bins.ordinary_ = static_cast<int>(bins.edges_.size()) + 1;
  return bins;
}

ColumnBins ColumnBins::of_levels(int levels) {
  ColumnBins bins;
  bins.is_levels_ = true;
  bins.ordinary_ = std::clamp(levels, 1, kLevelsMax);
  return bins;
}

int ColumnBins::find(double encoded) const {
  if (std::isnan(encoded)) return model::is_unseen(encoded) ? unseen_bin() : null_bin();
  if (is_levels_) return std::min(static_cast<int>(encoded), ordinary_ - 1);
  return static_cast<int>(std::upper_bound(edges_.begin(), edges_.end(), encoded) - edges_.begin());
}

Json ColumnBins::to_json() const {
  if (is_levels_) return Json::object({{"levels", ordinary_}});
  Json edges = Json::array();
  for (const double edge : edges_) edges.push(edge);
  return Json::object({{"edges", std::move(edges)}});
}

Result<ColumnBins> ColumnBins::from_json(const Json& json) {
  if (json["levels"].is_int()) {
    const std::int64_t levels = json["levels"].as_int();
    if (levels < 1 || levels > kLevelsMax) {
      return fail(ErrorCode::invalid, "a column's bins are broken: " + std::to_string(levels) + " levels");
    }
    return of_levels(static_cast<int>(levels));
  }
  ColumnBins bins;
  if (!json["edges"].is_array())
    return fail(ErrorCode::invalid, "a column's bins are broken: no edges and no levels");
  for (const Json& edge : json["edges"].as_array()) {
    const bool rises = edge.is_number() && (bins.edges_.empty() || edge.as_double() > bins.edges_.back());
    if (!rises) return fail(ErrorCode::invalid, "a column's bins are broken: the edges do not rise");
    bins.edges_.push_back(edge.as_double());
  }
  bins.ordinary_ = static_cast<int>(bins.edges_.size()) + 1;
  return bins;
}

}  // namespace trimtab::watch
