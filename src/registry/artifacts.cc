#include "registry/artifacts.h"

#include <utility>

namespace trimtab::registry {

using store::Connection;
using store::Statement;

namespace {

// Trained versions are named by the hash of their files; changing one would make a liar of its manifest.
Status require_changeable(const ArtifactPath& key) {
  if (!key.root.starts_with("model/")) return {};
  return fail(ErrorCode::forbidden,
              "the files of '" + key.root + "' cannot be changed: Trimtab trained this version",
              "delete the version, or log a model of your own");
}

// The keys below a folder are those between "folder/" and "folder0", '0' being what follows '/'.
std::string first_below(const std::string& folder) { return folder.empty() ? "" : folder + "/"; }
std::string after_all_below(const std::string& folder) {
  return folder.empty() ? "\U0010ffff" : folder + "0";
}

Result<bool> has_below(Connection& connection, const ArtifactPath& key) {
  Statement row =
      connection.prepare("SELECT 1 FROM artifact WHERE root = ? AND path >= ? AND path < ? LIMIT 1");
  return row.with(key.root, first_below(key.path), after_all_below(key.path)).step();
}

// "a" and "a/b" cannot both be files: a client that downloads them would have no place for one.
Status require_place(Connection& connection, const ArtifactPath& key) {
  if (TRY(has_below(connection, key))) {
    return fail(ErrorCode::invalid, "Invalid path: '" + key.path + "' is a folder of artifacts");
  }
  for (std::size_t slash = key.path.find('/'); slash != std::string::npos;
       slash = key.path.find('/', slash + 1)) {
    const std::string folder = key.path.substr(0, slash);
    Statement row = connection.prepare("SELECT 1 FROM artifact WHERE root = ? AND path = ?");
    if (TRY(row.with(key.root, folder).step())) {
      return fail(ErrorCode::invalid, "Invalid path: '" + folder + "' is an artifact and no folder");
    }
  }
  return {};
}

}  // namespace

void put_artifact(store::Home& home, ArtifactPath key, ArtifactFile file, Written<bool> done) {
  if (const Status allowed = require_changeable(key); !allowed) return done(fail(allowed.error()));
  if (key.path.empty()) return done(fail(ErrorCode::invalid, "Invalid path"));
  write_value<bool>(
      home,
      [key = std::move(key), file = std::move(file)](Connection& connection) -> Result<bool> {
        TRY(require_place(connection, key));
        TRY(connection
                .prepare(
                    "INSERT OR REPLACE INTO artifact (root, path, blob_sha256, size) VALUES (?, ?, ?, ?)")
                .with(key.root, key.path, file.sha256, file.size)
                .run());
        return true;
      },
      std::move(done));
}

void delete_artifacts(store::Home& home, ArtifactPath key, Written<std::int64_t> done) {
  if (const Status allowed = require_changeable(key); !allowed) return done(fail(allowed.error()));
  // The whole proxy is nobody's to delete; a run or a logged model is.
  if (key.path.empty() && key.root == "proxy") return done(fail(ErrorCode::invalid, "Invalid path"));
  write_value<std::int64_t>(
      home,
      [key = std::move(key)](Connection& connection) -> Result<std::int64_t> {
        TRY(connection
                .prepare("DELETE FROM artifact WHERE root = ? AND (path = ? OR (path >= ? AND path < ?))")
                .with(key.root, key.path, first_below(key.path), after_all_below(key.path))
                .run());
        return connection.changes();
      },
      std::move(done));
}

Result<ArtifactFile> find_artifact(store::Home& home, const ArtifactPath& key, const std::string& shown) {
  ArtifactFile file;
  TRY(home.database().read([&](Connection& connection) -> Status {
    {
      Statement row =
          connection.prepare("SELECT blob_sha256, size FROM artifact WHERE root = ? AND path = ?");
      if (TRY(row.with(key.root, key.path).step())) {
        file = {row.text(0), row.integer(1)};
        return {};
      }
    }
    if (!TRY(has_below(connection, key))) {
      return fail(ErrorCode::not_found, "No such artifact: '" + shown + "'");
    }
    return fail(ErrorCode::invalid, "Artifact path refers to a directory, not a file: '" + shown + "'");
  }));
  return file;
}

// One seek an entry, not one an artifact: after a folder the next row is searched for behind all that is in
// it.
Result<std::vector<ArtifactEntry>> list_artifacts(store::Home& home, const ArtifactPath& folder) {
  std::vector<ArtifactEntry> entries;
  TRY(home.database().read([&](Connection& connection) -> Status {
    const std::string begin = first_below(folder.path);
    const std::string end = after_all_below(folder.path);
    std::string from = begin;
    while (true) {
      Statement row = connection.prepare(
          "SELECT path, size FROM artifact WHERE root = ? AND path >= ? AND path < ? ORDER BY path LIMIT 1");
      if (!TRY(row.with(folder.root, from, end).step())) return {};
      const std::string path = row.text(0);
      const std::size_t slash = path.find('/', begin.size());
      const bool is_folder = slash != std::string::npos;
      ArtifactEntry entry{path.substr(begin.size(), slash - begin.size()), is_folder, 0};
      if (!is_folder) entry.size = row.integer(1);
      entries.push_back(std::move(entry));
      from = is_folder ? path.substr(0, slash) + "0" : path + '\x01';
    }
  }));
  return entries;
}

}  // namespace trimtab::registry
