// The metadata database: SQLite in WAL mode, one writer thread with group commit, snapshot readers.
// A write is acknowledged only after the fsync of the transaction that carries it. fsync is the price of
// durability (about 180/s on a common disk), so many writes share one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/connection.h"

namespace trimtab::store {

struct Migration;

using WriteWork = std::function<Status(Connection&)>;

// Called once on the writer thread after the fsync, or with the error of the work or of the commit.
// Must be quick and must not write to the database and wait.
using OnCommit = std::function<void(Status)>;

// Thread-safe.
class Database {
 public:
  // Opens or creates the file, runs missing migrations (all in one transaction), starts the writer.
  // Errors: storage_broken (not a database, a newer schema than ours), storage_full.
  static Result<std::unique_ptr<Database>> open(const std::filesystem::path& file, const base::Clock& clock);
  // The same with other migrations than the program's own.
  static Result<std::unique_ptr<Database>> open(const std::filesystem::path& file, const base::Clock& clock,
                                                const std::vector<Migration>& migrations);
  ~Database();  // Commits what was submitted, then closes.

  // Queues `work`; it runs on the writer thread inside the group's transaction, in a savepoint of its own, in
  // order of submission: its failure undoes it alone. After a failed commit or fsync every later write is
  // refused with storage_broken; storage_full recovers by itself once there is space.
  void submit(WriteWork work, OnCommit on_commit);
  // submit and wait for the commit. Never call it on an io thread or inside work.
  Status write(WriteWork work);

  // What the file took and takes, the log included.
  struct Compaction {
    std::uint64_t bytes_before = 0;
    std::uint64_t bytes_after = 0;
  };
  // Gives free pages back to the disk when they are a tenth of the file or more. Writes wait meanwhile (about
  // a second for 200 MB); reads go on. Errors: storage_full (nothing is lost), storage_broken.
  Result<Compaction> compact();
  // Writes what is committed now to a new file, as one snapshot; reads and writes go on. Errors:
  // storage_full, storage_broken.
  Status copy_to(const std::filesystem::path& file);

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
