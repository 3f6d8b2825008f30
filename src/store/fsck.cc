#include "store/fsck.h"

#include <functional>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "base/hash.h"
#include "base/json.h"
#include "store/audit.h"
#include "store/home.h"

namespace trimtab::store {
namespace fs = std::filesystem;
namespace {

void add_problem(FsckReport& report, const Status& status) {
  if (status) return;
  const Error& error = status.error();
  report.problems.push_back(error.hint.empty() ? error.message : error.message + ": " + error.hint);
}

Status check_foreign_keys(Connection& connection, FsckReport& report) {
  Statement rows = connection.prepare(
      "SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check() GROUP BY 1, 2 ORDER BY 1, 2");
  while (TRY(rows.step())) {
    report.problems.push_back("table " + rows.text(0) + " refers to rows of " + rows.text(1) +
                              " that are not there (" + std::to_string(rows.integer(2)) +
                              " times): restore meta.db from a backup");
  }
  return {};
}

// Whatever the database refers to must be in the folder.
class References {
 public:
  References(const Blobs& blobs, FsckReport& report) : blobs_(blobs), report_(report) {}

  // Columns of `sql`: who refers, the SHA-256.
  Status check_columns(Connection& connection, std::string_view sql) {
    Statement rows = connection.prepare(sql);
    while (TRY(rows.step())) check(rows.text(0), rows.text(1));
    return {};
  }

  Status check_step_results(Connection& connection) {
    Statement rows = connection.prepare("SELECT label, step_key, outputs_json FROM step_result");
    while (TRY(rows.step())) {
      const std::string who =
          "the result of step '" + rows.text(0) + "' (" + rows.text(1).substr(0, 12) + "…)";
      const Result<Json> outputs = base::parse_json(rows.text(2));
      if (outputs) {
        check_outputs(who, *outputs);
      } else {
        report_.problems.push_back(who + " is not JSON: delete its row in step_result, the step runs again");
      }
    }
    return {};
  }

 private:
  void check(const std::string& who, const std::string& sha256) {
    ++report_.references;
    if (present_.contains(sha256)) return;
    if (blobs_.has(sha256)) {
      present_.insert(sha256);
      return;
    }
    report_.problems.push_back(who + " needs blob '" + sha256 +
                               "', which is not there: restore blobs/ from a backup");
  }

  // {"blob": …} at any depth.
  void check_outputs(const std::string& who, const Json& value) {
    if (value.is_array()) {
      for (const Json& item : value.as_array()) check_outputs(who, item);
    }
    if (!value.is_object()) return;
    for (const auto& [name, member] : value.as_object()) {
      if (name == "blob" && member.is_string()) check(who, member.as_string());
      check_outputs(who, member);
    }
  }

  const Blobs& blobs_;
  FsckReport& report_;
  std::unordered_set<std::string> present_;
};

Status check_references(Connection& connection, const Blobs& blobs, FsckReport& report) {
  References references(blobs, report);
  TRY(references.check_columns(connection,
                               "SELECT 'file ''' || path || ''' of ''' || root || '''', blob_sha256"
                               " FROM artifact"));
  TRY(references.check_columns(connection,
                               "SELECT 'dataset ''' || name || ''' of project ''' || project || '''',"
                               " manifest_sha256 FROM dataset"));
  TRY(references.check_columns(connection,
                               "SELECT 'version ' || version || ' of model ''' || model || '''',"
                               " manifest_sha256 FROM model_version WHERE manifest_sha256 IS NOT NULL"));
  return references.check_step_results(connection);
}

void check_blobs(const Blobs& blobs, FsckReport& report, FsckOptions options) {
  for (const std::string& sha256 : blobs.list()) {
    ++report.blobs;
    if (options.quick) continue;
    const Status whole = blobs.verify(sha256);
    // Removed since it was listed: nobody needs it.
    if (!whole && whole.error().code == ErrorCode::not_found) continue;
    add_problem(report, whole);
    std::error_code ignored;
    const std::uintmax_t size = fs::file_size(blobs.path(sha256), ignored);
    if (!ignored) report.blob_bytes += size;
  }
  for (const fs::path& stray : blobs.strays()) {
    report.problems.push_back("'" + stray.string() +
                              "' is no blob: remove it, unless a write is going on at this moment");
  }
}

}  // namespace

void check_store(Home& home, FsckReport& report, FsckOptions options) {
  Database& database = home.database();
  add_problem(report, database.check_integrity());
  add_problem(report,
              database.read([&](Connection& connection) { return check_foreign_keys(connection, report); }));
  add_problem(report, database.read([&](Connection& connection) -> Status {
    report.audit_rows = TRY(verify_audit(connection));
    return {};
  }));
  add_problem(report, database.read([&](Connection& connection) {
    return check_references(connection, home.blobs(), report);
  }));
  check_blobs(home.blobs(), report, options);
}

}  // namespace trimtab::store
