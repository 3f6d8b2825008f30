#include "app/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <map>

#include "app/verbs/verb_list.h"
#include "base/diagnostics.h"

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

using AddOption = std::function<void(CLI::App&, Arguments&)>;

// One place for each option, so that it means the same in every verb.
const std::map<std::string, AddOption>& options() {
  static const std::map<std::string, AddOption> table = {
      {"project",
       [](CLI::App& app, Arguments& to) {
         app.add_option("PROJECT", to.project, "trimtab.yaml or the folder that holds it")
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
      {"from", [](CLI::App& app, Arguments& to) { add_time(app, "--from", to.from, "first day replayed"); }},
      {"to", [](CLI::App& app, Arguments& to) { add_time(app, "--to", to.to, "end of the replay"); }},
      {"policies",
       [](CLI::App& app, Arguments& to) {
         app.add_option("--policies", to.policies, "policies to compare")->delimiter(',');
       }},
      {"step_limits",
       [](CLI::App& app, Arguments& to) {
         app.add_option("--step-time-max", to.step_time_max,
                        "how long a single step may take (default 20m); a longer one fails");
         app.add_option("--step-memory-max", to.step_memory_max,
                        "address space of a worker (default 8GiB); a step that needs more fails");
       }},
      {"name", [](CLI::App& app, Arguments& to) { app.add_option("NAME", to.name, "endpoint or table"); }},
      {"file",
       [](CLI::App& app, Arguments& to) { app.add_option("FILE", to.file, "rows to score")->required(); }},
      {"output",
       [](CLI::App& app, Arguments& to) { app.add_option("-o,--output", to.output, "file to write"); }},
      {"words", [](CLI::App& app, Arguments& to) { app.add_option("WORDS", to.words); }},
      {"full",
       [](CLI::App& app, Arguments& to) { app.add_flag("--full", to.full, "read and hash every file"); }},
  };
  return table;
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

int run_verb(const Verb& verb, int count, char** words) {
  CLI::App app(verb.summary, "trimtab " + verb.name);
  app.footer("\n" + verb.details);
  Arguments arguments;
  for (const std::string& option : verb.takes) options().at(option)(app, arguments);
  try {
    app.parse(count, words);
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return 0;
  } catch (const CLI::ParseError& wrong) {
    return complain(Error{ErrorCode::invalid, wrong.what(),
                          "`trimtab help " + verb.name + "` lists what it takes", std::nullopt, nullptr});
  }
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
  std::string hint = base::did_you_mean(wanted, verb_names());
  if (hint.empty()) hint = "`trimtab help` lists the verbs";
  return complain(
      Error{ErrorCode::invalid, "there is no verb '" + wanted + "'", hint, std::nullopt, nullptr});
}

}  // namespace trimtab::app
