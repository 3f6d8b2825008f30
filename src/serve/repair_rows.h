// Carries a plan out on the numbers of a request, and remembers what it did.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "serve/fill_numbers.h"
#include "serve/number_window.h"
#include "serve/repair_search.h"
#include "serve/request_reference.h"

namespace trimtab::serve {

// What was done to a column, in words, and to how many of its rows.
struct DoneRepair {
  std::string column;
  std::string what;
  std::int64_t rows = 0;
};

// Belongs to one thread.
class RowRepair {
 public:
  RowRepair(const Reference& reference, const std::vector<std::string>& names, NumberTable numbers);

  // A cell that the reader could not read: filled where its column never misses a value.
  void disbelieve(std::size_t column, std::size_t row);
  void carry_out(const RepairPlan& plan);
  // Numbers in place of all cells that are not believed; call it last.
  void fill();

  const NumberTable& numbers() const { return numbers_; }
  bool is_changed(std::size_t column, std::size_t row) const;
  const std::vector<DoneRepair>& done() const { return done_; }

 private:
  void map(const ColumnMap& map);
  void note(std::size_t column, std::string what, std::int64_t rows);

  const Reference& reference_;
  const std::vector<std::string>& names_;
  NumberTable sent_, numbers_;
  std::vector<char> disbelieved_;  // Column after column.
  std::vector<DoneRepair> done_;
};

// The rows in which a plan finds nothing to do and the reader has mended nothing.
std::vector<std::size_t> good_rows(const NumberTable& numbers, const std::vector<char>& mended,
                                   const RepairPlan& plan);

}  // namespace trimtab::serve
