// Fuzzes the requests of the Open Inference Protocol, with and without binary tensors behind the JSON.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "api/predict/oip_tensors.h"
#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t said = data[0] + 256u * data[1];
  const std::optional<std::size_t> json_size = said == 0 ? std::nullopt : std::optional(said - 1);
  const auto request = trimtab::api::read_oip_request(body, json_size);
  if (!request) {
    CHECK(!request.error().message.empty());
  } else {
    CHECK(trimtab::base::parse_json(request->rows).has_value());
  }
  return 0;
}
