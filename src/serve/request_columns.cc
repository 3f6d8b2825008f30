#include "serve/request_columns.h"

namespace trimtab::serve {

std::vector<std::string> RequestColumns::names() const {
  std::vector<std::string> names = required.names();
  for (const std::string& name : optional.names()) names.push_back(name);
  names.insert(names.end(), ignored.begin(), ignored.end());
  return names;
}

}  // namespace trimtab::serve
