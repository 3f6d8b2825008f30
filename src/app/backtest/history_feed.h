// History as it would have arrived: requests in order of their event time, labels when they became known,
// rows of joined tables when they were observed, files when they were complete.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "app/verbs/workbench.h"
#include "base/clock.h"
#include "base/result.h"
#include "flow/executor.h"
#include "table/snapshot.h"

namespace trimtab::app {

struct HistoryFeed {
  struct Request {
    TimeUs time = 0;
    std::string id;    // The same in every policy and after every restart: "<file>-<row>".
    std::string body;  // Ready to send: one row.
    double truth = 0;  // NaN: it never got a label.
  };
  struct Label {
    TimeUs known_at = 0;
    std::uint32_t request = 0;  // Index of its request.
  };
  struct ObservedRow {
    TimeUs time = 0;
    std::string json;
  };
  struct FileArrival {
    TimeUs at = 0;     // When its last row has happened.
    std::string path;  // Relative to the project's folder.
  };
  std::vector<Request> requests;                             // By time.
  std::vector<Label> labels;                                 // By known_at.
  std::map<std::string, std::vector<ObservedRow>> observed;  // Joined source → rows by time.
  std::vector<FileArrival> files;                            // Of the endpoint's own source, by time.
  std::vector<std::string> files_at_start;                   // What is there before the replay begins.
};

// The snapshots that a feed is made from: every file of every source, ingested.
struct History {
  std::map<std::string, table::Snapshot> sources;
};
Result<History> ingest_history(Workbench& bench, flow::ProgressListener& listener);

// Rows with time in [from, to). `columns`: what a request holds. Errors: invalid (a target that needs a
// joined table).
Result<HistoryFeed> load_feed(Workbench& bench, const History& history, const std::string& endpoint,
                              const std::vector<std::string>& columns, TimeUs from, TimeUs to);

// Files whose rows had all happened before `from`, or that have no times at all: the world at the start of a
// replay.
std::vector<std::string> files_before(const Workbench& bench, const History& history, TimeUs from);

}  // namespace trimtab::app
