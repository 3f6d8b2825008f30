#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "app/wiring.h"
#include "model/booster.h"
#include "project/load.h"
#include "registry/record_check.h"
#include "store/connection.h"
#include "store/fsck.h"
#include "table/engine.h"

namespace trimtab::app {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kDiskWanted = 1ull << 30;
constexpr std::uint64_t kMemoryWanted = 2ull << 30;
constexpr rlim_t kFilesWanted = 4096;  // A server takes as many connections.
// Nothing was made before this program; nobody keeps a machine as long as until then.
constexpr TimeUs kEarliest = 1'735'689'600 * base::kSecondUs;  // 2025-01-01
constexpr TimeUs kLatest = 4'102'444'800 * base::kSecondUs;    // 2100-01-01

struct Finding {
  std::string subject;
  std::string found;
  std::string to_do = {};  // Empty: all is well.
};
using Findings = std::vector<Finding>;

std::string gigabytes(std::uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GB", static_cast<double>(bytes) / 1e9);
  return text;
}

// What an error says, and what it says to do.
Finding finding_of(const std::string& subject, const Error& error) {
  std::string found = error.message;
  for (const Error* cause = error.cause.get(); cause != nullptr; cause = cause->cause.get())
    found += ": " + cause->message;
  if (error.where && error.where->line > 0)
    found = error.where->file + ":" + std::to_string(error.where->line) + ": " + found;
  return {subject, found, error.hint.empty() ? "`trimtab check` says more" : error.hint};
}

void examine_machine(Findings& findings) {
  findings.push_back({"program", "trimtab " TRIMTAB_VERSION ", DuckDB " + table::engine_version() +
                                     ", LightGBM " + model::booster_version() + ", SQLite " +
                                     store::sqlite_version()});
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  const auto memory = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                      static_cast<std::uint64_t>(::sysconf(_SC_PAGE_SIZE));
  Finding machine{"machine", std::to_string(cores) + (cores == 1 ? " core, " : " cores, ") +
                                 gigabytes(memory) + " of memory"};
  if (memory < kMemoryWanted) machine.to_do = "training wants 2 GB or more; large tables will fail";
  findings.push_back(machine);
  base::SystemClock clock;
  Finding time{"clock", base::format_time(clock.now() / base::kSecondUs * base::kSecondUs)};
  if (clock.now() < kEarliest || clock.now() > kLatest)
    time.to_do = "set the machine's clock: rows, labels and budgets go by it";
  findings.push_back(time);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  Finding limit{"open files", std::to_string(files.rlim_cur) + ", at most " + std::to_string(files.rlim_max)};
  if (files.rlim_max < kFilesWanted) {
    limit.to_do = "a server takes 4096 connections; raise the hard limit (`ulimit -Hn " +
                  std::to_string(kFilesWanted) + "`, LimitNOFILE= of a unit)";
  }
  findings.push_back(limit);
}

void examine_disk(const fs::path& home, Findings& findings) {
  fs::path folder = home;
  std::error_code failed;
  while (!fs::exists(folder, failed) && folder.has_relative_path()) folder = folder.parent_path();
  const fs::space_info space = fs::space(folder, failed);
  if (failed) return findings.push_back({"disk", failed.message(), "look at " + folder.string()});
  Finding disk{"disk", gigabytes(space.available) + " free of " + gigabytes(space.capacity)};
  if (space.available < kDiskWanted) disk.to_do = "free some: a full disk stops applying and labels";
  findings.push_back(disk);
}

// A server answers for its home; otherwise the home is opened and looked through.
void examine_home(const fs::path& home, Findings& findings) {
  std::error_code failed;
  if (!fs::exists(home / "meta.db", failed)) {
    return findings.push_back({"home", home.string() + ": not made yet; `trimtab apply` makes it"});
  }
  if (const auto address = store::find_server(home)) {
    const std::string place = "http://" + address->host + ":" + std::to_string(address->port);
    findings.push_back(
        {"home", home.string() + ", owned by the server of process " + std::to_string(address->process_id)});
    http::Client client(address->host, address->port, 5 * base::kSecondUs);
    const Result<http::ClientReply> reply = client.send("GET", "/readyz");
    Finding server{"server", place + (reply && reply->status == 200 ? " is ready" : " does not answer")};
    if (!reply || reply->status != 200)
      server.to_do = "look at its log, then stop process " + std::to_string(address->process_id);
    return findings.push_back(server);
  }
  base::SystemClock clock;
  const Result<std::unique_ptr<store::Home>> owned = store::Home::open(home, clock);
  if (!owned) return findings.push_back(finding_of("home", owned.error()));
  findings.push_back({"home", home.string() + ", owned by nobody"});
  store::FsckReport report;
  store::check_store(**owned, report, {.quick = true});
  const Status record = registry::check_record(**owned, report.problems);
  if (!record) report.problems.push_back(record.error().message);
  for (const std::string& problem : report.problems)
    findings.push_back({"record", problem, "`trimtab fsck --full` says more; restore from a backup"});
  if (report.problems.empty())
    findings.push_back({"record", "whole (" + std::to_string(report.blobs) + " files; not hashed)"});
}

Json json_of(const Findings& findings) {
  Json list = Json::array();
  for (const Finding& finding : findings) {
    Json json = Json::object({{"subject", finding.subject}, {"found", finding.found}});
    list.push(json.set("ok", finding.to_do.empty()).set("to_do", finding.to_do));
  }
  return Json::object({{"findings", std::move(list)}});
}

std::string text_of(const Findings& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    std::string subject = finding.subject;
    subject.resize(std::max<std::size_t>(12, subject.size()), ' ');
    text += (finding.to_do.empty() ? "ok    " : "to do ") + subject + finding.found + "\n";
    if (!finding.to_do.empty()) text += std::string(18, ' ') + "→ " + finding.to_do + "\n";
  }
  return text;
}

}  // namespace

Status doctor_verb(const Arguments& arguments) {
  Findings findings;
  examine_machine(findings);
  const Result<project::Project> project = project::load(arguments.project);
  if (project) {
    findings.push_back({"project", project->file + " declares " + project->name});
  } else {
    findings.push_back(finding_of("project", project.error()));
  }
  const std::string home = project
                               ? home_folder(arguments, *project)
                               : (arguments.home.empty() ? default_home(arguments.project) : arguments.home);
  examine_disk(fs::absolute(home), findings);
  examine_home(fs::absolute(home).lexically_normal(), findings);
  const auto to_do = std::count_if(findings.begin(), findings.end(),
                                   [](const Finding& finding) { return !finding.to_do.empty(); });
  print_report(arguments, text_of(findings), json_of(findings));
  if (to_do == 0) return {};
  return fail(ErrorCode::check_failed,
              to_do == 1 ? "1 thing needs doing" : std::to_string(to_do) + " things need doing");
}

}  // namespace trimtab::app
