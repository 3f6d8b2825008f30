// Which thing of this home became which on a server that it was exported to.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "store/home.h"

namespace trimtab::bridges {

// Kept in the home, a row a thing. Belongs to one thread.
class ExportLinks {
 public:
  ExportLinks(store::Home& home, const std::string& server_uri);

  // `kind`: "run", "logged_model", …; nothing: it has not been exported.
  Result<std::optional<std::string>> find(const std::string& kind, const std::string& id) const;
  Status keep(const std::string& kind, const std::string& id, const std::string& there);

 private:
  std::string name_of(const std::string& kind, const std::string& id) const;

  store::Home& home_;
  const std::string prefix_;
};

}  // namespace trimtab::bridges
