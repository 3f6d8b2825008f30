#include "project/project.h"

#include <algorithm>

namespace trimtab::project {
namespace {

template <class Thing>
const Thing* find_named(const std::vector<Thing>& things, const std::string& name) {
  const auto found = std::ranges::find(things, name, &Thing::name);
  return found == things.end() ? nullptr : &*found;
}

}  // namespace

const Source* Project::find_source(const std::string& name) const { return find_named(sources, name); }
const Table* Project::find_table(const std::string& name) const { return find_named(tables, name); }
const Model* Project::find_model(const std::string& name) const { return find_named(models, name); }
const Endpoint* Project::find_endpoint(const std::string& name) const { return find_named(endpoints, name); }

}  // namespace trimtab::project
