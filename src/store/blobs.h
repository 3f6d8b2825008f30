// Immutable files named by the SHA-256 of their content: the only place where data, models and reports live.
#pragma once

#include <bitset>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace trimtab::store {

// Layout: <folder>/ab/abcdef… (read-only files). Thread-safe; several processes may read, the owner of the
// home alone writes.
class Blobs {
 public:
  explicit Blobs(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // Idempotent. Durable when it returns. Errors: storage_full, storage_broken.
  Result<std::string> put(std::string_view bytes);
  // Moves a file of the same file system in (a worker's staging). Returns its SHA-256. Durable.
  // Errors: not_found, invalid (no regular file), storage_full, storage_broken.
  Result<std::string> put_file(const std::filesystem::path& staged);
  // The same for a file whose SHA-256 was found while it was written, by this very process.
  Status put_hashed(const std::filesystem::path& staged, const std::string& sha256);
  // Errors: not_found, storage_broken (bytes do not match the name).
  Result<std::string> get(const std::string& sha256) const;
  bool has(const std::string& sha256) const;
  // Where the bytes are; the file may be absent. CHECKs that it is a SHA-256.
  std::filesystem::path path(const std::string& sha256) const;
  // Recomputes the hash. Errors: not_found, storage_broken naming the file.
  Status verify(const std::string& sha256) const;
  // All names present, sorted. For fsck.
  std::vector<std::string> list() const;
  // What lies in the folder and is no blob, sorted: leftovers of writes that a crash interrupted.
  std::vector<std::filesystem::path> strays() const;
  // Absence is fine.
  Status remove(const std::string& sha256);
  // Removes the blob unless it was put, for the first time or again, within the last `young_us` of the
  // system's time. Returns what that frees; nothing: it is younger, or absent.
  Result<std::optional<std::uint64_t>> remove_unless_young(const std::string& sha256, TimeUs young_us);
  struct Facts {
    std::uint64_t bytes = 0;
    bool is_young = false;
  };
  // Nothing: absent.
  std::optional<Facts> facts(const std::string& sha256, TimeUs young_us) const;

  const std::filesystem::path& folder() const { return folder_; }

 private:
  Status make_shard(const std::string& sha256);
  // True when the blob is there; it then counts as put just now, so a removal that is under way spares it.
  Result<bool> renew(const std::string& sha256);
  void visit_files(const std::function<void(const std::filesystem::path&, bool is_blob)>& visit) const;

  std::filesystem::path folder_;
  std::mutex mutex_;
  std::mutex removal_mutex_;         // Held while a blob is renewed, or looked at and removed.
  std::bitset<256> durable_shards_;  // Guarded by mutex_. Shards that this process has brought to the disk.
};

}  // namespace trimtab::store
