// The folder where everything lives (.trimtab/), and the lock that makes one process its owner.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "store/blobs.h"
#include "store/database.h"

namespace trimtab::store {

// What server.json says: where the server that owns this home answers.
struct ServerAddress {
  std::string host;
  int port = 0;
  std::int64_t epoch = 0;
  int process_id = 0;
};

// The owner's view of a home. Layout: meta.db, blobs/, log/, staging/, token (0600), lock, server.json
// (0600).
class Home {
 public:
  // Creates the folder when absent, takes the lock, raises the fencing epoch, empties staging/, opens
  // meta.db. Errors: home_locked (names the owner's process and address), storage_broken, storage_full.
  static Result<std::unique_ptr<Home>> open(const std::filesystem::path& folder, const base::Clock& clock);
  ~Home();  // Closes the database, removes server.json if it is ours, releases the lock.

  const std::filesystem::path& folder() const { return folder_; }
  Database& database() { return *database_; }
  Blobs& blobs() { return blobs_; }
  const std::string& token() const { return token_; }  // For native routes that change things.
  std::int64_t epoch() const { return epoch_; }
  std::filesystem::path log_folder() const { return folder_ / "log"; }
  // A fresh private folder for one worker; the caller removes it. It is on the blobs' file system.
  Result<std::filesystem::path> make_staging(const std::string& name);

  Status publish_address(const std::string& host, int port);

 private:
  Home(std::filesystem::path folder, base::Descriptor lock);
  std::filesystem::path folder_;
  base::Descriptor lock_;
  Blobs blobs_;
  std::unique_ptr<Database> database_;
  std::string token_;
  std::int64_t epoch_ = 0;
  bool published_ = false;
};

// Reads server.json and checks that its owner still holds the lock; nullopt when no server owns the home.
std::optional<ServerAddress> find_server(const std::filesystem::path& folder);
// The token in an existing home. Errors: not_found.
Result<std::string> read_token(const std::filesystem::path& folder);

}  // namespace trimtab::store
