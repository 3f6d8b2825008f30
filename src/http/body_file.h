// Bodies that do not pass through memory: a request's, written to a file as it comes in, and a reply's, read
// from one as it goes out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/hash.h"
#include "http/message.h"

namespace trimtab::http {

// Belongs to one thread at a time. The file goes with it, unless somebody has moved it away.
class BodyFile {
 public:
  // Errors: storage_full, storage_broken.
  static Result<std::unique_ptr<BodyFile>> create(const std::filesystem::path& folder);
  ~BodyFile();
  BodyFile(const BodyFile&) = delete;
  BodyFile& operator=(const BodyFile&) = delete;

  Status append(std::string_view bytes);
  // Closes it; what it holds is then final. It is not yet on the disk for certain. Once.
  const ReceivedFile& finish();

 private:
  BodyFile(std::filesystem::path path, base::Descriptor file)
      : received_{std::move(path), 0, {}}, file_(std::move(file)) {}

  ReceivedFile received_;
  base::Descriptor file_;
  base::Sha256 hash_;
};

// errno as storage_full or storage_broken, for a caller who must not learn where our files are.
Error disk_error(int number, std::string what);

// The next bytes of a reply's file, at most `count_max`; it then begins behind them. Errors: storage_broken
// (the file has become shorter).
Result<std::string> read_part(ReplyFile& file, std::size_t count_max);

}  // namespace trimtab::http
