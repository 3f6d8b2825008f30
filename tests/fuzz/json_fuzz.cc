// Fuzzes both readers of JSON: they must take and refuse the same texts in the same words, and what was read
// must read the same again after it was written.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/json.h"
#include "base/json_view.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using trimtab::Json;
  static trimtab::base::JsonText reader;  // Its memory goes from one text to the next, as on a connection.
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const trimtab::Result<Json> tree = trimtab::base::parse_json(text);
  const trimtab::Result<trimtab::JsonView> view = reader.parse(text);
  CHECK(tree.has_value() == view.has_value());
  if (!tree) {
    CHECK(tree.error().message == view.error().message);
    return 0;
  }
  CHECK(view->to_json() == *tree);
  const trimtab::Result<Json> again = trimtab::base::parse_json(tree->dump());
  CHECK(again.has_value() && *again == *tree);
  CHECK(trimtab::base::parse_json(tree->dump(2)).value() == *tree);
  return 0;
}
