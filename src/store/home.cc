#include "store/home.h"

#include <cerrno>
#include <charconv>
#include <chrono>
#include <fcntl.h>
#include <string_view>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/id.h"
#include "base/json.h"

namespace trimtab::store {
namespace fs = std::filesystem;
namespace {

constexpr int kPrivateFolder = 0700;
constexpr int kPrivateFile = 0600;
constexpr int kTokenBytes = 32;
constexpr std::uint64_t kSmallFileBytesMax = 4'096;
// The names that base::write_file_durably gives to files on their way.
constexpr std::string_view kTemporaryPrefix = ".tmp-";
// find_server tries the lock for a moment; an owner that starts just then must not take that for another
// owner.
constexpr int kLockAttempts = 5;
constexpr auto kLockPause = std::chrono::milliseconds(20);

fs::path lock_file(const fs::path& folder) { return folder / "lock"; }
fs::path token_file(const fs::path& folder) { return folder / "token"; }
fs::path address_file(const fs::path& folder) { return folder / "server.json"; }

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

std::string url(const ServerAddress& address) {
  const bool is_ipv6 = address.host.find(':') != std::string::npos;
  return "http://" + (is_ipv6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

// The process that says it holds the lock; 0 when the file says nothing.
int read_owner(const fs::path& folder) {
  const std::string text = trimmed(base::read_file(lock_file(folder), kSmallFileBytesMax).value_or(""));
  int process_id = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), process_id);
  return failure == std::errc() && end == text.data() + text.size() ? process_id : 0;
}

std::optional<ServerAddress> read_address(const fs::path& folder) {
  const Result<std::string> text = base::read_file(address_file(folder), kSmallFileBytesMax);
  if (!text) return std::nullopt;
  const Result<Json> json = base::parse_json(*text);
  if (!json) return std::nullopt;
  ServerAddress address;
  address.host = json->text_or("host");
  address.port = static_cast<int>(json->int_or("port"));
  address.epoch = json->int_or("epoch");
  address.process_id = static_cast<int>(json->int_or("process_id"));
  if (address.host.empty() || address.port <= 0) return std::nullopt;
  return address;
}

tl::unexpected<Error> locked(const fs::path& folder) {
  const int process_id = read_owner(folder);
  std::string message = "the home '" + folder.string() + "' is in use by ";
  message += process_id > 0 ? "process " + std::to_string(process_id) : "another process";
  const std::optional<ServerAddress> address = read_address(folder);
  if (address && address->process_id == process_id) message += ", which serves at " + url(*address);
  return fail(ErrorCode::home_locked, std::move(message),
              "stop that process, or use --home with another folder");
}

// A folder that only its owner may enter. One that is already there keeps its permissions.
Status make_private_folder(const fs::path& folder) {
  const fs::path full = fs::absolute(folder).lexically_normal();
  const fs::path clean = full.has_filename() ? full : full.parent_path();
  TRY(base::make_folders(clean.parent_path()));
  if (::mkdir(clean.c_str(), kPrivateFolder) == 0) return base::sync_folder(clean.parent_path());
  std::error_code ignored;
  if (errno == EEXIST && fs::is_directory(clean, ignored)) return {};
  return fail(base::errno_error(errno, "cannot make the folder '" + folder.string() + "'"));
}

// The lock is the open file, so it ends with the process however that ends, and a second open in this process
// is refused like any other.
Result<base::Descriptor> take_lock(const fs::path& folder) {
  const fs::path file = lock_file(folder);
  base::Descriptor lock(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kPrivateFile));
  if (!lock) return fail(base::errno_error(errno, "cannot open '" + file.string() + "'"));
  for (int attempt = 1; ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0; ++attempt) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return fail(base::errno_error(errno, "cannot lock '" + file.string() + "'"));
    }
    if (attempt == kLockAttempts) return locked(folder);
    std::this_thread::sleep_for(kLockPause);
  }
  const std::string owner = std::to_string(::getpid()) + "\n";
  const bool written = ::ftruncate(lock.get(), 0) == 0 && ::pwrite(lock.get(), owner.data(), owner.size(),
                                                                   0) == static_cast<ssize_t>(owner.size());
  if (!written) return fail(base::errno_error(errno, "cannot write '" + file.string() + "'"));
  return lock;
}

