// Fuzzes the CSV bodies of predictions: what is made of them must be JSON, and every line must count once.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/predict/csv_rows.h"
#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using trimtab::table::ColumnType;
  static const trimtab::serve::RequestColumns kColumns = [] {
    trimtab::serve::RequestColumns columns;
    columns.required = trimtab::table::Schema({{"a", ColumnType::integer},
                                               {"b", ColumnType::real},
                                               {"c", ColumnType::text},
                                               {"d", ColumnType::boolean}});
    columns.optional = trimtab::table::Schema({{"e", ColumnType::time}});
    return columns;
  }();
  const std::string_view csv(reinterpret_cast<const char*>(data), size);
  const auto body = trimtab::api::csv_as_json(csv, {kColumns, {"", "NA"}});
  if (!body) {
    CHECK(!body.error().message.empty());
    return 0;
  }
  const auto json = trimtab::base::parse_json(*body);
  // Bytes that are no UTF-8 are for the reader of that JSON to refuse.
  if (!json) CHECK(json.error().code == trimtab::ErrorCode::malformed);
  return 0;
}
