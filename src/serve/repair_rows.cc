#include "serve/repair_rows.h"

#include <algorithm>
#include <cmath>

#include "base/json.h"

namespace trimtab::serve {
namespace {

std::string words_of(const ColumnMap& map, const std::string& other) {
  switch (map.kind) {
    case MapKind::unit:
      return "unit: " + map.words;
    case MapKind::sign:
      return "sign: " + map.words;
    case MapKind::swap:
      return "swapped with " + other;
    case MapKind::rescale:
      return map.words;
  }
  return map.words;
}

std::int64_t numbers_in(std::span<const double> column) {
  return std::ranges::count_if(column, [](double number) { return std::isfinite(number); });
}

}  // namespace

RowRepair::RowRepair(const Reference& reference, const std::vector<std::string>& names, NumberTable numbers)
    : reference_(reference),
      names_(names),
      sent_(std::move(numbers)),
      numbers_(sent_),
      disbelieved_(sent_.columns() * sent_.rows(), 0) {}

void RowRepair::note(std::size_t column, std::string what, std::int64_t rows) {
  if (rows > 0) done_.push_back({names_[column], std::move(what), rows});
}

void RowRepair::disbelieve(std::size_t column, std::size_t row) {
  numbers_.column(column)[row] = kNoNumber;
  disbelieved_[column * numbers_.rows() + row] = 1;
}

void RowRepair::map(const ColumnMap& map) {
  note(map.column, words_of(map, names_[map.other]), numbers_in(numbers_.column(map.column)));
  apply(map, numbers_);
  if (map.kind != MapKind::swap) return;
  note(map.other, words_of(map, names_[map.column]), numbers_in(numbers_.column(map.other)));
  const std::size_t rows = numbers_.rows();
  const auto flags = [&](std::size_t column) { return std::span(disbelieved_).subspan(column * rows, rows); };
  std::ranges::swap_ranges(flags(map.column), flags(map.other));
}

void RowRepair::carry_out(const RepairPlan& plan) {
  for (const DefaultValue& known : plan.defaults) {
    std::int64_t rows = 0;
    for (std::size_t row = 0; row < numbers_.rows(); ++row) {
      if (numbers_.column(known.column)[row] != known.value) continue;
      disbelieve(known.column, row);
      ++rows;
    }
    note(known.column, "default value " + Json(known.value).dump(), rows);
  }
  for (const std::size_t column : plan.gaps) {
    std::int64_t rows = 0;
    for (std::size_t row = 0; row < numbers_.rows(); ++row) {
      if (!std::isnan(sent_.column(column)[row])) continue;
      disbelieve(column, row);
      ++rows;
    }
    note(column, "missing", rows);
  }
  for (const ColumnMap& one : plan.maps) map(one);
  for (const std::size_t column : plan.lost) {
    for (std::size_t row = 0; row < numbers_.rows(); ++row) disbelieve(column, row);
    note(column, "wrong in a way that nothing explains", static_cast<std::int64_t>(numbers_.rows()));
  }
}

void RowRepair::fill() {
  if (!reference_.is_ready()) return;
  NumberFiller filler(reference_);
  // What is filled says nothing about other cells.
  const NumberTable known = numbers_;
  for (std::size_t column = 0; column < numbers_.columns(); ++column) {
    if (!reference_.is_continuous(column) || !reference_.never_misses(column)) continue;
    for (std::size_t row = 0; row < numbers_.rows(); ++row) {
      if (disbelieved_[column * numbers_.rows() + row])
        numbers_.column(column)[row] = filler.fill(known, row, column);
    }
  }
}

bool RowRepair::is_changed(std::size_t column, std::size_t row) const {
  const double now = numbers_.column(column)[row];
  const double sent = sent_.column(column)[row];
  return now != sent && !(std::isnan(now) && std::isnan(sent));
}

std::vector<std::size_t> good_rows(const NumberTable& numbers, const std::vector<char>& mended,
                                   const RepairPlan& plan) {
  std::vector<std::size_t> good;
  for (std::size_t row = 0; row < numbers.rows(); ++row) {
    const bool has_default = std::ranges::any_of(plan.defaults, [&](const DefaultValue& known) {
      return numbers.column(known.column)[row] == known.value;
    });
    const bool has_gap = std::ranges::any_of(
        plan.gaps, [&](std::size_t column) { return std::isnan(numbers.column(column)[row]); });
    if (!mended[row] && !has_default && !has_gap) good.push_back(row);
  }
  return good;
}

}  // namespace trimtab::serve
