// Fuzzes the door of the server: bytes of a connection become requests, or a refusal. In however many pieces
// they arrive, it must be the same requests. A refusal may come later in pieces, and with other words: of a
// head or a trailer that has not ended, what came at once may show already what is wrong with it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "http/request_reader.h"

namespace {

using trimtab::http::RequestReader;

void append_request(std::string& said, const trimtab::http::Request& request) {
  said.append(request.method).append(" ").append(request.path).append("?").append(request.query);
  for (const auto& [name, value] : request.headers) said.append("|").append(name).append("=").append(value);
  said.append("|").append(request.body).append("\n");
  static_cast<void>(request.query_value("name"));
}

// What is read of `bytes` when they come in pieces of at most `piece`.
std::string read_all(std::string_view bytes, std::size_t piece) {
  RequestReader reader({.body_bytes_max = 4096, .header_bytes_max = 1024});
  std::string said;
  while (true) {
    switch (reader.advance()) {
      case RequestReader::Progress::has_request:
        append_request(said, reader.request());
        reader.next();
        break;
      case RequestReader::Progress::refused:
        CHECK(reader.refusal_status() == 0 || reader.refusal_status() >= 400);
        return said;
      case RequestReader::Progress::wants_bytes: {
        if (bytes.empty()) return said;
        const std::span<char> room = reader.room();
        CHECK(!room.empty());
        const std::size_t count = std::min({piece, room.size(), bytes.size()});
        std::memcpy(room.data(), bytes.data(), count);
        reader.received(count);
        bytes.remove_prefix(count);
        break;
      }
      default:
        break;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  CHECK(read_all(bytes, bytes.size() + 1) == read_all(bytes, 1 + data[0] % 16));
  return 0;
}