// True while somebody holds the home.
bool is_owned(const fs::path& folder) {
  const base::Descriptor lock(::open(lock_file(folder).c_str(), O_RDONLY | O_CLOEXEC));
  return lock && ::flock(lock.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

// What an owner that crashed may have left. We hold the lock, so nobody else is using any of it.
Status clear_leftovers(const fs::path& folder, const Blobs& blobs) {
  TRY(base::remove_tree(address_file(folder)));
  TRY(base::remove_tree(folder / "staging"));
  for (const char* name : {"staging", "log", "blobs"}) TRY(base::make_folders(folder / name));
  std::vector<fs::path> candidates = blobs.strays();
  std::error_code failure;
  for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    candidates.push_back(entry->path());
  }
  for (const fs::path& candidate : candidates) {
    if (candidate.filename().string().starts_with(kTemporaryPrefix)) TRY(base::remove_tree(candidate));
  }
  return {};
}

Result<std::string> open_token(const fs::path& folder) {
  Result<std::string> token = read_token(folder);
  if (token || token.error().code != ErrorCode::not_found) return token;
  std::string fresh = base::random_hex(kTokenBytes);
  TRY(base::write_file_durably(token_file(folder), fresh + "\n", kPrivateFile));
  return fresh;
}

// The fencing epoch tells the commands of this owner from those of an earlier one that has not noticed its
// end.
Result<std::int64_t> raise_epoch(Database& database) {
  std::int64_t epoch = 0;
  TRY(database.write([&epoch](Connection& connection) -> Status {
    TRY(connection
            .prepare("INSERT INTO setting (name, value) VALUES ('epoch', '1')"
                     " ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1")
            .run());
    Statement row = connection.prepare("SELECT CAST(value AS INTEGER) FROM setting WHERE name = 'epoch'");
    CHECK(TRY(row.step()));
    epoch = row.integer(0);
    return {};
  }));
  return epoch;
}

}  // namespace

Home::Home(fs::path folder, base::Descriptor lock)
    : folder_(std::move(folder)), lock_(std::move(lock)), blobs_(folder_ / "blobs") {}

Result<std::unique_ptr<Home>> Home::open(const fs::path& folder, const base::Clock& clock) {
  TRY(make_private_folder(folder));
  base::Descriptor lock = TRY(take_lock(folder));
  std::unique_ptr<Home> home(new Home(folder, std::move(lock)));
  TRY(clear_leftovers(folder, home->blobs_));
  home->token_ = TRY(open_token(folder));
  home->database_ = TRY(Database::open(folder / "meta.db", clock));
  home->epoch_ = TRY(raise_epoch(*home->database_));
  return home;
}

Home::~Home() {
  database_.reset();
  // Before the lock goes, so that it cannot be the next owner's.
  if (published_) static_cast<void>(base::remove_tree(address_file(folder_)));
}

Result<fs::path> Home::make_staging(const std::string& name) {
  CHECK(!name.empty() && name[0] != '.' && name.find('/') == std::string::npos);
  fs::path folder = folder_ / "staging" / (name + "-" + base::random_hex(4));
  if (::mkdir(folder.c_str(), kPrivateFolder) != 0) {
    return fail(base::errno_error(errno, "cannot make the folder '" + folder.string() + "'"));
  }
  return folder;
}

Status Home::publish_address(const std::string& host, int port) {
  const Json json = Json::object(
      {{"host", host}, {"port", port}, {"epoch", epoch_}, {"process_id", static_cast<int>(::getpid())}});
  TRY(base::write_file_durably(address_file(folder_), json.dump() + "\n", kPrivateFile));
  published_ = true;
  return {};
}

std::optional<ServerAddress> find_server(const fs::path& folder) {
  std::optional<ServerAddress> address = read_address(folder);
  // An address whose process is not the one that holds the lock was left by a crash.
  if (!address || !is_owned(folder) || read_owner(folder) != address->process_id) return std::nullopt;
  return address;
}

Result<std::string> read_token(const fs::path& folder) {
  const fs::path file = token_file(folder);
  Result<std::string> text = base::read_file(file, kSmallFileBytesMax);
  if (!text && text.error().code == ErrorCode::not_found) {
    return fail(ErrorCode::not_found, "there is no home with a token at '" + folder.string() + "'",
                "`trimtab apply` or `trimtab serve` makes one");
  }
  if (!text) return text;
  std::string token = trimmed(*std::move(text));
  if (base::is_sha256(token)) return token;  // The same shape: 64 hexadecimal digits.
  return fail(ErrorCode::storage_broken,
              "'" + file.string() + "' does not hold a token of 64 hexadecimal digits",
              "remove the file; the next start writes a new one");
}

}  // namespace trimtab::store
