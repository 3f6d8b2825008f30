// The command line: which verbs exist, what each takes, and how an Error becomes words and an exit code.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace trimtab::app {

// What a user typed, after parsing; a verb reads the fields that it declares.
struct Arguments {
  std::string project = ".";  // trimtab.yaml or its folder.
  std::string home;           // "": default_home of the project.
  std::optional<TimeUs> as_of;
  bool json = false;
  std::string host = "127.0.0.1";
  int port = 7700;
  std::vector<std::string> allow_hosts;
  std::optional<bool> auth;         // Of serve: whether people have to sign in.
  std::optional<int> predict_port;  // Of serve: a second port, for predictions alone.
  std::optional<int> grpc_port;     // Of serve: predictions over gRPC.
  std::string tls_certificate;      // Of serve: PEM files.
  std::string tls_key;
  std::string oidc_issuer;  // Of serve: an identity provider.
  std::string oidc_client;
  std::string oidc_url;
  std::string clock = "system";            // "system" or "manual"
  std::string policy = "declared";         // "declared", "never", "every:7d"
  std::optional<TimeUs> from, to;          // Of backtest.
  std::vector<std::string> policies;       // Of backtest.
  std::vector<std::string> settings;       // "heal.poison_budget=1": in place of what the file says.
  std::string name;                        // An endpoint, table or version, where a verb takes one.
  std::string window;                      // Of watch: "1d"; "": the default.
  bool row_by_row = false;                 // Of watch and drift: a classifier and the attributions, too.
  std::string against;                     // Of watch: baseline, season, previous; "": the default.
  std::vector<std::string> files;          // Of score: CSV or Parquet.
  std::string output;                      // Of score.
  std::optional<std::int64_t> to_version;  // Of rollback.
  std::string reason;                      // Of rollback, approve and reject.
  std::optional<std::int64_t> incident;    // Of approve and reject.
  std::optional<std::int64_t> plan;        // Of approve and reject: the plan that was looked at.
  std::string source;                      // Of import: a SQLite file, a server or a folder.
  std::string target;                      // Of export: a server or a folder.
  std::string endpoint;                    // Of export sagemaker.
  std::string artifacts;                   // Of import: the folder of the files.
  std::string folder;                      // Of backup: where to; of restore: where from.
  std::string older_than;                  // Of gc: "30d"; "": as the project's retention says.
  bool dry_run = false;                    // Of gc.
  std::vector<std::string> words;          // Of worker and help.
  std::string role;                        // Of user and role.
  std::string in_project;                  // Of user and role: where the role holds; "": the whole server.
  std::string in_model;                    // Of user and role: the same for one registered model.
  std::string lasts;                       // Of user token: "90d"; "": for ever.
  std::string label;                       // Of user token.
  bool is_group = false;                   // Of role: the name is a group's.
  bool password_stdin = false;             // Of user.
  bool full = false;                       // Of fsck: read every blob.
  std::string step_time_max;               // "30m"; "": the default.
  std::string step_memory_max;             // "2GiB"; "": the default.
};

struct Verb {
  std::string name;
  std::string summary;             // One line of `trimtab help`.
  std::string details;             // `trimtab help VERB`, after the options.
  std::vector<std::string> takes;  // Names of the options in Arguments that it takes.
  Status (*run)(const Arguments&);
  std::string says_no = {};  // What exit code 1 means here; empty: it has no such answer.
  bool hidden = false;       // Not listed: for our own use.
};

// Every verb, in the order of `trimtab help`.
const std::vector<Verb>& verbs();

// Parses, runs, prints what went wrong on standard error. Returns the exit code of the error table.
int run_command_line(int count, char** words);

}  // namespace trimtab::app
