#include "app/backup_report.h"

#include <cstdio>

#include "app/garbage.h"

namespace trimtab::app {

std::string after_backup(const std::string& folder) {
  return "To make a home of it: trimtab restore " + folder + " --home FOLDER";
}

Json backup_json(const store::BackupReport& report, const std::string& first, TimeUs took_us,
                 const std::string& next) {
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.1f s", static_cast<double>(took_us) / base::kSecondUs);
  std::string text = first + " " + bytes_text(report.bytes()) + " in " + seconds + ": database " +
                     bytes_text(report.database_bytes) + ", " + std::to_string(report.blobs) + " files " +
                     bytes_text(report.blob_bytes) + ", prediction log " + bytes_text(report.log_bytes) +
                     ".\n";
  if (report.linked > 0) {
    text += std::to_string(report.linked) +
            " of the files are hard links to the same disk: copy the folder to another one to survive its "
            "loss.\n";
  }
  text += next + "\n";
  Json json =
      Json::object({{"folder", report.folder.string()}, {"made_at", base::format_time(report.made_at)}});
  json.set("bytes", report.bytes()).set("database_bytes", report.database_bytes).set("blobs", report.blobs);
  json.set("blob_bytes", report.blob_bytes).set("linked", report.linked).set("log_files", report.log_files);
  json.set("log_bytes", report.log_bytes).set("seconds", static_cast<double>(took_us) / base::kSecondUs);
  return json.set("text", std::move(text));
}

}  // namespace trimtab::app
