// Brings a source's snapshot up to date: new and changed files are hashed and ingested, rows that arrived by
// POST are sealed into parts. A part, once made, never changes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "flow/executor.h"
#include "project/project.h"
#include "store/home.h"
#include "table/engine.h"
#include "table/snapshot.h"

namespace trimtab::flow {

// The names under which snapshots are kept in the table `dataset`.
std::string source_dataset(const std::string& source);
std::string table_dataset(const std::string& table);

// The current snapshot of that name; nothing when there is none yet. Errors: storage_broken.
Result<std::optional<table::Snapshot>> load_snapshot(store::Home& home, const std::string& project,
                                                     const std::string& dataset);
// Makes `snapshot` the current one when it differs. Returns its manifest's hash.
Result<std::string> save_snapshot(store::Home& home, const std::string& project,
                                  const table::Snapshot& snapshot, TimeUs now);

// What is missing of a source because it could not be read, a line for each file: "source a: 1 row left:
// data/b.csv:3: column 'x' wants a number, found 'many'".
std::vector<std::string> left_rows_of(const table::Snapshot& source);

// The columns of a source's files as they were frozen when its present declaration was first read; nothing
// when that has not happened yet.
Result<std::optional<table::Schema>> frozen_schema(store::Home& home, const std::string& project,
                                                   const project::Source& source);

// Belongs to one thread.
class SourceRefresh {
 public:
  SourceRefresh(const project::Project& project, store::Home& home, table::Engine& engine, Executor& executor,
                const base::Clock& clock);

  // The types of the source's rows. They are frozen when the source is first read with its present
  // declaration: later files must fit them. In a dry run the files are looked at, but nothing is kept.
  Result<table::Schema> schema(const project::Source& source, ProgressListener& listener);
  // How the source's files are read: the parameters of "ingest".
  Result<Json> reading(const project::Source& source, ProgressListener& listener);
  // The first time a source is read, each of its rows must be readable; later, those that are not leave, or
  // their file is set aside (see ingest/left_rows.h), and the rest goes on.
  // Parts whose first row is later than `as_of` are left out. `pending` is set when steps are still to run.
  Result<table::Snapshot> refresh(const project::Source& source, TimeUs as_of, ProgressListener& listener,
                                  bool& pending);

 private:
  Result<table::Schema> raw_schema(const project::Source& source, ProgressListener& listener);
  Result<std::vector<Task>> file_tasks(const project::Source& source, ProgressListener& listener);
  Status seal_arrived(const project::Source& source, table::Snapshot& snapshot, ProgressListener& listener);
  Result<std::string> file_hash(const std::filesystem::path& path, std::uint64_t size, std::int64_t mtime_ns,
                                std::uint64_t inode);

  const project::Project& project_;
  store::Home& home_;
  table::Engine& engine_;
  Executor& executor_;
  const base::Clock& clock_;
  struct KnownFile {
    std::uint64_t size = 0;
    std::int64_t mtime_ns = 0;
    std::uint64_t inode = 0;
    std::string sha256;
  };
  std::map<std::string, KnownFile> known_files_;  // Mirror of the table source_file, by path.
  bool known_loaded_ = false;
  std::map<std::string, table::Schema> raw_;  // By source; frozen.
};

}  // namespace trimtab::flow
