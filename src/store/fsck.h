// Checks a home from end to end: what the database says, and that every blob it names is there and whole.
// Never repairs anything. What is inside a blob (a manifest's parts) is known to the rooms that write it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace trimtab::store {

class Home;

struct FsckOptions {
  bool quick = false;  // Leaves out the hashing of every blob.
};

struct FsckReport {
  std::vector<std::string> problems;  // Sentences that name the thing and say what to do. Empty: all is well.
  std::vector<std::string> notes;     // Sentences of what is no damage.
  std::int64_t audit_rows = 0;        // Of the verified chain.
  std::int64_t references = 0;        // Places in the database that name a blob.
  std::int64_t blobs = 0;             // In the folder.
  std::uint64_t blob_bytes = 0;       // Hashed.
};

// Reads only; others may write meanwhile. Adds to `report`.
void check_store(Home& home, FsckReport& report, FsckOptions options = {});

}  // namespace trimtab::store
