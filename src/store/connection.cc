#include "store/connection.h"

#include <array>
#include <cerrno>
#include <functional>
#include <mutex>
#include <optional>
#include <sqlite3.h>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "base/log.h"

namespace trimtab::store {
namespace {

constexpr int kBusyMs = 10'000;
// How long a checkpoint may keep the next group waiting for a slow reader.
constexpr int kBusyCheckpointMs = 250;
// Texts beyond this many are prepared anew each time. Our own constants are far fewer.
constexpr std::size_t kCachedStatementsMax = 512;

// How far the log is grown ahead of its pages.
constexpr sqlite3_int64 kLogAhead = 1 << 20;
// Of a page in the log: its frame, and its bytes.
constexpr sqlite3_int64 kLogPageBytes = 24 + 8192;

// 64 MiB of the log stay on the disk for reuse. Nothing is mapped: each connection would have its own mapping
// of the file, up to all of it, and a failed read would end the process instead of being an Error.
constexpr const char* kSettings =
    "PRAGMA page_size = 8192;"
    "PRAGMA synchronous = FULL;"
    "PRAGMA journal_size_limit = 67108864;"
    "PRAGMA mmap_size = 0;"
    "PRAGMA cell_size_check = ON;"
    "PRAGMA temp_store = MEMORY;";
// A reader's pages are forgotten with every commit that it sees, and the system keeps the file anyway.
constexpr const char* kWriterSettings = "PRAGMA journal_mode = WAL; PRAGMA cache_size = -16384;";
constexpr const char* kReaderSettings = "PRAGMA query_only = ON; PRAGMA cache_size = -2048;";

// SQLite's own remarks: what it recovered, which file it found damaged. Refused rows are ordinary.
void log_remark(void*, int code, const char* words) {
  const int primary = code & 0xff;
  if (primary == SQLITE_CONSTRAINT || primary == SQLITE_SCHEMA) return;
  const int system_code = errno;  // SQLite calls us on its way back; the error is made from errno later.
  const std::string line = "SQLite (" + std::to_string(code) + "): " + words;
  if (primary == SQLITE_NOTICE) {
    base::log_info("store", line);
  } else {
    base::log_warning("store", line);
  }
  errno = system_code;
}

void set_up_sqlite() {
  static std::once_flag once;
  std::call_once(once, [] {
    // Both fail harmlessly when someone in this process has used SQLite before.
    ::sqlite3_config(SQLITE_CONFIG_LOG, log_remark, nullptr);
    ::sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    CHECK(::sqlite3_initialize() == SQLITE_OK);
  });
}

bool is_full(int code, int system_code) {
  const int primary = code & 0xff;
  if (primary == SQLITE_FULL) return true;
  // A failed fsync may have lost pages for good, whatever its reason was.
  if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC) return false;
  // The index of the log grows by writing to it; SQLite keeps no errno of that write.
  if (code == SQLITE_IOERR_SHMSIZE) return true;
  // EFBIG is the limit of `ulimit -f`: a full disk of another kind.
  const bool no_room = system_code == ENOSPC || system_code == EDQUOT || system_code == EFBIG;
  return no_room && (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN);
}

bool is_io_failure(int code, int system_code) {
  return (code & 0xff) == SQLITE_IOERR && code != SQLITE_IOERR_NOMEM && !is_full(code, system_code);
}

Error constraint_error(int code, std::string words) {
  const auto made = [](ErrorCode error_code, std::string message) {
    return Error{error_code, std::move(message), {}, std::nullopt, nullptr};
  };
  switch (code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID: {
      constexpr std::string_view kPrefix = "UNIQUE constraint failed: ";
      if (words.starts_with(kPrefix)) words.erase(0, kPrefix.size());
      return made(ErrorCode::already_exists, "there is already a row with this " + words);
    }
    case SQLITE_CONSTRAINT_FOREIGNKEY:
      return made(ErrorCode::conflict, "a row refers to something that is not there");
    default:
      return made(ErrorCode::internal, "the database refused a row: " + words);
  }
}

Error storage_error(int code, int system_code, const std::string& file, const std::string& words) {
  const auto made = [](ErrorCode error_code, std::string message, std::string hint) {
    return Error{error_code, std::move(message), std::move(hint), std::nullopt, nullptr};
  };
  if (is_full(code, system_code)) {
    return made(ErrorCode::storage_full, "no space is left to write '" + file + "'",
                "free space on its disk and try again; nothing needs a restart");
  }
  switch (code & 0xff) {
    case SQLITE_NOTADB:
      return made(ErrorCode::storage_broken, "'" + file + "' is no Trimtab database",
                  "move it away, restore it from a backup, or use --home with another folder");
    case SQLITE_CORRUPT:
      return made(ErrorCode::storage_broken, "'" + file + "' is damaged: " + words,
                  "restore it from a backup; `trimtab fsck` says what is damaged");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return made(ErrorCode::busy, "another program holds '" + file + "'", "end that program and try again");
    case SQLITE_TOOBIG:
      return made(ErrorCode::too_large, "a value is larger than the database can hold", "");
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL: {
      const std::string reason =
          system_code != 0 ? words + " (" + std::generic_category().message(system_code) + ")" : words;
      return made(ErrorCode::storage_broken, "'" + file + "' cannot be read or written: " + reason,
                  "check the disk and the permissions of its folder, then start again");
    }
    default:
      return made(ErrorCode::internal, "the database failed: " + words, "");
  }
}

// An fsync of a file that has grown also waits for the file system's own journal, and so for what other
// programs write; one that overwrites waits for its own bytes. So the log grows by a stretch of zeros at
// once, which ends it as well as the end of the file does. Without space it grows as SQLite lets it, and the
// next commit says so.
void grow_log_ahead(sqlite3* handle, int pages) {
  sqlite3_file* log = nullptr;
  ::sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  sqlite3_int64 size = 0;
  if (log == nullptr || log->pMethods == nullptr || log->pMethods->xFileSize(log, &size) != SQLITE_OK) return;
  if (size >= pages * kLogPageBytes + kLogAhead / 2) return;
  static constexpr std::array<char, kLogAhead> kZeros{};
  log->pMethods->xWrite(log, kZeros.data(), static_cast<int>(kZeros.size()), size);
}

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

// The one statement of a text that is kept when nobody uses it; null while it is in use.
using StatementCache = std::unordered_map<std::string, sqlite3_stmt*, TextHash, std::equal_to<>>;

}  // namespace

