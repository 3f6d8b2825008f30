#include "serve/column_maps.h"

#include <algorithm>
#include <array>
#include <utility>

namespace trimtab::serve {
namespace {

// The source sent number · factor + offset, or the way back.
struct Unit {
  double factor = 1;
  double offset = 0;
  const char* name = "";
};
constexpr std::array kUnits = {
    Unit{1.8, 32, "1.8"},  Unit{1.8, 0, "1.8"},   Unit{0.3048, 0, "0.3048"}, Unit{0.4536, 0, "0.4536"},
    Unit{1000, 0, "1000"}, Unit{2.54, 0, "2.54"}, Unit{1.609, 0, "1.609"},
};

constexpr std::array<MapFamily, 4> kFamilies = {propose_units, propose_sign, propose_swaps,
                                                propose_rescaling};

void swap_relations(Relations& relations, std::size_t a, std::size_t b) {
  for (std::size_t other = 0; other < relations.columns(); ++other) {
    if (other == a || other == b) continue;
    const double kept = relations.at(a, other);
    relations.set(a, other, relations.at(b, other));
    relations.set(b, other, kept);
  }
}

}  // namespace

void apply(const ColumnMap& map, WindowShape& window) {
  if (map.kind == MapKind::swap) {
    std::swap(window.columns[map.column], window.columns[map.other]);
    return swap_relations(window.relations, map.column, map.other);
  }
  ColumnShape& shape = window.columns[map.column];
  for (double* number : {&shape.low, &shape.middle, &shape.high, &shape.least, &shape.repeated_value}) {
    *number = map(*number);
  }
  if (map.factor > 0) return;
  // The least number is not known any longer; what is below the lower quartile says enough.
  std::swap(shape.low, shape.high);
  shape.least = shape.low;
  for (std::size_t other = 0; other < window.relations.columns(); ++other) {
    if (other != map.column) window.relations.set(map.column, other, -window.relations.at(map.column, other));
  }
}

void apply(const ColumnMap& map, NumberTable& numbers) {
  if (map.kind == MapKind::swap) {
    std::ranges::swap_ranges(numbers.column(map.column), numbers.column(map.other));
    return;
  }
  for (double& number : numbers.column(map.column)) number = map(number);
}

void propose_units(const MapQuestion& question, std::vector<ColumnMap>& maps) {
  const std::size_t column = question.column;
  for (const Unit& unit : kUnits) {
    const std::string name = unit.name;
    const std::string back = unit.offset == 0 ? "x / " + name : "(x - 32) / " + name;
    const std::string forth = "x * " + name + (unit.offset == 0 ? "" : " + 32");
    maps.push_back({MapKind::unit, column, column, 1 / unit.factor, -unit.offset / unit.factor, back});
    maps.push_back({MapKind::unit, column, column, unit.factor, unit.offset, forth});
  }
}

void propose_sign(const MapQuestion& question, std::vector<ColumnMap>& maps) {
  maps.push_back({MapKind::sign, question.column, question.column, -1, 0, "-x"});
}

void propose_swaps(const MapQuestion& question, std::vector<ColumnMap>& maps) {
  for (const int other : question.swaps_with) {
    maps.push_back({MapKind::swap, question.column, static_cast<std::size_t>(other), 1, 0, ""});
  }
}

void propose_rescaling(const MapQuestion& question, std::vector<ColumnMap>& maps) {
  const ColumnShape& now = question.window.columns[question.column];
  const ColumnShape& usual = question.usual;
  if (!question.is_far || !(now.high > now.low) || !(usual.high > usual.low)) return;
  const double factor = (usual.high - usual.low) / (now.high - now.low);
  maps.push_back({MapKind::rescale, question.column, question.column, factor,
                  usual.middle - factor * now.middle, "another scale and place"});
}

std::span<const MapFamily> map_families() { return kFamilies; }

}  // namespace trimtab::serve
