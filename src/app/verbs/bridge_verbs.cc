#include <cstdio>

#include "app/garbage.h"
#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "bridges/mlflow/export_record.h"
#include "bridges/mlflow/import_record.h"

namespace trimtab::app {
namespace {

Status expect_mlflow(const std::string& kind) {
  if (kind == "mlflow") return {};
  return fail(ErrorCode::unsupported, "'" + kind + "' is nothing that can be imported or exported",
              "write mlflow or sagemaker");
}

// A whole record is moved in transactions of its own, beside which no server answers. Errors: home_locked.
Result<std::unique_ptr<store::Home>> open_alone(const std::string& folder, const base::Clock& clock,
                                                const char* doing) {
  Result<std::unique_ptr<store::Home>> home = store::Home::open(folder, clock);
  if (home || home.error().code != ErrorCode::home_locked) return home;
  Error error = std::move(home).error();
  error.hint = std::string(doing) +
               " needs the home for itself: stop that process (kill -TERM), give the same " +
               "command again, and then start the server with `trimtab serve --home " + folder + "`";
  return fail(std::move(error));
}

void say(const std::string& words) { std::fprintf(stderr, "%s\n", words.c_str()); }

void print_transfer(const Arguments& arguments, const bridges::TransferReport& report, TimeUs took_us,
                    const std::string& next) {
  Json json = report.to_json();
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.1f s", static_cast<double>(took_us) / base::kSecondUs);
  const std::string text = json.text_or("text") + "Files: " + bytes_text(report.file_bytes) + ". It took " +
                           seconds + ". " + next + "\n";
  print_report(arguments, text, json.set("text", text));
}

}  // namespace

Status import_verb(const Arguments& arguments) {
  if (arguments.name == "sagemaker") return import_sagemaker(arguments);
  TRY(expect_mlflow(arguments.name));
  const std::string folder = home_folder(arguments, TRY(load_project_or_none(arguments)));
  const std::unique_ptr<bridges::ForeignRecord> record =
      TRY(bridges::open_record(arguments.source, arguments.artifacts));
  base::SystemClock clock;
  const std::unique_ptr<store::Home> home = TRY(open_alone(folder, clock, "an import"));
  const TimeUs began = base::steady_now();
  const bridges::TransferReport report =
      TRY(bridges::import_record(*home, clock, *record, arguments.source, say));
  print_transfer(arguments, report, base::steady_now() - began,
                 "Run it again to bring what is new there; start the server: trimtab serve --home " + folder);
  return {};
}

Status export_verb(const Arguments& arguments) {
  if (arguments.name == "sagemaker") return export_sagemaker(arguments);
  TRY(expect_mlflow(arguments.name));
  const std::string folder = home_folder(arguments, TRY(load_project_or_none(arguments)));
  TRY(expect_home(folder));
  bridges::MlflowServer server = TRY(bridges::MlflowServer::connect(arguments.target));
  base::SystemClock clock;
  const std::unique_ptr<store::Home> home = TRY(open_alone(folder, clock, "an export"));
  const std::unique_ptr<registry::RunBook> runs = TRY(registry::RunBook::open(*home, clock));
  const TimeUs began = base::steady_now();
  const bridges::TransferReport report = TRY(bridges::export_record(*home, clock, *runs, server, say));
  print_transfer(arguments, report, base::steady_now() - began, "Run it again to send what is new here.");
  return {};
}

}  // namespace trimtab::app
