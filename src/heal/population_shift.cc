#include "heal/population_shift.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace trimtab::heal {
namespace {

constexpr std::size_t kBins = 10;

// The cells of one feature; NaN where it is missing.
void add_cells(const watch::LabelledBatch& batch, int feature, std::vector<double>& cells) {
  for (std::size_t row = 0; row < batch.truth.size(); ++row) {
    cells.push_back(
        batch.features[row * static_cast<std::size_t>(batch.width) + static_cast<std::size_t>(feature)]);
  }
}

std::vector<double> edges_of(std::vector<double> cells) {
  std::erase_if(cells, [](double cell) { return std::isnan(cell); });
  std::sort(cells.begin(), cells.end());
  std::vector<double> edges;
  for (std::size_t bin = 1; bin < kBins && !cells.empty(); ++bin) {
    const double edge = cells[bin * cells.size() / kBins];
    if (edges.empty() || edge > edges.back()) edges.push_back(edge);
  }
  return edges;
}

std::vector<double> count_cells(const std::vector<double>& cells, const std::vector<double>& edges) {
  std::vector<double> counts(edges.size() + 2);
  for (const double cell : cells) {
    const auto bin = std::lower_bound(edges.begin(), edges.end(), cell) - edges.begin();
    ++(std::isnan(cell) ? counts.back() : counts[static_cast<std::size_t>(bin)]);
  }
  return counts;
}

double index_of(const std::vector<double>& before, const std::vector<double>& now) {
  double rows_before = 0, rows_now = 0;
  for (const double count : before) rows_before += count;
  for (const double count : now) rows_now += count;
  if (rows_before == 0 || rows_now == 0) return 0;
  double index = 0;
  for (std::size_t bin = 0; bin < before.size(); ++bin) {
    const double p = std::max(before[bin], 0.5) / rows_before;
    const double q = std::max(now[bin], 0.5) / rows_now;
    index += (q - p) * std::log(q / p);
  }
  return index;
}

Json array_of(const std::vector<double>& values) {
  Json array = Json::array();
  for (const double value : values) array.push(value);
  return array;
}

std::vector<double> values_of(const Json& array) {
  std::vector<double> values;
  for (const Json& value : array.as_array()) values.push_back(value.as_double());
  return values;
}

}  // namespace

PopulationReference PopulationReference::of(std::span<const watch::LabelledBatch* const> batches) {
  PopulationReference reference;
  if (batches.empty()) return reference;
  const int width = batches.back()->width;
  for (int feature = 0; feature < width; ++feature) {
    std::vector<double> cells;
    for (const watch::LabelledBatch* batch : batches) {
      if (batch->width == width) add_cells(*batch, feature, cells);
    }
    Feature known;
    known.edges = edges_of(cells);
    known.counts = count_cells(cells, known.edges);
    reference.features_.push_back(std::move(known));
  }
  return reference;
}

double PopulationReference::shift_of(const watch::LabelledBatch& batch) const {
  if (std::ssize(features_) != batch.width) return 0;
  double largest = 0;
  for (int feature = 0; feature < batch.width; ++feature) {
    const Feature& known = features_[static_cast<std::size_t>(feature)];
    std::vector<double> cells;
    add_cells(batch, feature, cells);
    largest = std::max(largest, index_of(known.counts, count_cells(cells, known.edges)));
  }
  return largest;
}

Json PopulationReference::to_json() const {
  Json list = Json::array();
  for (const Feature& feature : features_) {
    list.push(Json::object({{"edges", array_of(feature.edges)}, {"counts", array_of(feature.counts)}}));
  }
  return list;
}

PopulationReference PopulationReference::from_json(const Json& json) {
  PopulationReference reference;
  if (!json.is_array()) return reference;
  for (const Json& feature : json.as_array()) {
    reference.features_.push_back({values_of(feature["edges"]), values_of(feature["counts"])});
  }
  return reference;
}

}  // namespace trimtab::heal
