#include "app/command_line.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <functional>
#include <map>

#include "app/verbs/verb_list.h"
#include "base/diagnostics.h"
#include "base/log.h"

namespace trimtab::app {
namespace {

CLI::Option* add_time(CLI::App& app, const std::string& flag, std::optional<TimeUs>& into,
                      const std::string& what) {
  return app.add_option_function<std::string>(
      flag,
      [&into, flag](const std::string& text) {
        const Result<TimeUs> time = base::parse_time(text);
        if (!time)
          throw CLI::ValidationError(flag,
                                     "'" + text + "' is no time; write 2013-04-01 or 2013-04-01T05:00:00Z");
        into = *time;
      },
      what);
}

void add_version(CLI::App& app, std::optional<std::int64_t>& into) {
  app.add_option_function<std::string>(
         "--to",
         [&into](const std::string& text) {
           std::int64_t version = 0;
           const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), version);
           if (failed != std::errc() || end != text.data() + text.size() || version < 1)
             throw CLI::ValidationError("--to",
                                        "'" + text + "' is no version; write a whole number, as in 3");
           into = version;
         },
         "version to go back to (default: the one that the champion replaced)")
      ->type_name("VERSION");
}

using AddOption = std::function<void(CLI::App&, Arguments&)>;

// One place for each option, so that it means the same in every verb.
using Options = std::map<std::string, AddOption>;

// Which project and home, as of when, told how.
const Options& options_of_place() {
  static const Options table = {
      {"project",
       [](CLI::App& app, Arguments& to) {
         app.add_option("PROJECT", to.project, "trimtab.yaml or the folder that holds it")
             ->capture_default_str();
       }},
      {"project_option",
       [](CLI::App& app, Arguments& to) {
         app.add_option("--project", to.project, "trimtab.yaml or the folder that holds it")
             ->capture_default_str();
       }},
      {"home",
       [](CLI::App& app, Arguments& to) {
         app.add_option("--home", to.home, "where state is kept (default: .trimtab beside the project)");
       }},
      {"as_of",
       [](CLI::App& app, Arguments& to) {
         add_time(app, "--as-of", to.as_of, "pretend it is this time: later rows and labels are invisible");
       }},
      {"json",
       [](CLI::App& app, Arguments& to) { app.add_flag("--json", to.json, "print JSON and nothing else"); }},
  };
  return table;
}

// How a server runs.
const Options& options_of_serving() {
  static const Options table = {
      {"host",
       [](CLI::App& app, Arguments& to) { app.add_option("--host", to.host)->capture_default_str(); }},
      {"port",
       [](CLI::App& app, Arguments& to) {
         app.add_option("--port", to.port, "0: any free port")
             ->capture_default_str()
             ->check(CLI::Range(0, 65535));
       }},
      {"allow_host",
       [](CLI::App& app, Arguments& to) {
         app.add_option("--allow-host", to.allow_hosts, "a further name by which this server may be called");
       }},
      {"auth",
       [](CLI::App& app, Arguments& to) {
         app.add_flag_callback(
             "--auth", [&to] { to.auth = true; },
             "people have to sign in (default: as this home was served last; at first they need not)");
         app.add_flag_callback("--no-auth", [&to] { to.auth = false; }, "people need not sign in");
       }},
      {"tls",
       [](CLI::App& app, Arguments& to) {
         app.add_option(
             "--tls-cert", to.tls_certificate,
             "PEM file of a certificate, for https; when it changes, new connections get the new one");
         app.add_option("--tls-key", to.tls_key, "PEM file of its private key");
       }},
      {"oidc",
       [](CLI::App& app, Arguments& to) {
         app.add_option(
             "--oidc-issuer", to.oidc_issuer,
             "people sign in at this OpenID Connect provider; its secret is in TRIMTAB_OIDC_SECRET");
         app.add_option("--oidc-client", to.oidc_client, "what the provider calls this server");
         app.add_option("--oidc-url", to.oidc_url,
                        "how browsers reach this server, as in https://ml.example.com");
       }},
      {"predict_port",
       [](CLI::App& app, Arguments& to) {
         app.add_option("--predict-port", to.predict_port,
                        "a second port that gives predictions and nothing else (0: any free port)")
             ->check(CLI::Range(0, 65535));
       }},
      {"grpc_port",
       [](CLI::App& app, Arguments& to) {
         app.add_option("--grpc-port", to.grpc_port,
                        "predictions over gRPC (0: any free port; default: the port after --port)")
             ->check(CLI::Range(0, 65535));
       }},
      {"clock",
       [](CLI::App& app, Arguments& to) {
         app.add_option("--clock", to.clock,
                        "manual: time stands still until it is moved (for tests and backtests)")
             ->capture_default_str()
             ->check(CLI::IsMember({"system", "manual"}));
       }},
      {"policy",
       [](CLI::App& app, Arguments& to) {
         app.add_option("--policy", to.policy, "declared, never, or every:7d")->capture_default_str();
       }},
  };
  return table;
}

