// For the tests of this room: a small table, and checks that are written as in a project file.
#pragma once

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "check/contract.h"
#include "project/load.h"
#include "table/operation_fixture_test.h"

namespace trimtab::check {

class ContractFixture : public table::OperationFixture {
 protected:
  using Rows = std::vector<table::CellList>;

  // The first check stands on line 9, its kind in column 9.
  static project::Table table_with(const std::string& checks, const std::string& clean = "[]") {
    const std::string text =
        "project: p\n"
        "sources:\n"
        "  s: {read: s.csv, time: at}\n"
        "\n"
        "tables:\n"
        "  departures:\n"
        "    from: s\n"
        "    checks:\n" +
        checks + "    clean: " + clean + "\n";
    Result<project::Project> project = project::parse(text, "p.yaml", "/nowhere");
    EXPECT_TRUE(project) << base::render(project.error());
    return project ? project->tables.front() : project::Table();
  }

  static table::Schema schema() {
    using table::ColumnType;
    return table::Schema({{"at", ColumnType::time},
                          {"origin", ColumnType::text},
                          {"distance", ColumnType::integer},
                          {"delay", ColumnType::real},
                          {"late", ColumnType::boolean}});
  }

  std::string refusal(const std::string& checks, const std::string& time = "at") {
    const Status valid = validate(engine(), table_with(checks), schema(), "UTC", time);
    return valid ? "" : base::render(valid.error());
  }

  Result<Json> checked(const std::string& checks, const Rows& rows) {
    return run(check_part, check_params(table_with(checks), schema(), "UTC", "at"),
               {{"part", {write_part("part.parquet", schema(), rows)}}});
  }
  // "<kept>/<quarantined> <check>: <failed> <verdict>; …"
  std::string summary(const std::string& checks, const Rows& rows) {
    const Result<Json> done = checked(checks, rows);
    if (!done) return base::render(done.error());
    return std::to_string((*done)["kept"].as_int()) + "/" + std::to_string((*done)["quarantined"].as_int()) +
           verdicts((*done)["checks"]);
  }
  static std::string verdicts(const Json& checks) {
    std::string text;
    for (const Json& check : checks.as_array()) {
      text += (text.empty() ? " " : "; ") + check.text_or("check") + ": " +
              std::to_string(check.int_or("failed")) + " " + check.text_or("verdict");
    }
    return text;
  }

  static table::CellList flight(const Json& origin, const Json& distance, const Json& delay = 0.5) {
    return {"2013-01-05", origin, distance, delay, true};
  }
};

}  // namespace trimtab::check
