#include "store/database.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "store/migrations.h"

namespace trimtab::store {
namespace {

// Bounds how long the first write of a group waits for the last one.
constexpr std::size_t kGroupWritesMax = 512;
// Idle readers kept open. More may run at once; what is over is closed after use.
constexpr std::size_t kIdleReadersMax = 8;
// 32 MiB of log at 8 KiB a page: large enough that copying it is rare, small enough that opening is quick.
constexpr std::int64_t kCheckpointPages = 4'096;
// A reader that never lets the log start again would let it grow for ever; from here on we wait for readers.
constexpr std::int64_t kWalPagesMax = 8 * kCheckpointPages;

struct PendingWrite {
  WriteWork work;
  OnCommit on_commit;
  Status status;
  bool stands_alone = false;  // Runs outside of any transaction, in a group of its own.
};

}  // namespace

struct DatabaseState {
  using Role = Connection::Role;

  Status open_writer(const std::vector<Migration>& migrations, TimeUs now);
  void run_writer();
  std::vector<PendingWrite> take_group();
  void commit_group(std::vector<PendingWrite>& group);
  Status try_group(std::vector<PendingWrite>& group);
  Status run_work(PendingWrite& write);
  void notice_broken_disk(const Status& first);
  void checkpoint_when_due();
  static Status compact_file(Connection& connection);
  static Status copy(Connection& reader, const std::filesystem::path& to) { return reader.copy_to(to); }
  // Queues and waits. Never on the writer thread.
  Status wait_for(PendingWrite write);

  Result<std::unique_ptr<Connection>> borrow_reader();
  void give_back(std::unique_ptr<Connection> reader);
  static Status read_snapshot(Connection& reader, const std::function<Status(Connection&)>& work);

  std::filesystem::path file;

  std::mutex queue_mutex;
  std::condition_variable queue_changed;
  std::deque<PendingWrite> queue;  // Guarded by queue_mutex.
  bool closing = false;            // Guarded by queue_mutex.
  std::thread writer_thread;

  // Of the writer thread alone, once it runs.
  std::unique_ptr<Connection> writer;
  std::optional<Error> broken;  // Set by the first failed write to the disk; every later write gets it.
  std::int64_t wal_pages_seen = 0;
  std::int64_t checkpoint_at_pages = kCheckpointPages;

  std::mutex readers_mutex;
  std::vector<std::unique_ptr<Connection>> idle_readers;  // Guarded by readers_mutex.

  std::atomic<std::uint64_t> writes = 0;
  std::atomic<std::uint64_t> commits = 0;
};

// Foreign keys are enforced after the migrations: SQLite's way of changing a table is to make it anew under
// its old name, which would break every reference to it on the way.
Status DatabaseState::open_writer(const std::vector<Migration>& migrations, TimeUs now) {
  writer = TRY(Connection::open(file, Role::writer));
  TRY(writer->prepare("BEGIN IMMEDIATE").run());
  TRY(migrate(*writer, migrations, now));
  TRY(writer->prepare("COMMIT").run());
  writer->enforce_foreign_keys();
  return {};
}

void DatabaseState::run_writer() {
  while (true) {
    std::vector<PendingWrite> group = take_group();
    if (group.empty()) return;
    commit_group(group);
    checkpoint_when_due();
  }
}

// Takes all that waits. Nobody waits for company: while one group is on its way to the disk, the next one
// gathers by itself, and a lone write goes at once. Empty: the database closes.
std::vector<PendingWrite> DatabaseState::take_group() {
  std::unique_lock lock(queue_mutex);
  queue_changed.wait(lock, [this] { return closing || !queue.empty(); });
  std::vector<PendingWrite> group;
  const std::size_t count = std::min(queue.size(), kGroupWritesMax);
  group.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0 && queue.front().stands_alone) return group;
    group.push_back(std::move(queue.front()));
    queue.pop_front();
    if (group.back().stands_alone) return group;
  }
  return group;
}

