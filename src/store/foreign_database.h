// A SQLite file of another program, read and never written: what an import comes from.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "base/result.h"
#include "store/connection.h"

namespace trimtab::store {

// Belongs to one thread.
class ForeignDatabase {
 public:
  // Errors: not_found (no such file), storage_broken (no SQLite file), busy.
  static Result<ForeignDatabase> open(const std::filesystem::path& file);

  // Runs `work` on one snapshot of the file. SQL that does not fit its tables is an error of the step.
  Status read(const std::function<Status(Connection&)>& work);

 private:
  explicit ForeignDatabase(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
  std::unique_ptr<Connection> connection_;
};

}  // namespace trimtab::store
