#include "bridges/mlflow/export_links.h"

#include "base/hash.h"

namespace trimtab::bridges {

ExportLinks::ExportLinks(store::Home& home, const std::string& server_uri)
    : home_(home), prefix_("export/" + base::sha256(server_uri).substr(0, 16) + "/") {}

std::string ExportLinks::name_of(const std::string& kind, const std::string& id) const {
  return prefix_ + kind + "/" + id;
}

Result<std::optional<std::string>> ExportLinks::find(const std::string& kind, const std::string& id) const {
  std::optional<std::string> there;
  TRY(home_.database().read([&](store::Connection& connection) -> Status {
    store::Statement row = connection.prepare("SELECT value FROM setting WHERE name = ?");
    if (TRY(row.with(name_of(kind, id)).step())) there = row.text(0);
    return {};
  }));
  return there;
}

Status ExportLinks::keep(const std::string& kind, const std::string& id, const std::string& there) {
  return home_.database().write([&](store::Connection& connection) {
    return connection.prepare("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)")
        .with(name_of(kind, id), there)
        .run();
  });
}

}  // namespace trimtab::bridges
