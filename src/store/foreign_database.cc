#include "store/foreign_database.h"

#include <fstream>
#include <string>
#include <string_view>
#include <utility>

namespace trimtab::store {
namespace {

// Asked before SQLite is, which would write a remark of its own to the log. An empty file is an empty
// database.
bool begins_as_database(const std::filesystem::path& file) {
  constexpr std::string_view kHead("SQLite format 3\0", 16);
  std::string head(kHead.size(), ' ');
  std::ifstream stream(file, std::ios::binary);
  stream.read(head.data(), static_cast<std::streamsize>(head.size()));
  return stream.gcount() == 0 || head == kHead;
}

tl::unexpected<Error> no_database(const std::filesystem::path& file) {
  return fail(ErrorCode::invalid, "'" + file.string() + "' is no SQLite database",
              "name the SQLite file that `mlflow server --backend-store-uri sqlite:///…` uses");
}

}  // namespace

Result<ForeignDatabase> ForeignDatabase::open(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) {
    return fail(ErrorCode::not_found, "there is no file '" + file.string() + "'",
                "name the SQLite file that `mlflow server --backend-store-uri sqlite:///…` uses");
  }
  if (!begins_as_database(file)) return no_database(file);
  std::unique_ptr<Connection> connection = TRY(Connection::open(file, Connection::Role::foreign));
  // The first look at the file shows what it is.
  const Status is_database = connection->run_script("PRAGMA schema_version");
  if (!is_database) return no_database(file);
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