// What a verb is to work on.
const Options& options_of_work() {
  static const Options table = {
      {"from", [](CLI::App& app, Arguments& to) { add_time(app, "--from", to.from, "first day replayed"); }},
      {"to", [](CLI::App& app, Arguments& to) { add_time(app, "--to", to.to, "end of the replay"); }},
      {"policies",
       [](CLI::App& app, Arguments& to) {
         app.add_option("--policies", to.policies, "policies to compare")->delimiter(',');
       }},
      {"set",
       [](CLI::App& app, Arguments& to) {
         app.add_option("--set", to.settings,
                        "another value than the file's, as in heal.poison_budget=1; may be repeated");
       }},
      {"step_limits",
       [](CLI::App& app, Arguments& to) {
         app.add_option("--step-time-max", to.step_time_max,
                        "how long a single step may take (default 20m); a longer one fails");
         app.add_option("--step-memory-max", to.step_memory_max,
                        "address space of a worker (default 8GiB); a step that needs more fails");
       }},
      {"dataset",
       [](CLI::App& app, Arguments& to) {
         app.add_option("NAME", to.name, "a table or source (default: every table)");
       }},
      {"endpoint",
       [](CLI::App& app, Arguments& to) {
         app.add_option("ENDPOINT", to.name, "an endpoint of the project")->required();
       }},
      {"endpoint_option",
       [](CLI::App& app, Arguments& to) {
         app.add_option("--endpoint", to.name, "which endpoint (default: the project's only one)");
       }},
      {"scorer",
       [](CLI::App& app, Arguments& to) {
         app.add_option("WITH", to.name,
                        "an endpoint: the version it serves; a model: its newest version that passed its "
                        "gates; NAME@3: version 3")
             ->required();
       }},
      {"files",
       [](CLI::App& app, Arguments& to) {
         app.add_option("FILE", to.files, "CSV or Parquet files of rows to score, in this order")->required();
       }},
      {"to_version", [](CLI::App& app, Arguments& to) { add_version(app, to.to_version); }},
      {"output",
       [](CLI::App& app, Arguments& to) { app.add_option("-o,--output", to.output, "file to write"); }},
      {"words", [](CLI::App& app, Arguments& to) { app.add_option("WORDS", to.words); }},
      {"full",
       [](CLI::App& app, Arguments& to) { app.add_flag("--full", to.full, "read and hash every file"); }},
  };
  return table;
}

// What a person says to what healing does.
const Options& options_of_healing() {
  static const Options table = {
      {"incident",
       [](CLI::App& app, Arguments& to) {
         app.add_option("INCIDENT", to.incident, "its number, as `trimtab incidents` shows it")->required();
       }},
      {"which_incidents",
       [](CLI::App& app, Arguments& to) {
         app.add_option("WHICH", to.words, "an incident's number, and the project or its folder (default: .)")
             ->expected(0, 2);
       }},
      {"plan",
       [](CLI::App& app, Arguments& to) {
         app.add_option("--plan", to.plan,
                        "the plan that you have looked at; refused when another took its place");
       }},
      {"reason",
       [](CLI::App& app, Arguments& to) { app.add_option("--reason", to.reason, "why; kept in the audit"); }},
  };
  return table;
}