struct Connection::State {
  explicit State(std::filesystem::path path) : file(std::move(path)) {}
  ~State() {
    for (const auto& [text, statement] : cache) ::sqlite3_finalize(statement);
    // Without open statements this never fails. The last connection to close brings the log into the file.
    ::sqlite3_close(handle);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // Stops the program when its SQL was wrong. Only for SQL that no schema on the disk can make wrong, or for
  // a schema that the migrations have verified.
  void check_sql(int code) const {
    if (code == SQLITE_ERROR && !is_foreign)
      base::check_failed("SQL is valid", __FILE__, __LINE__, ::sqlite3_errmsg(handle));
  }
  // Describes the failure of the last call, which began with errno = 0. SQLite's own record of errno leaves
  // out failed commits, just where a full disk must be told from a broken one.
  Error error(int code) {
    const int system_code = errno;
    const std::string words = ::sqlite3_errmsg(handle);
    if (is_io_failure(code, system_code)) io_failed = true;
    if ((code & 0xff) == SQLITE_CONSTRAINT) return constraint_error(code, words);
    return storage_error(code, system_code, file.string(), words);
  }

  std::filesystem::path file;
  sqlite3* handle = nullptr;
  StatementCache cache;
  int statements_in_use = 0;
  int wal_pages = 0;
  bool io_failed = false;
  bool is_foreign = false;
};

struct Statement::State {
  // A wrong index or a wrong order of calls is our mistake; a value that is too large is the caller's data.
  void bound(int code) {
    if (code == SQLITE_OK || handle == nullptr) return;
    CHECK(code == SQLITE_TOOBIG || code == SQLITE_NOMEM);
    failure = connection->error(code);
  }
  // SQLite wants a statement reset before its parameters change.
  void rewind() {
    if (::sqlite3_stmt_busy(handle) != 0) ::sqlite3_reset(handle);
  }
  bool has_column(int column) const { return column >= 0 && column < ::sqlite3_data_count(handle); }
  std::string bytes_of(const void* bytes, int column) const {
    if (bytes == nullptr) return {};
    return {static_cast<const char*>(bytes),
            static_cast<std::size_t>(::sqlite3_column_bytes(handle, column))};
  }

