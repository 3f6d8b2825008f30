// A name that people can say, for a run that they did not name: "stray-heron-407". The same id gives the same
// name.
#pragma once

#include <string>
#include <string_view>

namespace trimtab::registry {

// Three words with "-" between them, at most 20 characters, as MLflow's clients expect of a default name.
std::string run_name(std::string_view run_id);

}  // namespace trimtab::registry
