#include "base/file.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <glob.h>
#include <iterator>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

#include "base/id.h"

namespace trimtab::base {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;

std::string quoted(const fs::path& path) { return "'" + path.string() + "'"; }

// The folder that holds the name `path`.
fs::path folder_of(const fs::path& path) {
  const fs::path folder = path.parent_path();
  return folder.empty() ? fs::path(".") : folder;
}

Descriptor open_file(const fs::path& path, int flags, mode_t mode = 0) {
  while (true) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd >= 0 || errno != EINTR) return Descriptor(fd);
  }
}

Status write_all(int fd, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) return fail(errno_error(errno, "cannot write " + quoted(path)));
    if (written > 0) bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

// Never retried, not even after EINTR: the kernel may have dropped the dirty pages when it reported the
// failure, so that a second call would succeed without the bytes being on the disk.
Status sync_descriptor(int fd, const fs::path& path) {
  if (::fsync(fd) != 0) return fail(errno_error(errno, "cannot bring " + quoted(path) + " to the disk"));
  return {};
}

Status write_new_file(const fs::path& path, std::string_view bytes, int mode) {
  Descriptor file = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!file) return fail(errno_error(errno, "cannot create " + quoted(path)));
  TRY(write_all(file.get(), bytes, path));
  // The mode of open is cut by the umask, that of fchmod is not.
  if (::fchmod(file.get(), static_cast<mode_t>(mode)) != 0) {
    return fail(errno_error(errno, "cannot set the permissions of " + quoted(path)));
  }
  TRY(sync_descriptor(file.get(), path));
  // Network file systems report some failed writes only here.
  if (::close(file.release()) != 0) return fail(errno_error(errno, "cannot close " + quoted(path)));
  return {};
}

Status rename_durably(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return fail(errno_error(errno, "cannot rename " + quoted(from) + " to " + quoted(to)));
  }
  return sync_folder(folder_of(to));
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

}  // namespace

Error errno_error(int number, std::string what) {
  ErrorCode code = ErrorCode::storage_broken;
  if (number == ENOSPC || number == EDQUOT) code = ErrorCode::storage_full;
  if (number == ENOENT) code = ErrorCode::not_found;
  const char* hint = code == ErrorCode::storage_full ? "free space on its disk and try again" : "";
  return Error{code, what + ": " + std::generic_category().message(number), hint, std::nullopt, nullptr};
}

