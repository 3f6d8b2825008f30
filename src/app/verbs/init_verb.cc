#include <filesystem>

#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "base/file.h"

namespace trimtab::app {
namespace {

// Small enough to read at once, and complete: with a CSV file in data/ it runs as it stands.
constexpr const char* kStarter =
    R"(# What is declared here, `trimtab apply` makes so; `trimtab check` says what is wrong with it.
project: first
sources:
  rows: {read: data/*.csv, nulls: ["", NA], time: time}   # files with a header and a column `time`
tables:
  clean_rows:
    from: rows
    checks:
      - not_null: [time]
models:
  first:
    from: clean_rows
    task: binary
    target: label = 1            # a condition over the table's columns
    features: [x]                # columns, or name: "expression"
    split: {by: time, test: 20%}
    learner: {lightgbm: {}}
    gates: [auc >= 0.5]
endpoints:
  first: {model: first}
)";

}  // namespace

Status init_verb(const Arguments& arguments) {
  const std::filesystem::path file = std::filesystem::path(arguments.project) / "trimtab.yaml";
  if (std::filesystem::exists(file)) {
    return fail(ErrorCode::already_exists, "'" + file.lexically_normal().string() + "' is there already",
                "`trimtab check` says whether it is in order");
  }
  TRY(base::make_folders(std::filesystem::path(arguments.project)));
  TRY(base::make_folders(std::filesystem::path(arguments.project) / "data"));
  TRY(base::write_file_durably(file, kStarter));
  const std::string name = file.lexically_normal().string();
  print_report(
      arguments,
      name + " written. Put CSV files into data/, name their columns in it, then run `trimtab check`.\n",
      Json::object({{"written", name}}));
  return {};
}

}  // namespace trimtab::app
