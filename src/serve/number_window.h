// The numbers of some rows, and what they look like together: what the door compares with what it is used to.
// Only orders matter here (quartiles, ranks), so a few wild values move nothing.
#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace trimtab::serve {

inline constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

// Column after column; NaN where there is no number.
class NumberTable {
 public:
  NumberTable(std::size_t columns, std::size_t rows)
      : columns_(columns), rows_(rows), cells_(columns * rows, kNoNumber) {}
  std::size_t columns() const { return columns_; }
  std::size_t rows() const { return rows_; }
  std::span<double> column(std::size_t at) { return std::span(cells_).subspan(at * rows_, rows_); }
  std::span<const double> column(std::size_t at) const {
    return std::span(cells_).subspan(at * rows_, rows_);
  }

 private:
  std::size_t columns_, rows_;
  std::vector<double> cells_;
};

// The rows of `table` that `keep` names, in its order.
NumberTable rows_of(const NumberTable& table, std::span<const std::size_t> keep);

struct ColumnShape {
  double low = 0, middle = 0, high = 0;  // Quartiles of the numbers that are there.
  double least = 0;
  double missing = 0;         // Share of the rows without a number.
  double repeated = 0;        // Share of the rows that repeat the commonest number.
  double repeated_value = 0;  // That number.
  std::size_t repeats = 0;    // How often it is there.
  std::size_t numbers = 0;
};

// Of the numbers that are finite.
ColumnShape shape_of(std::span<const double> numbers);

// Square, row after row: how the columns go together by their ranks, which no rising map of a column changes
// and which a falling one turns round.
class Relations {
 public:
  Relations() = default;
  explicit Relations(std::size_t columns) : columns_(columns), values_(columns * columns, 0) {}
  std::size_t columns() const { return columns_; }
  double at(std::size_t a, std::size_t b) const { return values_[a * columns_ + b]; }
  void set(std::size_t a, std::size_t b, double value) {
    values_[a * columns_ + b] = values_[b * columns_ + a] = value;
  }

 private:
  std::size_t columns_ = 0;
  std::vector<double> values_;
};

struct WindowShape {
  std::size_t rows = 0;
  std::vector<ColumnShape> columns;
  Relations relations;
};

WindowShape shape_of(const NumberTable& table);

}  // namespace trimtab::serve