// What watching looks at.
const Options& options_of_watching() {
  static const Options table = {
      {"window",
       [](CLI::App& app, Arguments& to) {
         app.add_option("--window", to.window, "how far back to look from now, as in 6h (default 1d)");
         app.add_option("--against", to.against,
                        "baseline (the rows of training, the default), season (the same hours of the week "
                        "before) or previous (the window before)");
       }},
      {"two_files",
       [](CLI::App& app, Arguments& to) {
         app.add_option("FILES", to.files, "two Parquet files: the reference, then the current rows")
             ->required()
             ->expected(2);
       }},
      {"row_by_row",
       [](CLI::App& app, Arguments& to) {
         app.add_flag("--rows", to.row_by_row,
                      "also ask whether a classifier can tell the rows apart (takes a second or two)");
       }},
  };
  return table;
}

// Who may what, where.
const Options& options_of_people() {
  static const Options table = {
      {"role",
       [](CLI::App& app, Arguments& to) {
         app.add_option("--role", to.role, "viewer, editor, deployer, approver or admin");
       }},
      {"scope",
       [](CLI::App& app, Arguments& to) {
         app.add_option("--in", to.in_project, "a project or MLflow experiment (default: the whole server)");
         app.add_option("--model", to.in_model, "a registered model");
       }},
      {"token",
       [](CLI::App& app, Arguments& to) {
         app.add_option("--lasts", to.lasts, "how long the token is good, as in 90d (default: for ever)");
         app.add_option("--label", to.label, "what the token is for");
       }},
      {"password",
       [](CLI::App& app, Arguments& to) {
         app.add_flag("--password-stdin", to.password_stdin,
                      "read the password from standard input (default: make one and print it)");
       }},
      {"group",
       [](CLI::App& app, Arguments& to) { app.add_flag("--group", to.is_group, "the name is a group's"); }},
  };
  return table;
}

// What the record is removed, copied, brought in and sent by.
const Options& options_of_record() {
  static const Options table = {
      {"bridge", [](CLI::App& app,
                    Arguments& to) { app.add_option("WHAT", to.name, "mlflow or sagemaker")->required(); }},
      {"import_source",
       [](CLI::App& app, Arguments& to) {
         app.add_option(
                "--from", to.source,
                "the SQLite file of an MLflow server, or http://HOST:PORT of one; of sagemaker: a folder")
             ->required();
         app.add_option(
             "--artifacts", to.artifacts,
             "with a file: the folder that holds the artifacts (--artifacts-destination, or mlruns)");
       }},
      {"export_target",
       [](CLI::App& app, Arguments& to) {
         app.add_option("--to", to.target, "http://HOST:PORT of an MLflow server; of sagemaker: a folder")
             ->required();
         app.add_option("--endpoint", to.endpoint, "of sagemaker: whose baseline and predictions");
       }},
      {"registered_model",
       [](CLI::App& app, Arguments& to) {
         app.add_option("MODEL", to.name, "a registered model, also one that was deleted")->required();
       }},
      {"backup_folder",
       [](CLI::App& app, Arguments& to) {
         app.add_option("FOLDER", to.folder, "the folder of the backup")->required();
       }},
      {"older_than",
       [](CLI::App& app, Arguments& to) {
         app.add_option("--older-than", to.older_than,
                        "what was deleted longer ago than this goes (default: `deleted` of the project's "
                        "retention, or 30d)")
             ->type_name("DURATION");
       }},
      {"dry_run",
       [](CLI::App& app, Arguments& to) {
         app.add_flag("--dry-run", to.dry_run, "say what would go, and remove nothing");
       }},
  };
  return table;
}

const AddOption& option(const std::string& name) {
  for (const Options* options :
       {&options_of_place(), &options_of_serving(), &options_of_work(), &options_of_healing(),
        &options_of_watching(), &options_of_people(), &options_of_record()}) {
    if (const auto found = options->find(name); found != options->end()) return found->second;
  }
  CHECK(false);
  return options_of_place().begin()->second;
}

