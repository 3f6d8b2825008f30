#include "store/foreign_database.h"

#include <utility>

namespace trimtab::store {

Result<ForeignDatabase> ForeignDatabase::open(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) {
    return fail(ErrorCode::not_found, "there is no file '" + file.string() + "'",
                "name the SQLite file that `mlflow server --backend-store-uri sqlite:///…` uses");
  }
  std::unique_ptr<Connection> connection = TRY(Connection::open(file, Connection::Role::foreign));
  // The first look at the file shows what it is.
  const Status is_database = connection->run_script("PRAGMA schema_version");
  if (!is_database) {
    return fail(ErrorCode::invalid, "'" + file.string() + "' is no SQLite database",
                "name the SQLite file that `mlflow server --backend-store-uri sqlite:///…` uses");
  }
  return ForeignDatabase(std::move(connection));
}

Status ForeignDatabase::read(const std::function<Status(Connection&)>& work) {
  TRY(connection_->prepare("BEGIN DEFERRED").run());
  Status status = work(*connection_);
  connection_->check_no_statement_in_use();
  if (connection_->in_transaction()) TRY(connection_->prepare("COMMIT").run());
  return status;
}

}  // namespace trimtab::store