void DatabaseState::commit_group(std::vector<PendingWrite>& group) {
  const Status committed = broken ? Status(fail(*broken)) : try_group(group);
  if (!committed) {
    // Also for writes that were refused on their own: what they were refused for may have been undone too.
    for (PendingWrite& write : group) write.status = fail(committed.error());
    if (writer->in_transaction()) static_cast<void>(writer->prepare("ROLLBACK").run());
  }
  notice_broken_disk(committed);
  writes += group.size();
  for (PendingWrite& write : group) write.on_commit(std::move(write.status));
}

// A failed fsync may have dropped pages for good. A second try could succeed and still be a lie.
void DatabaseState::notice_broken_disk(const Status& first) {
  if (broken || !writer->io_failed()) return;
  broken =
      Error{ErrorCode::storage_broken, "'" + file.string() + "' takes no writes since one of them failed",
            "check the disk, then start again; what was acknowledged is kept", std::nullopt, nullptr};
  if (!first) broken->cause = std::make_shared<const Error>(first.error());
}

// An error here is one of the whole group; that of a single write is in its status.
Status DatabaseState::try_group(std::vector<PendingWrite>& group) {
  if (group.front().stands_alone) return group.front().work(*writer);
  TRY(writer->prepare("BEGIN IMMEDIATE").run());
  bool any = false;
  for (PendingWrite& write : group) {
    TRY(run_work(write));
    any = any || write.status.has_value();
  }
  if (!any) return writer->prepare("ROLLBACK").run();
  TRY(writer->prepare("COMMIT").run());
  ++commits;
  return {};
}

Status DatabaseState::run_work(PendingWrite& write) {
  TRY(writer->prepare("SAVEPOINT work").run());
  write.status = write.work(*writer);
  writer->check_no_statement_in_use();
  // A full disk or a failed read may have made SQLite undo everything, the others' work too.
  if (!writer->in_transaction() || writer->io_failed()) {
    if (!write.status) return write.status;
    return fail(ErrorCode::storage_broken,
                "'" + file.string() + "' lost the group of writes that this one was in",
                "check the disk, then try again");
  }
  if (!write.status) TRY(writer->prepare("ROLLBACK TO work").run());
  return writer->prepare("RELEASE work").run();
}

void DatabaseState::checkpoint_when_due() {
  const std::int64_t pages = writer->wal_pages();
  if (pages < wal_pages_seen) checkpoint_at_pages = kCheckpointPages;  // The log has started again.
  wal_pages_seen = pages;
  if (broken || pages < checkpoint_at_pages) return;
  // What a failed checkpoint did not copy is still in the log, for a later one.
  using Kind = Connection::Checkpoint;
  notice_broken_disk(writer->checkpoint(pages >= kWalPagesMax ? Kind::restart : Kind::passive));
  checkpoint_at_pages = pages + kCheckpointPages;
}

Result<std::unique_ptr<Connection>> DatabaseState::borrow_reader() {
  {
    const std::lock_guard lock(readers_mutex);
    if (!idle_readers.empty()) {
      std::unique_ptr<Connection> reader = std::move(idle_readers.back());
      idle_readers.pop_back();
      return reader;
    }
  }
  return Connection::open(file, Role::reader);
}

void DatabaseState::give_back(std::unique_ptr<Connection> reader) {
  // A connection that has seen a failure is closed: a fresh one starts with a clean page cache.
  if (reader->io_failed() || reader->in_transaction()) return;
  const std::lock_guard lock(readers_mutex);
  if (idle_readers.size() < kIdleReadersMax) idle_readers.push_back(std::move(reader));
}

Status DatabaseState::read_snapshot(Connection& reader, const std::function<Status(Connection&)>& work) {
  TRY(reader.prepare("BEGIN DEFERRED").run());
  Status status = work(reader);
  reader.check_no_statement_in_use();
  if (reader.in_transaction()) TRY(reader.prepare("COMMIT").run());
  return status;
}

Database::Database(std::unique_ptr<DatabaseState> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& file,
                                                 const base::Clock& clock) {
  return open(file, clock, known_migrations());
}

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& file, const base::Clock& clock,
                                                 const std::vector<Migration>& migrations) {
  auto state = std::make_unique<DatabaseState>();
  state->file = file;
  TRY(state->open_writer(migrations, clock.now()));
  state->writer_thread = std::thread([writer = state.get()] { writer->run_writer(); });
  return std::unique_ptr<Database>(new Database(std::move(state)));
}

