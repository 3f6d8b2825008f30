#include "http/body_file.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/id.h"

namespace trimtab::http {

Error disk_error(int number, std::string what) {
  Error error = base::errno_error(number, std::move(what));
  // What is missing is our own and not what the caller asked for.
  if (error.code == ErrorCode::not_found) error.code = ErrorCode::storage_broken;
  return error;
}

Result<std::unique_ptr<BodyFile>> BodyFile::create(const std::filesystem::path& folder) {
  std::filesystem::path path = folder / ("body-" + base::random_id());
  base::Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return fail(disk_error(errno, "cannot keep the body of this request"));
  return std::unique_ptr<BodyFile>(new BodyFile(std::move(path), std::move(file)));
}

BodyFile::~BodyFile() { ::unlink(received_.path.c_str()); }

Status BodyFile::append(std::string_view bytes) {
  hash_.update(bytes);
  received_.size += bytes.size();
  while (!bytes.empty()) {
    const ssize_t count = ::write(file_.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(disk_error(errno, "cannot keep the body of this request"));
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

const ReceivedFile& BodyFile::finish() {
  file_ = base::Descriptor();
  received_.sha256 = hash_.finish();
  return received_;
}

Result<std::string> read_part(ReplyFile& file, std::size_t count_max) {
  std::string bytes(static_cast<std::size_t>(std::min<std::uint64_t>(count_max, file.size)), '\0');
  std::size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t count = ::pread(file.file->get(), bytes.data() + got, bytes.size() - got,
                                  static_cast<off_t>(file.offset + got));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(disk_error(errno, "cannot read a reply's file"));
    if (count == 0) return fail(ErrorCode::storage_broken, "a reply's file has become shorter");
    got += static_cast<std::size_t>(count);
  }
  file.offset += got;
  file.size -= got;
  return bytes;
}

}  // namespace trimtab::http
