// Files the safe way: a file is either wholly there under its name or not at all, also after a crash.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace trimtab::base {

// errno as an Error: ENOSPC/EDQUOT → storage_full, ENOENT → not_found, otherwise storage_broken.
Error errno_error(int number, std::string what);

// Errors: not_found, too_large (over `bytes_max`), storage_broken.
Result<std::string> read_file(const std::filesystem::path& path, std::uint64_t bytes_max = UINT64_MAX);
// Temp file in the same folder → write → fsync → rename → fsync folder. `mode` is the file's permission bits.
Status write_file_durably(const std::filesystem::path& path, std::string_view bytes, int mode = 0644);
// fsyncs an existing file, then moves it to `to` on the same file system and fsyncs that folder.
Status move_file_durably(const std::filesystem::path& from, const std::filesystem::path& to);
Status make_folders(const std::filesystem::path& path);
Status sync_folder(const std::filesystem::path& path);
// Removes a file or tree; absence is fine.
Status remove_tree(const std::filesystem::path& path);

// Expands one shell-like pattern (* ? [..]) to the files it names, sorted by byte order.
std::vector<std::string> glob_files(const std::string& pattern);

// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  int get() const { return fd_; }
  int release();
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Opens a file below `root` for reading. Neither ".." nor a link on the way, whoever puts it there and when,
// leads elsewhere: the kernel resolves the name (openat2, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS; where it
// cannot, each step is opened without following links). Errors: not_found; forbidden: the name leads out of
// the folder, or over a link; storage_broken.
Result<Descriptor> open_beneath(const std::filesystem::path& root, const std::filesystem::path& relative);

}  // namespace trimtab::base
