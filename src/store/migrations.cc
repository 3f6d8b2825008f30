#include "store/migrations.h"

#include <charconv>
#include <map>
#include <utility>

#include "base/hash.h"
#include "store/connection.h"
#include "store/embedded_files.h"

namespace trimtab::store {
namespace {

constexpr std::size_t kNumberDigits = 4;

// A migration that this database ran, as it remembers it.
struct Applied {
  int number = 0;
  std::string name;
  std::string sha256;
  std::string schema_sha256;
};

constexpr std::string_view kMakeTable =
    "CREATE TABLE IF NOT EXISTS schema_migration ("
    " number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL,"
    " schema_sha256 TEXT NOT NULL, applied_at INTEGER NOT NULL)";

Result<std::vector<Applied>> read_applied(Connection& connection) {
  std::vector<Applied> applied;
  Statement rows =
      connection.prepare("SELECT number, name, sha256, schema_sha256 FROM schema_migration ORDER BY number");
  while (TRY(rows.step())) {
    applied.push_back({static_cast<int>(rows.integer(0)), rows.text(1), rows.text(2), rows.text(3)});
  }
  return applied;
}

// Of every table, index, view and trigger. It tells a schema that the migrations made from one that somebody
// else has changed, for which our SQL would be wrong.
Result<std::string> hash_schema(Connection& connection) {
  base::Sha256 hash;
  Statement rows = connection.prepare(
      "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type, "
      "name");
  while (TRY(rows.step())) {
    for (int column = 0; column < rows.column_count(); ++column) {
      const std::string text = rows.text(column);
      hash.update(std::to_string(text.size()) + ":" + text);
    }
  }
  return hash.finish();
}

Status verify_applied(Connection& connection, const std::vector<Applied>& applied,
                      const std::vector<Migration>& migrations) {
  if (applied.size() > migrations.size()) {
    return fail(ErrorCode::storage_broken,
                "this home was made by a newer Trimtab: its schema is number " +
                    std::to_string(applied.back().number) + ", this program knows " +
                    std::to_string(migrations.back().number),
                "install that Trimtab or a later one, or use --home with another folder");
  }
  for (std::size_t i = 0; i < applied.size(); ++i) {
    const Migration& known = migrations[i];
    if (applied[i].number == known.number && applied[i].sha256 == known.sha256) continue;
    return fail(
        ErrorCode::storage_broken,
        "migrations/" + known.name + ".sql is not the file that made this home (there it was '" +
            applied[i].name + "', sha256 " + applied[i].sha256.substr(0, 12) + "…)",
        "use the Trimtab that made the home; a shipped migration is never edited, a new one is added");
  }
  if (!applied.empty() && TRY(hash_schema(connection)) != applied.back().schema_sha256) {
    return fail(ErrorCode::storage_broken, "the tables of this home are not those that its migrations made",
                "undo what was changed by hand, or restore meta.db from a backup");
  }
  return {};
}

Status run_check(Connection& connection, const Migration& migration) {
  Statement check = connection.prepare(migration.check);
  bool right = TRY(check.step());
  for (int column = 0; right && column < check.column_count(); ++column) {
    if (check.integer(column) == 1) continue;
    return fail(ErrorCode::storage_broken,
                "migration " + migration.name + " was undone: answer " + std::to_string(column + 1) + " of " +
                    migration.name + ".check.sql is no",
                "the home is as it was before; report this with the version you came from");
  }
  if (right) return {};
  return fail(ErrorCode::storage_broken,
              "migration " + migration.name + " was undone: " + migration.name + ".check.sql gives no row",
              "the home is as it was before; report this with the version you came from");
}

Status run_migration(Connection& connection, const Migration& migration, std::int64_t now_us) {
  TRY(connection.run_script(migration.up));
  TRY(run_check(connection, migration));
  const std::string schema_sha256 = TRY(hash_schema(connection));
  return connection.prepare("INSERT INTO schema_migration VALUES (?, ?, ?, ?, ?)")
      .with(migration.number, migration.name, migration.sha256, schema_sha256, now_us)
      .run();
}

// A file as one statement: prepare takes no words after it.
std::string without_end(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \n\r\t;");
  return std::string(last == std::string_view::npos ? "" : text.substr(0, last + 1));
}

}  // namespace

std::vector<Migration> known_migrations() {
  std::map<std::string, Migration> by_name;
  for (const EmbeddedFile& file : embedded_migrations()) {
    const std::size_t dot = file.name.find('.');
    CHECK(dot != std::string_view::npos);
    const std::string name(file.name.substr(0, dot));
    const std::string_view ending = file.name.substr(dot);
    CHECK(ending == ".sql" || ending == ".down.sql" || ending == ".check.sql");
    Migration& migration = by_name[name];
    migration.name = name;
    if (ending == ".sql") migration.up = file.text;
    if (ending == ".down.sql") migration.down = file.text;
    if (ending == ".check.sql") migration.check = without_end(file.text);
  }
  std::vector<Migration> migrations;
  for (auto& [name, migration] : by_name) {
    CHECK(name.size() > kNumberDigits && name[kNumberDigits] == '_');
    std::from_chars(name.data(), name.data() + kNumberDigits, migration.number);
    CHECK(migrations.empty() || migration.number > migrations.back().number);
    CHECK(!migration.up.empty() && !migration.down.empty() && !migration.check.empty());
    migration.sha256 = base::sha256(migration.up);
    migrations.push_back(std::move(migration));
  }
  return migrations;
}

Status migrate(Connection& connection, const std::vector<Migration>& migrations, std::int64_t now_us) {
  TRY(connection.prepare(kMakeTable).run());
  const std::vector<Applied> applied = TRY(read_applied(connection));
  TRY(verify_applied(connection, applied, migrations));
  for (std::size_t i = applied.size(); i < migrations.size(); ++i) {
    TRY(run_migration(connection, migrations[i], now_us));
  }
  return {};
}

}  // namespace trimtab::store
