// The metadata database: SQLite in WAL mode, one writer thread with group commit, snapshot readers.
// A write is acknowledged only after the fsync of the transaction that carries it. fsync is the price of
// durability (about 180/s on a common disk), so many writes share one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace trimtab::store {

// One prepared statement in use. Indexes of parameters and columns count from 0. Belongs to one thread.
class Statement {
 public:
  Statement(Statement&&) noexcept;
  ~Statement();  // Resets it and gives it back to the connection's cache.

  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, int value) { return bind(index, static_cast<std::int64_t>(value)); }
  Statement& bind(int index, double value);
  Statement& bind(int index, std::string_view value);
  Statement& bind(int index, const char* value) { return bind(index, std::string_view(value)); }
  Statement& bind_null(int index);
  Statement& bind_blob(int index, std::string_view bytes);
  // Binds all parameters in order.
  template <class... Values>
  Statement& with(const Values&... values) {
    int index = 0;
    (bind(index++, values), ...);
    return *this;
  }

  // True when a row is there. Errors: already_exists (unique constraint), storage_full, storage_broken.
  Result<bool> step();
  // For statements without rows.
  Status run();

  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const;
  std::string blob(int column) const;

 private:
  friend class Connection;
  struct State;
  explicit Statement(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// A connection inside a transaction: the writer's, or a reader's snapshot. Belongs to one thread.
class Connection {
 public:
  // Prepares (and caches) `sql`, which is always a constant of our own; CHECKs that it is valid.
  Statement prepare(std::string_view sql);
  std::int64_t last_insert_id() const;
  std::int64_t changes() const;

 private:
  friend class Database;
  friend struct DatabaseState;
  struct State;
  explicit Connection(std::unique_ptr<State> state);

 public:
  ~Connection();

 private:
  std::unique_ptr<State> state_;
};

using WriteWork = std::function<Status(Connection&)>;

// Called once on the writer thread after the fsync, or with the error of the work or of the commit.
// Must be quick and must not write to the database and wait.
using OnCommit = std::function<void(Status)>;

// Thread-safe.
class Database {
 public:
  // Opens or creates the file, runs missing migrations (each in one transaction), starts the writer.
  // Errors: storage_broken (not a database, a newer schema than ours), storage_full.
  static Result<std::unique_ptr<Database>> open(const std::filesystem::path& file, const base::Clock& clock);
  ~Database();  // Commits what was submitted, then closes.

  // Queues `work`; it runs on the writer thread inside the group's transaction, in a savepoint of its own, in
  // order of submission: its failure undoes it alone. After a failed commit or fsync every later write is
  // refused with storage_broken; storage_full recovers by itself once there is space.
  void submit(WriteWork work, OnCommit on_commit);
  // submit and wait for the commit. Never call it on an io thread or inside work.
  Status write(WriteWork work);

  // Runs `work` on a snapshot of the last commit.
  Status read(const std::function<Status(Connection&)>& work);

  struct Counters {
    std::uint64_t writes = 0;
    std::uint64_t commits = 0;
  };
  Counters counters() const;

  // SQLite's own integrity_check. Errors: storage_broken with what it said.
  Status check_integrity();

 private:
  friend struct DatabaseState;
  explicit Database(std::unique_ptr<struct DatabaseState> state);
  std::unique_ptr<struct DatabaseState> state_;
};

}  // namespace trimtab::store
