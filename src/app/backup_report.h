// What `trimtab backup` and `trimtab restore` say.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "store/backup.h"

namespace trimtab::app {

// `first` begins the text ("Backed up"), `next` ends it: what to do with the folder. With "text".
Json backup_json(const store::BackupReport& report, const std::string& first, TimeUs took_us,
                 const std::string& next);

// What to do with a backup.
std::string after_backup(const std::string& folder);

}  // namespace trimtab::app
