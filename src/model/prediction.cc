#include "model/prediction.h"

namespace trimtab::model {

std::string_view role_name(Role role) {
  switch (role) {
    case Role::served:
      return "served";
    case Role::shadow:
      return "shadow";
    case Role::previous:
      return "previous";
    case Role::plain:
      return "plain";
    case Role::canary:
      return "canary";
  }
  return "";
}

}  // namespace trimtab::model
