#include "registry/run_facts.h"

#include <array>
#include <string_view>

namespace trimtab::registry {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"};

}  // namespace

std::string_view status_name(RunStatus status) { return kNames[static_cast<std::size_t>(status)]; }

std::optional<RunStatus> find_status(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<RunStatus>(i);
  }
  return std::nullopt;
}

}  // namespace trimtab::registry