Database::~Database() {
  {
    const std::lock_guard lock(state_->queue_mutex);
    state_->closing = true;
  }
  state_->queue_changed.notify_one();
  state_->writer_thread.join();
}

void Database::submit(WriteWork work, OnCommit on_commit) {
  {
    const std::lock_guard lock(state_->queue_mutex);
    state_->queue.push_back(PendingWrite{std::move(work), std::move(on_commit), {}});
  }
  state_->queue_changed.notify_one();
}

Status DatabaseState::wait_for(PendingWrite write) {
  CHECK(std::this_thread::get_id() != writer_thread.get_id());
  std::mutex mutex;
  std::condition_variable done;
  std::optional<Status> outcome;
  write.on_commit = [&](Status status) {
    // Notified under the lock: once we see the outcome, `done` is gone.
    const std::lock_guard lock(mutex);
    outcome = std::move(status);
    done.notify_one();
  };
  {
    const std::lock_guard lock(queue_mutex);
    queue.push_back(std::move(write));
  }
  queue_changed.notify_one();
  std::unique_lock lock(mutex);
  done.wait(lock, [&] { return outcome.has_value(); });
  return *std::move(outcome);
}

Status Database::write(WriteWork work) { return state_->wait_for(PendingWrite{std::move(work), {}, {}}); }

namespace {

Result<std::int64_t> pragma(Connection& connection, std::string_view sql) {
  Statement row = connection.prepare(sql);
  CHECK(TRY(row.step()));
  return row.integer(0);
}

std::uint64_t size_of(const std::filesystem::path& file) {
  std::error_code absent;
  const std::uintmax_t size = std::filesystem::file_size(file, absent);
  return absent ? 0 : size;
}

}  // namespace

Status DatabaseState::compact_file(Connection& connection) {
  const std::int64_t pages = TRY(pragma(connection, "PRAGMA page_count"));
  const std::int64_t free_pages = TRY(pragma(connection, "PRAGMA freelist_count"));
  if (free_pages * 10 >= pages) TRY(connection.vacuum());
  // A reader that has not finished leaves the log as it is, for the next checkpoint.
  const Status emptied = connection.checkpoint(Connection::Checkpoint::truncate);
  if (!emptied && emptied.error().code != ErrorCode::busy) return emptied;
  return {};
}

Result<Database::Compaction> Database::compact() {
  const auto size = [this] { return size_of(state_->file) + size_of(state_->file.string() + "-wal"); };
  Compaction report;
  report.bytes_before = size();
  TRY(state_->wait_for(PendingWrite{
      [this](Connection& connection) { return state_->compact_file(connection); }, {}, {}, true}));
  report.bytes_after = size();
  return report;
}

Status Database::copy_to(const std::filesystem::path& file) {
  std::unique_ptr<Connection> reader = TRY(state_->borrow_reader());
  Status status = DatabaseState::copy(*reader, file);
  state_->give_back(std::move(reader));
  return status;
}

Status Database::read(const std::function<Status(Connection&)>& work) {
  std::unique_ptr<Connection> reader = TRY(state_->borrow_reader());
  Status status = DatabaseState::read_snapshot(*reader, work);
  state_->give_back(std::move(reader));
  return status;
}

Database::Counters Database::counters() const { return {state_->writes.load(), state_->commits.load()}; }

Status Database::check_integrity() {
  return read([this](Connection& reader) -> Status {
    std::string findings;
    Statement lines = reader.prepare("PRAGMA integrity_check(20)");
    while (TRY(lines.step())) {
      const std::string line = lines.text(0);
      if (line != "ok") findings += (findings.empty() ? "" : "; ") + line;
    }
    if (findings.empty()) return {};
    return fail(ErrorCode::storage_broken, "'" + state_->file.string() + "' is damaged: " + findings,
                "restore it from a backup");
  });
}

}  // namespace trimtab::store
