#include "table/operation.h"

namespace trimtab::table {

const std::vector<std::filesystem::path>& OperationRun::files(const std::string& name) const {
  const auto found = inputs.find(name);
  CHECK(found != inputs.end());
  return found->second;
}

const std::filesystem::path& OperationRun::file(const std::string& name) const {
  const std::vector<std::filesystem::path>& found = files(name);
  CHECK(found.size() == 1);
  return found.front();
}

}  // namespace trimtab::table