Result<std::string> read_file(const fs::path& path, std::uint64_t bytes_max) {
  const Descriptor file = open_file(path, O_RDONLY);
  if (!file) return fail(errno_error(errno, "cannot open " + quoted(path)));
  struct stat facts{};
  if (::fstat(file.get(), &facts) != 0) return fail(errno_error(errno, "cannot read " + quoted(path)));
  const auto too_large = [&] {
    return fail(ErrorCode::too_large,
                quoted(path) + " is larger than " + std::to_string(bytes_max) + " bytes");
  };
  const std::uint64_t expected = static_cast<std::uint64_t>(std::max<off_t>(facts.st_size, 0));
  if (expected > bytes_max) return too_large();
  std::string bytes;
  std::size_t filled = 0;
  // The size is only a first guess: files grow, and those of /proc say 0. One byte more lets the end be seen
  // without another round.
  bytes.resize(static_cast<std::size_t>(expected) + 1);
  while (true) {
    if (filled == bytes.size()) bytes.resize(bytes.size() + std::max(bytes.size(), kReadBytes));
    const ssize_t got = ::read(file.get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(errno_error(errno, "cannot read " + quoted(path)));
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
    if (filled > bytes_max) return too_large();
  }
  bytes.resize(filled);
  return bytes;
}

Status write_file_durably(const fs::path& path, std::string_view bytes, int mode) {
  // A short name of its own: one made from the file's name could be longer than the file system allows.
  const fs::path temporary = folder_of(path) / (".tmp-" + random_id());
  Status written = write_new_file(temporary, bytes, mode);
  if (written) written = rename_durably(temporary, path);
  // After a successful rename there is no such name any more, and that is fine.
  if (!written) ::unlink(temporary.c_str());
  return written;
}

Status move_file_durably(const fs::path& from, const fs::path& to) {
  const Descriptor file = open_file(from, O_RDONLY);
  if (!file) return fail(errno_error(errno, "cannot open " + quoted(from)));
  TRY(sync_descriptor(file.get(), from));
  return rename_durably(from, to);
}

Status make_folders(const fs::path& path) {
  std::vector<fs::path> missing;
  // A trailing slash would make a last component without a name.
  fs::path folder = path.has_filename() ? path : path.parent_path();
  for (; !folder.empty() && !is_folder(folder); folder = folder.parent_path()) missing.push_back(folder);
  for (auto each = missing.rbegin(); each != missing.rend(); ++each) {
    if (::mkdir(each->c_str(), 0777) == 0) {
      TRY(sync_folder(folder_of(*each)));
    } else if (errno != EEXIST || !is_folder(*each)) {
      // A folder that someone else has just made is as good as ours.
      return fail(errno_error(errno, "cannot make the folder " + quoted(*each)));
    }
  }
  return {};
}

Status sync_folder(const fs::path& path) {
  const Descriptor folder = open_file(path, O_RDONLY | O_DIRECTORY);
  if (!folder) return fail(errno_error(errno, "cannot open the folder " + quoted(path)));
  return sync_descriptor(folder.get(), path);
}

Status remove_tree(const fs::path& path) {
  std::error_code failure;
  fs::remove_all(path, failure);
  if (failure) return fail(errno_error(failure.value(), "cannot remove " + quoted(path)));
  return {};
}

std::vector<std::string> glob_files(const std::string& pattern) {
  std::vector<std::string> files;
  glob_t found{};
  // Sorted below, because glob's own order depends on the locale.
  if (::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) {
      std::error_code ignored;
      if (fs::is_regular_file(found.gl_pathv[i], ignored)) files.emplace_back(found.gl_pathv[i]);
    }
  }
  ::globfree(&found);
  std::sort(files.begin(), files.end());
  return files;
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = other.release();
  }
  return *this;
}

int Descriptor::release() {
  const int fd = fd_;
  fd_ = -1;
  return fd;
}

namespace {

constexpr int kReadOnly = O_RDONLY | O_CLOEXEC | O_NOFOLLOW;

// Step by step, as the kernel does it: -1 and errno.
int walk_beneath(int root, const std::filesystem::path& relative) {
  Descriptor at;
  int from = root;
  for (auto part = relative.begin(); part != relative.end(); ++part) {
    if (*part == "..") {
      errno = EXDEV;
      return -1;
    }
    const bool is_last = std::next(part) == relative.end();
    at = Descriptor(::openat(from, part->c_str(), is_last ? kReadOnly : kReadOnly | O_DIRECTORY));
    if (!at) return -1;
    from = at.get();
  }
  return at.release();
}

int resolve_beneath(int root, const std::filesystem::path& relative) {
  open_how how = {};
  how.flags = kReadOnly;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const long opened = ::syscall(SYS_openat2, root, relative.c_str(), &how, sizeof how);
  const bool is_unknown = opened < 0 && (errno == ENOSYS || errno == EPERM);
  return is_unknown ? walk_beneath(root, relative) : static_cast<int>(opened);
}

}  // namespace

Result<Descriptor> open_beneath(const std::filesystem::path& root, const std::filesystem::path& relative) {
  const std::string what = "cannot open '" + relative.string() + "' in '" + root.string() + "'";
  if (relative.empty() || relative.is_absolute())
    return fail(ErrorCode::forbidden, what + ": it is no name below the folder");
  const Descriptor folder(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return fail(errno_error(errno, what));
  Descriptor file(resolve_beneath(folder.get(), relative.lexically_normal()));
  if (file) return file;
  // O_NOFOLLOW says ENOTDIR of a link where a folder is wanted, and of a file there.
  const bool leads_out = errno == ELOOP || errno == EXDEV;
  if (leads_out) return fail(ErrorCode::forbidden, what + ": it leads out of the folder, or over a link");
  return fail(errno_error(errno, what));
}

}  // namespace trimtab::base
