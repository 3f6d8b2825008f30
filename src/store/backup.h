// A copy of a home that is made while it is in use, and the way back. A backup is a folder: meta.db (one
// snapshot), blobs/ (hard links where the disk is the same), log/, and backup.json, which is written last and
// says what the others must be. Secrets of the home (its token) are not in it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace trimtab::store {

class Home;

struct BackupReport {
  std::filesystem::path folder;
  TimeUs made_at = 0;
  std::uint64_t database_bytes = 0;
  std::int64_t blobs = 0;
  std::uint64_t blob_bytes = 0;
  std::int64_t linked = 0;  // Of the blobs: hard links, which take no space.
  std::int64_t log_files = 0;
  std::uint64_t log_bytes = 0;

  std::uint64_t bytes() const { return database_bytes + blob_bytes + log_bytes; }
};

// Requests go on meanwhile. The database is one snapshot, and every blob that it names is there; the log of
// predictions may be a moment younger. Blobs must not be removed meanwhile (store::sweep_blobs). A folder
// that was left unfinished has no backup.json and is refused by restore. Errors: already_exists (the target
// is not empty), invalid (inside of the home), storage_full, storage_broken.
Result<BackupReport> back_up(Home& home, const base::Clock& clock, const std::filesystem::path& target);

// Makes the folder `staged` a home like the one that was backed up. Verifies sizes and the database's hash;
// the blobs are verified by fsck. Errors: not_found and invalid (no whole backup), already_exists (`staged`
// is not empty), storage_full, storage_broken.
Result<BackupReport> restore_to(const std::filesystem::path& backup, const std::filesystem::path& staged);

// Whether nothing is in the way of making a folder here. Errors: already_exists, with `what` in the message.
Status expect_empty(const std::filesystem::path& folder, const std::string& what);

}  // namespace trimtab::store
