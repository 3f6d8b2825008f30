// What people are told of incidents: by webhook and by e-mail, as the project file names them under
// `heal.notify`. Queued in the transaction of the change that it tells, so that neither is there without the
// other; the courier carries it (notify/courier.h), at least once.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "project/project.h"
#include "store/database.h"

namespace trimtab::heal {

struct Bulletin {
  std::string action;  // opened, waiting, promoted, rolled_back, closed, needs_attention
  std::string endpoint;
  std::int64_t incident = 0;
  std::string summary;
  Json detail = Json::object();
};

// Nobody declared: nothing is written. An address whose environment variable is not set is passed over, and
// the log says so.
Status tell(store::Connection& connection, const project::Heal& heal, const Bulletin& bulletin, TimeUs now);

}  // namespace trimtab::heal
