#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

#include "http/body_file.h"
#include "http/file_reply.h"
#include "http/raw_connection.h"

namespace trimtab::http {
namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// Bytes that differ everywhere, so that a part in the wrong place is seen.
std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint32_t state = 1;
  for (char& byte : bytes) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return bytes;
}

class ServerFiles : public testing::Test {
 protected:
  ServerFiles() {
    std::string name = (fs::temp_directory_path() / "trimtab-files-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    fs::create_directory(folder_ / "bodies");
    Route put = make_route(
        "PUT", "/files/{name*}", [this](const Request& request, ReplyPromise) { return keep(request); },
        Placement::pool);
    put.content_types = {"*/*"};
    put.takes_files = true;
    Route get = make_route(
        "GET", "/files/{name*}",
        [this](const Request& request, ReplyPromise) -> Answer {
          const fs::path file = folder_ / request.path_values[0];
          Result<Reply> reply = file_reply(request, {.root = folder_,
                                                     .path = request.path_values[0],
                                                     .size = fs::file_size(file),
                                                     .content_type = "text/html",
                                                     .etag = "e1",
                                                     .name = request.path_values[0]});
          return reply ? *std::move(reply) : error_reply(reply.error());
        },
        Placement::pool);
    ServerOptions options;
    options.body_bytes_max = 100'000;
    options.body_folder = folder_ / "bodies";
    options.idle_timeout = 2 * base::kSecondUs;
    server_ = start_server({put, get, make_route("POST", "/echo", echo)}, options);
  }
  ~ServerFiles() override {
    server_.reset();
    fs::remove_all(folder_);
  }

  Answer keep(const Request& request) {
    if (request.body_file == nullptr) return Reply::text("memory " + std::to_string(request.body.size()));
    EXPECT_EQ(request.body, "");
    EXPECT_EQ(fs::file_size(request.body_file->path), request.body_file->size);
    fs::rename(request.body_file->path, folder_ / request.path_values[0]);
    return Reply::text(request.body_file->sha256);
  }
  std::size_t leftovers() {
    const fs::directory_iterator entries(folder_ / "bodies");
    return static_cast<std::size_t>(std::distance(fs::begin(entries), fs::end(entries)));
  }
  static std::string put(const std::string& path, std::string_view body) {
    return "PUT /files/" + path +
           " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           std::string(body);
  }

  fs::path folder_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerFiles, ALongBodyGoesToAFileAndIsHashedOnTheWay) {
  RawConnection connection(server_->port());
  for (const std::size_t size : {65'536u, 65'537u, 131'072u, 200'001u, 9'000'000u}) {
    const std::string body = pattern(size);
    const RawReply reply = connection.exchange(put("a", body));
    ASSERT_EQ(reply.status, 200) << reply.body;
    if (size <= 65'536u) {
      EXPECT_EQ(reply.body, "memory 65536");
      continue;
    }
    EXPECT_EQ(reply.body, base::sha256(body));
    EXPECT_EQ(content(folder_ / "a"), body);
  }
  EXPECT_EQ(leftovers(), 0u);
}

TEST_F(ServerFiles, RequestsBehindALongBodyAreAnswered) {
  RawConnection connection(server_->port());
  const std::string body = pattern(300'000);
  connection.send(put("a", body) + post("/echo", "next") + put("b", body) + post("/echo", "last"));
  EXPECT_EQ(connection.read().body, base::sha256(body));
  EXPECT_EQ(connection.read().body, "POST /echo next");
  EXPECT_EQ(connection.read().body, base::sha256(body));
  EXPECT_EQ(connection.read().body, "POST /echo last");
}

TEST_F(ServerFiles, OtherRoutesKeepTheirLimit) {
  RawConnection connection(server_->port());
  const RawReply reply = connection.exchange(post("/echo", std::string(100'001, 'x')));
  EXPECT_EQ(reply.status, 413);
  EXPECT_EQ(reply.message(), "the body is longer than 100000 bytes");
}

TEST_F(ServerFiles, AnUploadThatStopsLeavesNothing) {
  {
    RawConnection connection(server_->port());
    connection.send(put("a", pattern(300'000)).substr(0, 250'000));
  }
  // The server may not have begun the file yet: it has half a second to do so, and then five to take it away.
  bool has_begun = false;
  for (int i = 0; i < 500; ++i) {
    const bool is_there = leftovers() > 0;
    has_begun = has_begun || is_there;
    if (!is_there && (has_begun || i > 50)) break;
    ::poll(nullptr, 0, 10);
  }
  EXPECT_EQ(leftovers(), 0u);
}

TEST_F(ServerFiles, ADiskThatFailsIsSaid) {
  fs::remove_all(folder_ / "bodies");
  RawConnection connection(server_->port());
  const RawReply reply = connection.exchange(put("a", pattern(300'000)));
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.message().substr(0, 36), "cannot keep the body of this request");
  EXPECT_EQ(reply.message().find(folder_.string()), std::string::npos) << "it tells where our files are";
}

TEST_F(ServerFiles, AFileIsSentInPartsAndInRanges) {
  const std::string body = pattern(1'000'001);
  std::ofstream(folder_ / "f.html", std::ios::binary) << body;
  RawConnection connection(server_->port());
  const RawReply whole = connection.exchange(get("/files/f.html"));
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(whole.body, body);
  EXPECT_TRUE(whole.has("Content-Disposition: attachment; filename=\"f.html\"\r\n")) << whole.head;
  EXPECT_TRUE(whole.has("Content-Security-Policy: sandbox; default-src 'none'\r\n")) << whole.head;
  const RawReply middle = connection.exchange(get("/files/f.html", "Range: bytes=500000-899999\r\n"));
  EXPECT_EQ(middle.status, 206);
  EXPECT_EQ(middle.body, body.substr(500'000, 400'000));
  EXPECT_TRUE(middle.has("Content-Range: bytes 500000-899999/1000001\r\n")) << middle.head;
  EXPECT_EQ(connection.exchange(get("/files/f.html", "Range: bytes=-3\r\n")).body, body.substr(999'998));
  EXPECT_EQ(connection.exchange(get("/files/f.html", "Range: bytes=1000000-\r\n")).body,
            body.substr(1'000'000));
  const RawReply behind = connection.exchange(get("/files/f.html", "Range: bytes=1000001-\r\n"));
  EXPECT_EQ(behind.status, 416);
  EXPECT_TRUE(behind.has("Content-Range: bytes */1000001\r\n")) << behind.head;
  const RawReply other =
      connection.exchange(get("/files/f.html", "Range: bytes=1-2\r\nIf-Range: \"other\"\r\n"));
  EXPECT_EQ(other.status, 200);
  EXPECT_EQ(other.body.size(), body.size());
}

TEST_F(ServerFiles, HeadTellsTheSizeAlone) {
  std::ofstream(folder_ / "f", std::ios::binary) << pattern(200'000);
  RawConnection connection(server_->port());
  connection.send("HEAD /files/f HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(connection.read(false).has("Content-Length: 200000\r\n"));
  EXPECT_EQ(connection.exchange(post("/echo", "x")).body, "POST /echo x");
}

TEST_F(ServerFiles, ALastReplyMayBeAFile) {
  const std::string body = pattern(700'000);
  std::ofstream(folder_ / "f", std::ios::binary) << body;
  RawConnection connection(server_->port());
  EXPECT_EQ(connection.exchange(get("/files/f", "Connection: close\r\n")).body, body);
  EXPECT_TRUE(connection.is_closed_by_server());
}

TEST_F(ServerFiles, AFileThatHasShrunkEndsTheConnection) {
  fs::path file = folder_ / "f";
  std::ofstream(file, std::ios::binary) << "abc";
  ReplyFile reply{std::make_shared<base::Descriptor>(::open(file.c_str(), O_RDONLY)), 0, 10};
  EXPECT_EQ(read_part(reply, 100).error().message, "a reply's file has become shorter");
}

}  // namespace
}  // namespace trimtab::http
