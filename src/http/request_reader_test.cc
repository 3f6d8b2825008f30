#include "http/request_reader.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <gtest/gtest.h>
#include <random>

namespace trimtab::http {
namespace {

using Random = std::mt19937;

std::size_t below(Random& random, std::size_t limit) { return random() % limit; }

std::string random_body(Random& random) {
  const std::size_t limits[] = {1, 20, 9'000, 200'000};
  std::string body(below(random, limits[below(random, 4)]), '\0');
  for (char& c : body) c = static_cast<char>(random());
  return body;
}

// A request as bytes, with a length or in chunks, and what a reader should make of it.
struct Sample {
  std::string bytes;
  std::string meaning;
};

Sample random_sample(Random& random) {
  const std::string path = "/p" + std::string(below(random, 300), 'x');
  const std::string body = random_body(random);
  Sample sample;
  sample.bytes = "POST " + path + "?q=1 HTTP/1.1\r\nHost: h\r\n";
  sample.meaning = "POST " + path + " q=1 Host=h";
  for (std::size_t i = below(random, 20); i > 0; --i) {
    const std::string value(below(random, 500), 'v');
    sample.bytes += "X-Header:  " + value + "\t\r\n";
    sample.meaning += " X-Header=" + value;
  }
  sample.meaning += " body " + body;
  if (below(random, 2) == 0) {
    sample.bytes += "content-length:" + std::to_string(body.size()) + "\r\n\r\n" + body;
    return sample;
  }
  sample.bytes += "transfer-encoding: chunked\r\n\r\n";
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t part = 1 + below(random, std::min<std::size_t>(body.size() - at, 30'000));
    char size[16];
    std::snprintf(size, sizeof size, "%zx", part);
    sample.bytes +=
        std::string(size) + (below(random, 3) == 0 ? ";a=b" : "") + "\r\n" + body.substr(at, part) + "\r\n";
    at += part;
  }
  sample.bytes += below(random, 2) == 0 ? "0\r\n\r\n" : "0\r\nTrailer: t\r\n\r\n";
  return sample;
}

std::string meaning_of(const Request& request) {
  std::string text =
      std::string(request.method) + " " + std::string(request.path) + " " + std::string(request.query);
  for (const auto& [name, value] : request.headers) {
    if (name == "Host" || name == "X-Header") text += " " + std::string(name) + "=" + std::string(value);
  }
  return text + " body " + std::string(request.body);
}

// Feeds the bytes in pieces of random sizes; ends at a refusal, which is the last entry then.
std::vector<std::string> read_all(std::string_view bytes, Random& random, std::size_t piece_max) {
  RequestReader reader({1u << 20, 32u << 10});
  std::vector<std::string> found;
  std::string streamed;
  while (true) {
    switch (reader.advance()) {
      case RequestReader::Progress::wants_bytes: {
        if (bytes.empty()) return found;
        const std::span<char> room = reader.room();
        EXPECT_FALSE(room.empty());
        const std::size_t count = std::min({1 + below(random, piece_max), bytes.size(), room.size()});
        std::memcpy(room.data(), bytes.data(), count);
        reader.received(count);
        bytes.remove_prefix(count);
        break;
      }
      case RequestReader::Progress::has_head:
        if (reader.body_size() > 0 && below(random, 2) == 0) reader.stream_body();
        break;
      case RequestReader::Progress::has_part:
        streamed += reader.part();
        reader.take_part();
        break;
      case RequestReader::Progress::has_request:
        found.push_back(meaning_of(reader.request()) + std::exchange(streamed, {}));
        reader.next();
        break;
      case RequestReader::Progress::refused:
        found.push_back(std::to_string(error_reply(reader.refusal(), reader.refusal_status()).status));
        return found;
    }
  }
}

TEST(RequestReader, AddressesOfAnyLengthInPieces) {
  Random random(20130401);
  for (const std::size_t length : {8'000u, 8'192u, 8'200u, 65'536u, 131'000u, 131'100u, 140'000u, 400'000u}) {
    const std::string query(length, 'q');
    const std::string bytes = "GET /p?" + query + " HTTP/1.1\r\nHost: h\r\n\r\n";
    const bool fits = length + 3 <= 128u << 10;
    const std::string expected = fits ? "GET /p " + query + " Host=h body " : "414";
    for (const std::size_t piece_max : {std::size_t{7}, std::size_t{3'000}, bytes.size()}) {
      const std::vector<std::string> found = read_all(fits ? bytes + bytes : bytes, random, piece_max);
      EXPECT_EQ(found, std::vector<std::string>(fits ? 2 : 1, expected)) << length << " " << piece_max;
    }
  }
}

TEST(RequestReader, ReadsTheSameHoweverTheBytesArrive) {
  Random random(20130401);
  for (int round = 0; round < 150; ++round) {
    std::string bytes;
    std::vector<std::string> expected;
    for (std::size_t i = 1 + below(random, 6); i > 0; --i) {
      Sample sample = random_sample(random);
      bytes += sample.bytes;
      expected.push_back(std::move(sample.meaning));
    }
    const std::size_t pieces[] = {1'000'000, 20'000, 700, 30};
    const std::vector<std::string> found = read_all(bytes, random, pieces[round % 4]);
    ASSERT_TRUE(found == expected) << "in round " << round;  // No equality message: it would be megabytes.
  }
}

// The end of the chunks in pieces once stopped the whole server.
TEST(RequestReader, ReadsTheEndOfChunksByteForByte) {
  Random random(1);
  const std::string head = "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string meaning = "POST /p  Host=h body ";
  for (const std::string chunks : {"", "3\r\nabc\r\n", "1\r\na\r\n2;x\r\nbc\r\n"}) {
    for (const std::string end : {"0\r\n\r\n", "0;x=y\r\n\r\n", "0\r\nTrailer: t\r\n\r\n"}) {
      const std::string request = head + chunks + end;
      const std::string read = meaning + (chunks.empty() ? "" : "abc");
      for (const std::size_t piece : {1u, 2u, 3u, 4u, 5u, 6u}) {
        EXPECT_EQ(read_all(request + request, random, piece), (std::vector{read, read})) << request;
      }
    }
  }
}

TEST(RequestReader, EndsOnDamagedBytesInsteadOfGoingAstray) {
  Random random(7);
  for (int round = 0; round < 800; ++round) {
    std::string bytes =
        random_sample(random).bytes.substr(0, 4'000) + random_sample(random).bytes.substr(0, 4'000);
    for (std::size_t i = 1 + below(random, 4); i > 0; --i) {
      const std::size_t at = below(random, std::min<std::size_t>(bytes.size(), 600));
      switch (below(random, 4)) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, below(random, 4));
          break;
        case 2:
          bytes.insert(at, "\r\n");
          break;
        case 3:
          bytes.insert(at, bytes.substr(below(random, bytes.size()), 40));
          break;
      }
    }
    // The refusal must not depend on how the bytes arrive, or a proxy before us could be played against us.
    Random slow(1);
    const std::vector<std::string> whole = read_all(bytes, random, 1'000'000);
    const std::vector<std::string> pieces = read_all(bytes, slow, 50);
    for (std::size_t i = 0; i < std::min(whole.size(), pieces.size()); ++i) {
      ASSERT_TRUE(whole[i] == pieces[i])
          << "in round " << round << ": " << whole[i].substr(0, 200) << "\nand\n"
          << pieces[i].substr(0, 200);
    }
  }
}

TEST(RequestReader, GivesBackWhatALargeRequestNeeded) {
  RequestReader reader({64u << 20, 32u << 10});
  const std::string body(1u << 20, 'b');
  const std::string bytes =
      "POST / HTTP/1.1\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  std::string_view rest = bytes;
  while (reader.advance() != RequestReader::Progress::has_request) {
    const std::span<char> room = reader.room();
    const std::size_t count = std::min(room.size(), rest.size());
    std::memcpy(room.data(), rest.data(), count);
    reader.received(count);
    rest.remove_prefix(count);
  }
  EXPECT_EQ(reader.request().body, body);
  EXPECT_GT(reader.large_bytes(), 800'000u);
  EXPECT_LT(reader.large_bytes(), 1'100'000u);
  reader.next();
  EXPECT_EQ(reader.large_bytes(), 0u);
  EXPECT_TRUE(reader.is_between_requests());
}

}  // namespace
}  // namespace trimtab::http
