#include "http/caller.h"

#include <array>
#include <cstddef>

namespace trimtab::http {
namespace {

constexpr std::array<std::string_view, 6> kNames = {"none",     "viewer",   "editor",
                                                    "deployer", "approver", "admin"};

}  // namespace

std::string_view role_name(Role role) { return kNames[static_cast<std::size_t>(role)]; }

std::optional<Role> find_role(std::string_view name) {
  for (std::size_t i = 1; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Role>(i);
  }
  return std::nullopt;
}

}  // namespace trimtab::http
