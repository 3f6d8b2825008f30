// One connection to the metadata database and its prepared statements: the only door to SQLite.
// Wrong SQL is a broken invariant (CHECK); what the disk or the data refuse is an Error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

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

  // True when a row is there. Errors: already_exists (unique constraint), conflict (foreign key),
  // too_large (over SQLite's limits), busy (another program holds the file), storage_full, storage_broken.
  Result<bool> step();
  // For statements without rows.
  Status run();

  int column_count() const;
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
  ~Connection();

  // Prepares (and caches) `sql`, which is always a constant of our own; CHECKs that it is valid.
  Statement prepare(std::string_view sql);
  // Runs the statements of a migration one after another. Errors: as Statement::step.
  Status run_script(std::string_view sql);
  std::int64_t last_insert_id() const;
  std::int64_t changes() const;

 private:
  friend struct DatabaseState;
  friend class ForeignDatabase;
  friend class Statement;
  struct State;
  explicit Connection(std::unique_ptr<State> state);

  // What follows is for the database alone, which opens connections and holds their transactions.
  // `foreign`: a file of another program, which is only read; SQL that does not fit its schema is an Error.
  enum class Role { writer, reader, foreign };
  // The writer makes the file when it is absent. Errors: storage_broken (no database), storage_full.
  static Result<std::unique_ptr<Connection>> open(const std::filesystem::path& file, Role role);
  void enforce_foreign_keys();
  // False after an error that made SQLite roll the whole transaction back.
  bool in_transaction() const;
  // CHECKs that no Statement outlives the work it was prepared in; it would hold the snapshot open.
  void check_no_statement_in_use() const;
  // Whether reading or writing the file has ever failed, a full disk apart.
  bool io_failed() const;
  // Pages in the write-ahead log after the last commit.
  std::int64_t wal_pages() const;
  // Copies the log into the database file. `restart` waits for readers, so that the log starts again from its
  // beginning; `truncate` gives its space back besides. Errors: busy, storage_full, storage_broken.
  enum class Checkpoint { passive, restart, truncate };
  Status checkpoint(Checkpoint kind);
  // Writes the database anew without its free pages; outside of a transaction. Needs as much room again
  // meanwhile. Errors: as checkpoint.
  Status vacuum();
  // Copies what a reader sees into a new database file, in one snapshot. Errors: as checkpoint.
  Status copy_to(const std::filesystem::path& file);

  std::unique_ptr<State> state_;
};

// Version of the SQLite that is linked in, e.g. "3.40.1".
std::string sqlite_version();

}  // namespace trimtab::store
