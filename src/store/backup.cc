#include "store/backup.h"

#include <cerrno>
#include <fcntl.h>
#include <functional>
#include <set>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "store/home.h"

namespace trimtab::store {
namespace fs = std::filesystem;
namespace {

constexpr const char* kDatabase = "meta.db";
constexpr const char* kSeal = "backup.json";
constexpr int kFormat = 1;
constexpr int kPrivateFolder = 0700;
constexpr std::uint64_t kSealBytesMax = 1u << 20;
constexpr std::size_t kCopyBytes = 1u << 20;

Status make_private_folder(const fs::path& folder) {
  if (::mkdir(folder.c_str(), kPrivateFolder) == 0 || errno == EEXIST) return {};
  return fail(base::errno_error(errno, "cannot make the folder '" + folder.string() + "'"));
}

Status sync_file(int descriptor, const fs::path& file) {
  if (::fsync(descriptor) == 0) return {};
  return fail(base::errno_error(errno, "cannot bring '" + file.string() + "' to the disk"));
}

// The first `size` bytes of a file that may be growing.
Status copy_bytes(const fs::path& from, const fs::path& to, std::uint64_t size, int mode) {
  const base::Descriptor source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!source) return fail(base::errno_error(errno, "cannot open '" + from.string() + "'"));
  const base::Descriptor target(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!target) return fail(base::errno_error(errno, "cannot make '" + to.string() + "'"));
  std::vector<char> buffer(kCopyBytes);
  while (size > 0) {
    const ssize_t got = ::read(source.get(), buffer.data(), std::min<std::uint64_t>(size, buffer.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(base::errno_error(errno, "cannot read '" + from.string() + "'"));
    if (got == 0) return fail(ErrorCode::storage_broken, "'" + from.string() + "' is shorter than it was");
    for (ssize_t done = 0; done < got;) {
      const ssize_t put = ::write(target.get(), buffer.data() + done, static_cast<std::size_t>(got - done));
      if (put < 0 && errno != EINTR)
        return fail(base::errno_error(errno, "cannot write '" + to.string() + "'"));
      if (put > 0) done += put;
    }
    size -= static_cast<std::uint64_t>(got);
  }
  if (::fchmod(target.get(), static_cast<mode_t>(mode)) != 0) {
    return fail(base::errno_error(errno, "cannot set the mode of '" + to.string() + "'"));
  }
  return sync_file(target.get(), to);
}

Result<std::uint64_t> size_of(const fs::path& file) {
  std::error_code failure;
  const std::uintmax_t size = fs::file_size(file, failure);
  if (failure) return fail(base::errno_error(failure.value(), "cannot read '" + file.string() + "'"));
  return size;
}

// Blobs never change, so a second name is as good as a copy, where the file system allows it.
Status copy_blobs(const Blobs& from, const fs::path& to, BackupReport& report) {
  TRY(make_private_folder(to));
  std::set<fs::path> shards;
  for (const std::string& name : from.list()) {
    const fs::path source = from.path(name);
    const fs::path target = to / source.parent_path().filename() / name;
    if (shards.insert(target.parent_path()).second) TRY(make_private_folder(target.parent_path()));
    const std::uint64_t size = TRY(size_of(source));
    if (::link(source.c_str(), target.c_str()) == 0) {
      ++report.linked;
    } else {
      TRY(copy_bytes(source, target, size, 0444));
    }
    ++report.blobs;
    report.blob_bytes += size;
  }
  for (const fs::path& shard : shards) TRY(base::sync_folder(shard));
  return base::sync_folder(to);
}

// Segments only grow, and a torn end is cut off when the log is opened.
Status copy_logs(const fs::path& from, const fs::path& to, BackupReport& report) {
  TRY(make_private_folder(to));
  std::error_code absent;
  for (const fs::directory_entry& endpoint : fs::directory_iterator(from, absent)) {
    if (!endpoint.is_directory()) continue;
    const fs::path folder = to / endpoint.path().filename();
    TRY(make_private_folder(folder));
    for (const fs::directory_entry& file : fs::directory_iterator(endpoint.path())) {
      if (!file.is_regular_file()) continue;
      const std::uint64_t size = TRY(size_of(file.path()));
      TRY(copy_bytes(file.path(), folder / file.path().filename(), size, 0600));
      ++report.log_files;
      report.log_bytes += size;
    }
    TRY(base::sync_folder(folder));
  }
  return base::sync_folder(to);
}

bool is_inside(const fs::path& inner, const fs::path& outer) {
  const fs::path relative = fs::weakly_canonical(inner).lexically_relative(fs::weakly_canonical(outer));
  return !relative.empty() && *relative.begin() != "..";
}

Json seal_of(const BackupReport& report, const std::string& database_sha256) {
  Json json = Json::object({{"format", kFormat}, {"made_at", base::format_time(report.made_at)}});
  json.set("database_sha256", database_sha256).set("database_bytes", report.database_bytes);
  json.set("blobs", report.blobs).set("blob_bytes", report.blob_bytes);
  return json.set("log_files", report.log_files).set("log_bytes", report.log_bytes);
}

Result<Json> read_seal(const fs::path& backup) {
  const Result<std::string> text = base::read_file(backup / kSeal, kSealBytesMax);
  if (!text && text.error().code == ErrorCode::not_found) {
    return fail(ErrorCode::not_found, "'" + backup.string() + "' is no whole backup: it has no " + kSeal,
                "make one with `trimtab backup`; one that was interrupted has to be made anew");
  }
  if (!text) return fail(text.error());
  const Result<Json> seal = base::parse_json(*text);
  if (seal && seal->int_or("format") == kFormat) return seal;
  return fail(ErrorCode::invalid,
              "'" + (backup / kSeal).string() + "' is not of a backup that this Trimtab reads",
              "restore it with the Trimtab that made it");
}

tl::unexpected<Error> not_as_made(const fs::path& backup, const std::string& what) {
  return fail(ErrorCode::invalid, "the backup '" + backup.string() + "' is not as it was made: " + what,
              "use another backup");
}

}  // namespace

Status expect_empty(const fs::path& folder, const std::string& what) {
  std::error_code failure;
  if (!fs::exists(folder, failure)) return {};
  if (fs::is_directory(folder, failure) && fs::is_empty(folder, failure)) return {};
  return fail(ErrorCode::already_exists, what + " '" + folder.string() + "' is not an empty folder",
              "name a folder that is not there yet");
}

Result<BackupReport> back_up(Home& home, const base::Clock& clock, const fs::path& target) {
  if (is_inside(target, home.folder())) {
    return fail(ErrorCode::invalid,
                "a backup inside of the home '" + home.folder().string() + "' would save nothing",
                "name a folder elsewhere, best on another disk");
  }
  TRY(expect_empty(target, "the target of the backup"));
  TRY(base::make_folders(fs::absolute(target).parent_path()));
  TRY(make_private_folder(target));
  BackupReport report;
  report.folder = target;
  report.made_at = clock.now();
  // First the rows, then the blobs: whatever a committed row names was there before it.
  const fs::path database = target / kDatabase;
  TRY(home.database().copy_to(database));
  report.database_bytes = TRY(size_of(database));
  TRY(copy_blobs(home.blobs(), target / "blobs", report));
  TRY(copy_logs(home.log_folder(), target / "log", report));
  const std::string sha256 = TRY(base::sha256_file(database));
  TRY(base::sync_folder(target));
  TRY(base::write_file_durably(target / kSeal, seal_of(report, sha256).dump(2) + "\n", 0600));
  return report;
}

Result<BackupReport> restore_to(const fs::path& backup, const fs::path& staged) {
  const Json seal = TRY(read_seal(backup));
  TRY(expect_empty(staged, "the home"));
  TRY(base::make_folders(fs::absolute(staged).parent_path()));
  TRY(make_private_folder(staged));
  BackupReport report;
  report.folder = staged;
  report.made_at = TRY(base::parse_time(seal.text_or("made_at")));
  report.database_bytes = TRY(size_of(backup / kDatabase));
  if (TRY(base::sha256_file(backup / kDatabase)) != seal.text_or("database_sha256")) {
    return not_as_made(backup, std::string(kDatabase) + " has another content");
  }
  TRY(copy_blobs(Blobs(backup / "blobs"), staged / "blobs", report));
  TRY(copy_logs(backup / "log", staged / "log", report));
  for (const auto& [name, found, what] : {std::tuple{"blobs", report.blobs, " files in blobs/"},
                                          std::tuple{"log_files", report.log_files, " files in log/"}}) {
    if (found == seal.int_or(name)) continue;
    return not_as_made(backup, "it has " + std::to_string(found) + what + " instead of " +
                                   std::to_string(seal.int_or(name)));
  }
  TRY(copy_bytes(backup / kDatabase, staged / kDatabase, report.database_bytes, 0600));
  TRY(base::sync_folder(staged));
  return report;
}

}  // namespace trimtab::store