std::string overview() {
  std::string text = "trimtab " TRIMTAB_VERSION
                     " - one program for the whole life of a machine-learning model\n\n"
                     "usage: trimtab VERB [OPTIONS]\n\n";
  for (const Verb& verb : verbs()) {
    if (verb.hidden) continue;
    text += "  " + verb.name + std::string(12 - std::min<std::size_t>(11, verb.name.size()), ' ') +
            verb.summary + "\n";
  }
  return text + "\n`trimtab help VERB` tells more. Start with `trimtab plan` beside a trimtab.yaml.\n";
}

std::vector<std::string> verb_names() {
  std::vector<std::string> names;
  for (const Verb& verb : verbs()) {
    if (!verb.hidden) names.push_back(verb.name);
  }
  return names;
}

int complain(const Error& error) {
  std::fflush(stdout);
  std::fprintf(stderr, "%s\n", base::render(error).c_str());
  return base::error_row(error.code).exit_code;
}

std::string exit_codes(const Verb& verb) {
  std::string text = "Exit codes: 0 done";
  if (!verb.says_no.empty()) text += "; 1 " + verb.says_no;
  return text + "; 2 the input is wrong;\n3 the world is in the way (a lock, a port, a disk); 70 a defect.";
}

// The parser's complaint in our words, with the option that was probably meant.
Error parse_error(const Verb& verb, const CLI::App& app, const CLI::ParseError& wrong) {
  Error error{ErrorCode::invalid, wrong.what(), "`trimtab help " + verb.name + "` lists what it takes",
              std::nullopt, nullptr};
  if (error.message.ends_with(" is required"))
    error.message =
        "`trimtab " + verb.name + "` needs " + error.message.substr(0, error.message.rfind(" is"));
  const std::vector<std::string> left = app.remaining();
  if (dynamic_cast<const CLI::ExtrasError*>(&wrong) == nullptr || left.empty()) return error;
  const std::string word = left.front().substr(0, left.front().find('='));
  if (!word.starts_with("-")) {
    error.message = "'" + word + "' is one word too many for `trimtab " + verb.name + "`";
    return error;
  }
  error.message = "`trimtab " + verb.name + "` has no option '" + word + "'";
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  if (const std::string meant = base::did_you_mean(word, names); !meant.empty()) error.hint = meant;
  return error;
}

int run_verb(const Verb& verb, int count, char** words) {
  CLI::App app(verb.summary, "trimtab " + verb.name);
  app.footer(verb.details + "\n" + exit_codes(verb));
  Arguments arguments;
  for (const std::string& name : verb.takes) option(name)(app, arguments);
  try {
    app.parse(count, words);
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return 0;
  } catch (const CLI::ParseError& wrong) {
    return complain(parse_error(verb, app, wrong));
  }
  // What the rooms tell an operator is for a server's log; a person at a terminal hears of what went wrong.
  if (verb.name != "serve") base::set_log_level(base::LogLevel::warning);
  const Status status = verb.run(arguments);
  if (status) return 0;
  return complain(status.error());
}

}  // namespace

int run_command_line(int count, char** words) {
  const std::string first = count > 1 ? words[1] : "help";
  if (first == "--version" || first == "version") {
    std::puts("trimtab " TRIMTAB_VERSION);
    return 0;
  }
  const bool asks_for_help = first == "help" || first == "--help" || first == "-h";
  if (asks_for_help && count <= 2) {
    std::fputs(overview().c_str(), stdout);
    return 0;
  }
  const std::string wanted = asks_for_help ? words[2] : first;
  for (const Verb& verb : verbs()) {
    if (verb.name != wanted) continue;
    std::string help_flag = "--help";
    char* help_words[] = {words[0], help_flag.data(), nullptr};
    return asks_for_help ? run_verb(verb, 2, help_words) : run_verb(verb, count - 1, words + 1);
  }
  if (wanted.starts_with("-")) {
    return complain(Error{ErrorCode::invalid, "the verb comes before the options, found '" + wanted + "'",
                          "as in `trimtab plan --json`; `trimtab help` lists the verbs", std::nullopt,
                          nullptr});
  }
  std::string hint = base::did_you_mean(wanted, verb_names());
  if (hint.empty()) hint = "`trimtab help` lists the verbs";
  return complain(
      Error{ErrorCode::invalid, "there is no verb '" + wanted + "'", hint, std::nullopt, nullptr});
}

}  // namespace trimtab::app
