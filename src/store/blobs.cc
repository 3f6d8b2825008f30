#include "store/blobs.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>

#include "base/file.h"
#include "base/hash.h"

namespace trimtab::store {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kShardDigits = 2;
constexpr int kReadOnly = 0444;

// Damage is told as what it is: the name promises the content.
tl::unexpected<Error> broken(const fs::path& file) {
  return fail(ErrorCode::storage_broken,
              "blob '" + file.string() + "' does not hold the bytes its name promises",
              "restore it from a backup, or remove it: what made it makes it again");
}

tl::unexpected<Error> absent(const std::string& sha256) {
  return fail(ErrorCode::not_found, "there is no blob '" + sha256 + "'");
}

// An absent blob is named by its hash; any other failure by its path.
tl::unexpected<Error> unreadable(Error error, const std::string& sha256) {
  if (error.code == ErrorCode::not_found) return absent(sha256);
  return fail(std::move(error));
}

bool is_regular(const fs::path& file) {
  std::error_code ignored;
  return fs::symlink_status(file, ignored).type() == fs::file_type::regular;
}

// Empty when there is no such folder. The entries know their type, which saves asking the disk for each.
std::vector<fs::directory_entry> entries_of(const fs::path& folder) {
  std::vector<fs::directory_entry> entries;
  std::error_code failure;
  for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    entries.push_back(*entry);
  }
  return entries;
}

}  // namespace

// The first use of a shard in this process brings its name to the disk, also when the folder is already
// there: whoever made it may have died before the fsync.
Status Blobs::make_shard(const std::string& sha256) {
  const auto number = static_cast<std::size_t>(std::stoi(sha256.substr(0, kShardDigits), nullptr, 16));
  const std::lock_guard lock(mutex_);
  if (durable_shards_[number]) return {};
  TRY(base::make_folders(path(sha256).parent_path()));
  TRY(base::sync_folder(folder_));
  durable_shards_[number] = true;
  return {};
}

Result<std::string> Blobs::put(std::string_view bytes) {
  std::string name = base::sha256(bytes);
  TRY(make_shard(name));
  if (!TRY(renew(name))) TRY(base::write_file_durably(path(name), bytes, kReadOnly));
  return name;
}

Result<bool> Blobs::renew(const std::string& sha256) {
  const fs::path file = path(sha256);
  {
    const std::lock_guard lock(removal_mutex_);
    if (!is_regular(file)) return false;
    if (::utimensat(AT_FDCWD, file.c_str(), nullptr, 0) != 0) {
      return fail(base::errno_error(errno, "cannot renew '" + file.string() + "'"));
    }
  }
  // Its content was on the disk before it got its name; its name may not be.
  TRY(base::sync_folder(file.parent_path()));
  return true;
}

Result<std::string> Blobs::put_file(const fs::path& staged) {
  std::error_code ignored;
  if (fs::symlink_status(staged, ignored).type() == fs::file_type::not_found) {
    return fail(ErrorCode::not_found, "there is no file '" + staged.string() + "' to keep");
  }
  // A link would bring in a file that its maker can still change.
  if (!is_regular(staged)) {
    return fail(ErrorCode::invalid,
                "'" + staged.string() + "' is no regular file, so it cannot become a blob");
  }
  std::string name = TRY(base::sha256_file(staged));
  TRY(put_hashed(staged, name));
  return name;
}

Status Blobs::put_hashed(const fs::path& staged, const std::string& sha256) {
  TRY(make_shard(sha256));
  if (TRY(renew(sha256))) return base::remove_tree(staged);
  const fs::path file = path(sha256);
  if (::chmod(staged.c_str(), kReadOnly) != 0) {
    return fail(base::errno_error(errno, "cannot make '" + staged.string() + "' read-only"));
  }
  TRY(base::move_file_durably(staged, file));
  TRY(renew(sha256));
  return {};
}

Result<std::string> Blobs::get(const std::string& sha256) const {
  if (!base::is_sha256(sha256)) return absent(sha256);
  const fs::path file = path(sha256);
  Result<std::string> bytes = base::read_file(file);
  if (!bytes) return unreadable(std::move(bytes).error(), sha256);
  if (base::sha256(*bytes) != sha256) return broken(file);
  return bytes;
}

bool Blobs::has(const std::string& sha256) const {
  return base::is_sha256(sha256) && is_regular(path(sha256));
}

fs::path Blobs::path(const std::string& sha256) const {
  CHECK(base::is_sha256(sha256));
  return folder_ / sha256.substr(0, kShardDigits) / sha256;
}

Status Blobs::verify(const std::string& sha256) const {
  if (!base::is_sha256(sha256)) return absent(sha256);
  const fs::path file = path(sha256);
  Result<std::string> found = base::sha256_file(file);
  if (!found) return unreadable(std::move(found).error(), sha256);
  if (*found != sha256) return broken(file);
  return {};
}

void Blobs::visit_files(const std::function<void(const fs::path&, bool)>& visit) const {
  std::error_code ignored;
  for (const fs::directory_entry& shard : entries_of(folder_)) {
    const std::string shard_name = shard.path().filename().string();
    if (shard_name.size() != kShardDigits || shard.is_symlink(ignored) || !shard.is_directory(ignored)) {
      visit(shard.path(), false);
      continue;
    }
    for (const fs::directory_entry& file : entries_of(shard.path())) {
      const std::string name = file.path().filename().string();
      const bool is_named_right = base::is_sha256(name) && name.starts_with(shard_name);
      visit(file.path(), is_named_right && !file.is_symlink(ignored) && file.is_regular_file(ignored));
    }
  }
}

std::vector<std::string> Blobs::list() const {
  std::vector<std::string> names;
  visit_files([&names](const fs::path& file, bool is_blob) {
    if (is_blob) names.push_back(file.filename().string());
  });
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<fs::path> Blobs::strays() const {
  std::vector<fs::path> files;
  visit_files([&files](const fs::path& file, bool is_blob) {
    if (!is_blob) files.push_back(file);
  });
  std::sort(files.begin(), files.end());
  return files;
}

Status Blobs::remove(const std::string& sha256) {
  CHECK(base::is_sha256(sha256));
  return base::remove_tree(path(sha256));
}

std::optional<Blobs::Facts> Blobs::facts(const std::string& sha256, TimeUs young_us) const {
  CHECK(base::is_sha256(sha256));
  struct stat facts{};
  if (::stat(path(sha256).c_str(), &facts) != 0) return std::nullopt;
  const TimeUs put_at = facts.st_mtim.tv_sec * base::kSecondUs + facts.st_mtim.tv_nsec / 1000;
  const bool is_young = young_us > 0 && base::SystemClock().now() - put_at < young_us;
  return Facts{static_cast<std::uint64_t>(facts.st_size), is_young};
}

Result<std::optional<std::uint64_t>> Blobs::remove_unless_young(const std::string& sha256, TimeUs young_us) {
  const std::lock_guard lock(removal_mutex_);
  const std::optional<Facts> found = facts(sha256, young_us);
  if (!found || found->is_young) return std::optional<std::uint64_t>();
  TRY(remove(sha256));
  return std::optional(found->bytes);
}

}  // namespace trimtab::store