  Connection::State* connection = nullptr;
  sqlite3_stmt* handle = nullptr;          // Null when preparing failed.
  StatementCache::pointer kept = nullptr;  // Where it goes back to; null: it is finalized.
  std::optional<Error> failure;            // Of preparing or binding; step tells it.
};

Statement::Statement(std::unique_ptr<State> state) : state_(std::move(state)) {}
Statement::Statement(Statement&&) noexcept = default;

Statement::~Statement() {
  if (!state_) return;
  --state_->connection->statements_in_use;
  if (state_->handle == nullptr) return;
  ::sqlite3_reset(state_->handle);
  ::sqlite3_clear_bindings(state_->handle);
  if (state_->kept != nullptr && state_->kept->second == nullptr) {
    state_->kept->second = state_->handle;
  } else {
    ::sqlite3_finalize(state_->handle);
  }
}

Statement& Statement::bind(int index, std::int64_t value) {
  state_->rewind();
  state_->bound(::sqlite3_bind_int64(state_->handle, index + 1, value));
  return *this;
}

Statement& Statement::bind(int index, double value) {
  state_->rewind();
  state_->bound(::sqlite3_bind_double(state_->handle, index + 1, value));
  return *this;
}

Statement& Statement::bind(int index, std::string_view value) {
  state_->rewind();
  // A null pointer would bind NULL.
  const char* text = value.data() == nullptr ? "" : value.data();
  state_->bound(
      ::sqlite3_bind_text64(state_->handle, index + 1, text, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind_null(int index) {
  state_->rewind();
  state_->bound(::sqlite3_bind_null(state_->handle, index + 1));
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
  state_->rewind();
  const char* start = bytes.data() == nullptr ? "" : bytes.data();
  state_->bound(::sqlite3_bind_blob64(state_->handle, index + 1, start, bytes.size(), SQLITE_TRANSIENT));
  return *this;
}

Result<bool> Statement::step() {
  if (state_->failure) return fail(*state_->failure);
  errno = 0;
  const int code = ::sqlite3_step(state_->handle);
  if (code == SQLITE_ROW) return true;
  CHECK(code != SQLITE_MISUSE);
  std::optional<Error> failure;
  if (code != SQLITE_DONE) failure = state_->connection->error(code);
  // Ready for other parameters, and nothing of the snapshot is held any longer.
  ::sqlite3_reset(state_->handle);
  if (failure) return fail(*std::move(failure));
  return false;
}

Status Statement::run() {
  const bool row = TRY(step());
  CHECK(!row);
  return {};
}

int Statement::column_count() const { return ::sqlite3_column_count(state_->handle); }

bool Statement::is_null(int column) const {
  CHECK(state_->has_column(column));
  return ::sqlite3_column_type(state_->handle, column) == SQLITE_NULL;
}

std::int64_t Statement::integer(int column) const {
  CHECK(state_->has_column(column));
  return ::sqlite3_column_int64(state_->handle, column);
}

double Statement::real(int column) const {
  CHECK(state_->has_column(column));
  return ::sqlite3_column_double(state_->handle, column);
}

std::string Statement::text(int column) const {
  CHECK(state_->has_column(column));
  // The pointer comes before the length: asking for it may convert the value.
  const void* bytes = ::sqlite3_column_text(state_->handle, column);
  return state_->bytes_of(bytes, column);
}

std::string Statement::blob(int column) const {
  CHECK(state_->has_column(column));
  const void* bytes = ::sqlite3_column_blob(state_->handle, column);
  return state_->bytes_of(bytes, column);
}

Connection::Connection(std::unique_ptr<State> state) : state_(std::move(state)) {}
Connection::~Connection() = default;

Result<std::unique_ptr<Connection>> Connection::open(const std::filesystem::path& file, Role role) {
  set_up_sqlite();
  auto state = std::make_unique<State>(file);
  // Each connection belongs to one thread at a time, so SQLite's own mutex would only cost time.
  const int create = role == Role::writer ? SQLITE_OPEN_CREATE : 0;
  const int access = role == Role::foreign ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | create;
  const int flags = access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  state->is_foreign = role == Role::foreign;
  errno = 0;
  const int opened = ::sqlite3_open_v2(file.c_str(), &state->handle, flags, nullptr);
  if (opened != SQLITE_OK) return fail(state->error(opened));
  sqlite3* handle = state->handle;
  ::sqlite3_busy_timeout(handle, kBusyMs);
  ::sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  ::sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  ::sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  ::sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  std::unique_ptr<Connection> connection(new Connection(std::move(state)));
  if (role == Role::foreign) return connection;
  // The mode of the journal is the first thing that reads the file: here it shows what the file is.
  const char* role_settings = role == Role::writer ? kWriterSettings : kReaderSettings;
  for (const char* settings : {kSettings, role_settings}) {
    errno = 0;
    const int code = ::sqlite3_exec(handle, settings, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK)
      return fail(connection->state_->error(code == SQLITE_ERROR ? SQLITE_NOTADB : code));
  }
  if (role == Role::reader) return connection;
  // In place of wal_autocheckpoint: the database copies the log after it has acknowledged, not before.
  const auto count_pages = [](void* of, sqlite3* writer, const char*, int pages) {
    static_cast<State*>(of)->wal_pages = pages;
    grow_log_ahead(writer, pages);
    return SQLITE_OK;
  };
  ::sqlite3_wal_hook(handle, count_pages, connection->state_.get());
  return connection;
}

Statement Connection::prepare(std::string_view sql) {
  auto statement = std::make_unique<Statement::State>();
  statement->connection = state_.get();
  ++state_->statements_in_use;
  auto kept = state_->cache.find(sql);
  if (kept != state_->cache.end() && kept->second != nullptr) {
    statement->handle = std::exchange(kept->second, nullptr);
    statement->kept = &*kept;
    return Statement(std::move(statement));
  }
  const char* rest = nullptr;
  const int length = static_cast<int>(sql.size());
  errno = 0;
  const int code = ::sqlite3_prepare_v3(state_->handle, sql.data(), length, SQLITE_PREPARE_PERSISTENT,
                                        &statement->handle, &rest);
  state_->check_sql(code);
  if (code != SQLITE_OK) {
    statement->failure = state_->error(code);
    return Statement(std::move(statement));
  }
  CHECK(statement->handle != nullptr && rest == sql.data() + sql.size());
  if (kept == state_->cache.end() && state_->cache.size() < kCachedStatementsMax) {
    kept = state_->cache.emplace(sql, nullptr).first;
  }
  if (kept != state_->cache.end()) statement->kept = &*kept;
  return Statement(std::move(statement));
}

Status Connection::run_script(std::string_view sql) {
  const std::string script(sql);  // SQLite wants its end marked by a zero byte.
  errno = 0;
  const int code = ::sqlite3_exec(state_->handle, script.c_str(), nullptr, nullptr, nullptr);
  state_->check_sql(code);
  if (code != SQLITE_OK) return fail(state_->error(code));
  return {};
}

std::int64_t Connection::last_insert_id() const { return ::sqlite3_last_insert_rowid(state_->handle); }

std::int64_t Connection::changes() const { return ::sqlite3_changes64(state_->handle); }

void Connection::enforce_foreign_keys() {
  ::sqlite3_db_config(state_->handle, SQLITE_DBCONFIG_ENABLE_FKEY, 1, nullptr);
}

bool Connection::in_transaction() const { return ::sqlite3_get_autocommit(state_->handle) == 0; }

void Connection::check_no_statement_in_use() const { CHECK(state_->statements_in_use == 0); }

bool Connection::io_failed() const { return state_->io_failed; }

std::int64_t Connection::wal_pages() const { return state_->wal_pages; }

Status Connection::checkpoint(Checkpoint kind) {
  ::sqlite3_busy_timeout(state_->handle, kBusyCheckpointMs);
  constexpr int kModes[] = {SQLITE_CHECKPOINT_PASSIVE, SQLITE_CHECKPOINT_RESTART, SQLITE_CHECKPOINT_TRUNCATE};
  const int mode = kModes[static_cast<int>(kind)];
  errno = 0;
  const int code = ::sqlite3_wal_checkpoint_v2(state_->handle, nullptr, mode, nullptr, nullptr);
  ::sqlite3_busy_timeout(state_->handle, kBusyMs);
  if (code != SQLITE_OK) return fail(state_->error(code));
  return {};
}

Status Connection::vacuum() {
  // In a file and not in memory, where such a copy of a large database has no place.
  TRY(run_script("PRAGMA temp_store = FILE"));
  const Status done = run_script("VACUUM");
  TRY(run_script("PRAGMA temp_store = MEMORY"));
  return done;
}

Status Connection::copy_to(const std::filesystem::path& file) {
  State target(file);
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  errno = 0;
  int code = ::sqlite3_open_v2(file.c_str(), &target.handle, flags, nullptr);
  if (code != SQLITE_OK) return fail(target.error(code));
  sqlite3_backup* copy = ::sqlite3_backup_init(target.handle, "main", state_->handle, "main");
  if (copy == nullptr) return fail(target.error(::sqlite3_extended_errcode(target.handle)));
  // All at once: one read transaction, which no writer disturbs.
  code = ::sqlite3_backup_step(copy, -1);
  ::sqlite3_backup_finish(copy);
  if (code != SQLITE_DONE) return fail(target.error(code));
  return {};
}

std::string sqlite_version() { return sqlite3_libversion(); }

}  // namespace trimtab::store
