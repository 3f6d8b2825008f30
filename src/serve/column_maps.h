// What a broken source may have done to a column of numbers, undone. The family is a list of small functions
// that each propose maps for one column; which of them is right is for one score to say, the same for all
// (repair_search.h), so that another kind of damage is one more function here.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "serve/number_window.h"

namespace trimtab::serve {

enum class MapKind : std::uint8_t { unit, sign, swap, rescale };

// Either `factor` · number + `offset`, or what stands in column `other`, and the other way round.
struct ColumnMap {
  MapKind kind = MapKind::unit;
  std::size_t column = 0;
  std::size_t other = 0;  // Of a swap; otherwise the column itself.
  double factor = 1;
  double offset = 0;
  std::string words;  // "x / 1000", for people; x is what was sent.

  double operator()(double number) const { return factor * number + offset; }
};

// The window as it would look behind the map.
void apply(const ColumnMap& map, WindowShape& window);
// The numbers behind the map.
void apply(const ColumnMap& map, NumberTable& numbers);

// One column that looks wrong, and what is known about it.
struct MapQuestion {
  std::size_t column = 0;
  const WindowShape& window;
  const ColumnShape& usual;         // What the column looks like otherwise.
  bool is_far = false;              // Far enough off for a map that fits anything.
  std::span<const int> swaps_with;  // Columns of the same type.
};

using MapFamily = void (*)(const MapQuestion& question, std::vector<ColumnMap>& maps);

// Division and multiplication by the units of a table, with and without the offset of degrees Fahrenheit.
void propose_units(const MapQuestion& question, std::vector<ColumnMap>& maps);
void propose_sign(const MapQuestion& question, std::vector<ColumnMap>& maps);
void propose_swaps(const MapQuestion& question, std::vector<ColumnMap>& maps);
// The straight line through the quartiles, which fits always and so proves nothing by fitting.
void propose_rescaling(const MapQuestion& question, std::vector<ColumnMap>& maps);

// All families, the ones that explain most first.
std::span<const MapFamily> map_families();

}  // namespace trimtab::serve
