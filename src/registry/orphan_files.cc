#include "registry/orphan_files.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/json.h"
#include "store/audit.h"
#include "store/connection.h"

namespace trimtab::registry {
namespace {

using store::Connection;
using store::Statement;

constexpr std::string_view kProxyUri = "mlflow-artifacts:/";

struct Orphan {
  std::string root, path;
  std::uint64_t size = 0;
};

std::string place_of(const Orphan& orphan) {
  return orphan.root == "proxy" ? orphan.path : orphan.root + ": " + orphan.path;
}

// Folders of the proxy that something in the record names.
class NamedFolders {
 public:
  // A text that may hold addresses: "mlflow-artifacts:/a/b", {"uri": "mlflow-artifacts:/c"}.
  void add_from(std::string_view text) {
    for (std::size_t at = text.find(kProxyUri); at != std::string_view::npos;
         at = text.find(kProxyUri, at + 1)) {
      const std::string_view rest = text.substr(at + kProxyUri.size());
      add(rest.substr(0, rest.find_first_of("\"'\\ ")));
    }
  }

  bool hold(const std::string& path) const {
    for (std::size_t end = path.size(); end != std::string::npos && end > 0;
         end = end == 0 ? std::string::npos : path.rfind('/', end - 1)) {
      if (folders_.contains(path.substr(0, end))) return true;
    }
    return false;
  }

 private:
  void add(std::string_view folder) {
    while (folder.starts_with('/')) folder.remove_prefix(1);
    while (folder.ends_with('/')) folder.remove_suffix(1);
    if (!folder.empty()) folders_.insert(std::string(folder));
  }

  std::set<std::string> folders_;
};

Result<NamedFolders> read_named_folders(Connection& connection) {
  NamedFolders folders;
  for (const char* sql :
       {"SELECT artifact_location, '' FROM experiment", "SELECT source, location FROM model_version",
        "SELECT location, '' FROM logged_model", "SELECT source, '' FROM logged_dataset"}) {
    Statement row = connection.prepare(sql);
    while (TRY(row.step())) {
      folders.add_from(row.text(0));
      folders.add_from(row.text(1));
    }
  }
  return folders;
}

// "3/traces/tr-…/artifacts/x" → "tr-…"; "": another place.
std::string trace_of(const std::string& path) {
  const std::size_t traces = path.find("/traces/");
  const bool is_trace =
      traces != std::string::npos && path.find_first_not_of("0123456789") == traces && traces > 0;
  if (!is_trace) return {};
  const std::size_t begin = traces + std::string_view("/traces/").size();
  return path.substr(begin, path.find('/', begin) - begin);
}

Result<bool> is_there(Connection& connection, std::string_view sql, std::string_view id) {
  Statement row = connection.prepare(sql);
  return row.with(id).step();
}

// Of a root that is no proxy.
Result<bool> has_owner(Connection& connection, const std::string& root) {
  const std::string id = root.substr(root.find('/') + 1);
  if (root.starts_with("run/")) return is_there(connection, "SELECT 1 FROM run WHERE id = ?", id);
  if (root.starts_with("logged_model/"))
    return is_there(connection, "SELECT 1 FROM logged_model WHERE id = ?", id);
  if (!root.starts_with("model/")) return true;  // Of a kind that this does not know.
  const std::size_t slash = id.rfind('/');
  std::int64_t version = 0;
  std::from_chars(id.data() + std::min(slash + 1, id.size()), id.data() + id.size(), version);
  Statement row = connection.prepare("SELECT 1 FROM model_version WHERE model = ? AND version = ?");
  return row.with(id.substr(0, slash), version).step();
}

Result<std::vector<Orphan>> select_orphans(Connection& connection, const store::Blobs& blobs, TimeUs age_us) {
  const NamedFolders folders = TRY(read_named_folders(connection));
  std::vector<std::string> roots;
  {
    Statement row = connection.prepare("SELECT DISTINCT root FROM artifact ORDER BY root");
    while (TRY(row.step())) roots.push_back(row.text(0));
  }
  std::vector<Orphan> orphans;
  for (const std::string& root : roots) {
    if (root != "proxy" && TRY(has_owner(connection, root))) continue;
    Statement row =
        connection.prepare("SELECT path, size, blob_sha256 FROM artifact WHERE root = ? ORDER BY path");
    row.with(root);
    while (TRY(row.step())) {
      const std::string path = row.text(0);
      // A deleted trace leaves its files in a folder of its experiment.
      const std::string trace = root == "proxy" ? trace_of(path) : "";
      const bool is_kept = !trace.empty()
                               ? TRY(is_there(connection, "SELECT 1 FROM trace WHERE id = ?", trace))
                               : root == "proxy" && folders.hold(path);
      if (is_kept) continue;
      const auto facts = blobs.facts(row.text(2), age_us);
      if (facts && facts->is_young) continue;
      orphans.push_back({root, path, static_cast<std::uint64_t>(row.integer(1))});
    }
  }
  return orphans;
}

OrphanFiles told(const std::vector<Orphan>& orphans) {
  OrphanFiles files;
  for (const Orphan& orphan : orphans) {
    files.places.push_back(place_of(orphan));
    files.bytes += orphan.size;
  }
  return files;
}

}  // namespace

Result<OrphanFiles> find_orphan_files(store::Home& home, TimeUs age_us) {
  std::vector<Orphan> orphans;
  TRY(home.database().read([&](Connection& connection) -> Status {
    orphans = TRY(select_orphans(connection, home.blobs(), age_us));
    return {};
  }));
  return told(orphans);
}

Result<OrphanFiles> remove_orphan_files(store::Home& home, const base::Clock& clock, TimeUs age_us,
                                        const std::string& actor) {
  // Most homes have none; a write would hold the others up while it looks.
  if (TRY(find_orphan_files(home, age_us)).places.empty()) return OrphanFiles();
  std::vector<Orphan> orphans;
  TRY(home.database().write([&](Connection& connection) -> Status {
    orphans = TRY(select_orphans(connection, home.blobs(), age_us));
    for (const Orphan& orphan : orphans) {
      TRY(connection.prepare("DELETE FROM artifact WHERE root = ? AND path = ?")
              .with(orphan.root, orphan.path)
              .run());
    }
    const auto files = static_cast<std::int64_t>(orphans.size());
    return store::append_audit(connection, clock.now(), actor, "artifact.purge", "artifacts",
                               Json::object({{"files", files}}).dump());
  }));
  return told(orphans);
}

}  // namespace trimtab::registry
