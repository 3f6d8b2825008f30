// The rows of a prediction request, read from the JSON dialects that clients speak and checked against the
// columns that the model knows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_view.h"
#include "base/result.h"
#include "serve/mend_cell.h"
#include "serve/request_columns.h"
#include "table/batch.h"

namespace trimtab::serve {

// An id's length; labels are taken for ids as long (watch/label.cc).
inline constexpr std::size_t kIdBytesMax = 256;
// Columns that nobody knows may be among those of a request, but each costs a look at all of them.
inline constexpr std::size_t kColumnsMax = 10'000;
// Errors: invalid.
Status check_id_size(std::string_view id);

struct RequestRows {
  table::Batch rows;  // Columns: required, then those optional ones that were sent, in their declared order.
  std::vector<std::optional<std::string>> ids;  // From the column prediction_id; null and "" are none.
  std::vector<std::string> keys;   // From the key column; "": not sent. Empty: none is asked for.
  bool explain = false;            // The body has "explain": true beside its rows.
  std::vector<MendedCell> mended;  // By row; empty where nothing is mended.
  std::size_t shape = 0;  // Which set of columns that is, within a generation of the reader; 0: the required.
};

// Reads one request after the other and keeps what they have in common: the memory, and what a list of column
// names means. Belongs to one thread at a time.
class RequestReader {
 public:
  explicit RequestReader(RequestColumns columns);
  ~RequestReader();

  // Bodies: {"dataframe_split":{"columns","data"}}, {"dataframe_records":[{…}]}, {"instances":[{…}]},
  // {"inputs":{column:[…]}}; exactly one of them. The rows hold until the next read. Errors: malformed (no
  // JSON, no dialect), invalid (unknown field, unless `ignores_unknown`; missing column, wrong type, a column
  // or an id twice; row and column named), too_large (more than 2,048 rows, or kColumnsMax
  // columns). With `mending` a cell of a wrong
  // type is no error.
  Result<RequestRows*> read(std::string_view body, bool ignores_unknown = false);
  // Rises when shapes are forgotten because there were too many: their numbers then begin again.
  std::uint64_t generation() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::serve
