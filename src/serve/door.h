// The contract at the door of an endpoint: requests that are not what they were are made right before they
// are scored. What a cell means by itself has been settled by the reader (mend_cell.h); here rows are held
// against what the endpoint was asked lately. A request of many rows is judged by itself, smaller ones by the
// last rows that came in, every now and then, so that a single row costs next to nothing. It never answers,
// logs no row and touches no disk. The same rows in the same order lead to the same repairs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "serve/request_rows.h"
#include "table/schema.h"

namespace trimtab::serve {

struct DoorOptions {
  std::string endpoint;                 // For what is said in the log.
  std::vector<std::string> left_alone;  // Columns of which nothing may be kept, not even in memory.
};

// What is wrong with a column at present.
struct Finding {
  std::string column;
  std::string what;  // "unit: x / 1000", "unreadable", "default value 9999", "swapped with x4", …
  TimeUs since = 0;
  std::int64_t rows = 0;  // That were touched.
};

// The columns that are held against the reference; their places are those of the request's required columns.
struct DoorColumns {
  std::vector<std::string> names;
  std::vector<int> at;
  std::vector<char> is_whole;

  bool operator==(const DoorColumns&) const = default;
};

// Thread-safe.
class Door {
 public:
  static constexpr std::size_t kJudgedAlone = 50;  // Rows of a request that is judged by itself,
  static constexpr std::size_t kWindow = 200;      // and of the window that others are judged by.
  static constexpr std::size_t kColumnsMax = 64;   // More columns of numbers are let through unseen.

  explicit Door(DoorOptions options);
  ~Door();

  // From now on requests have these required columns. Other columns of numbers than before: the reference
  // begins anew.
  std::shared_ptr<const DoorColumns> expect(const table::Schema& required);
  // Rows that were asked before a restart, as they are logged, oldest first; none that was repaired.
  void refer_to(const std::vector<std::string>& requests);

  // Repairs the rows of a request; `passed_over` says of each row whether it has been answered before.
  // Returns of each row whether anything of it, what the reader mended included, is not as it was sent.
  // `columns` is what expect() gave for the columns of the request.
  std::vector<char> pass(RequestRows& request, const DoorColumns& columns,
                         const std::vector<char>& passed_over, TimeUs now);

  std::vector<Finding> findings() const;
  // {"mode":"repair","reference_rows":2000,"judges":true,"findings":[{"column","what","since","rows"}]}
  Json view() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::serve
