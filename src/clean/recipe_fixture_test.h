// For the tests of this room: flights and the weather they are joined to, cleaned by steps that are written
// as in a project file.
#pragma once

#include <gtest/gtest.h>
#include <map>
#include <string>
#include <vector>

#include "clean/recipe_steps.h"
#include "project/load.h"
#include "table/operation_fixture_test.h"

namespace trimtab::clean {

class RecipeFixture : public table::OperationFixture {
 protected:
  using Rows = std::vector<table::CellList>;

  // The first step stands on line 9, its key in column 9.
  static project::Project with_steps(const std::string& steps) {
    const std::string text =
        "project: p\n"
        "sources:\n"
        "  flights: {read: f.csv, time: sched_dep, time_zone: America/New_York}\n"
        "  weather: {read: w.csv, time: time_hour}\n"
        "tables:\n"
        "  departures:\n"
        "    from: flights\n"
        "    clean:\n" +
        steps;
    Result<project::Project> project = project::parse(text, "p.yaml", "/nowhere");
    EXPECT_TRUE(project) << base::render(project.error());
    return project ? *project : project::Project();
  }

  static const std::map<std::string, table::Schema>& sources() {
    using table::ColumnType;
    static const std::map<std::string, table::Schema> schemas = {
        {"flights", table::Schema({{"sched_dep", ColumnType::time},
                                   {"origin", ColumnType::text},
                                   {"tailnum", ColumnType::text},
                                   {"distance", ColumnType::integer},
                                   {"delay", ColumnType::real},
                                   {"late", ColumnType::boolean}})},
        {"weather", table::Schema({{"station", ColumnType::text},
                                   {"time_hour", ColumnType::time},
                                   {"temp", ColumnType::real},
                                   {"sky", ColumnType::text}})}};
    return schemas;
  }

  Result<CompiledRecipe> compiled(const std::string& steps, const std::string& time = "sched_dep") {
    const project::Project project = with_steps(steps);
    return compile(engine(), project.tables.front(), sources(), "America/New_York", time);
  }

  // What is wrong with the steps, or "".
  std::string refusal(const std::string& steps, const std::string& time = "sched_dep") {
    const Result<CompiledRecipe> recipe = compiled(steps, time);
    return recipe ? "" : base::render(recipe.error());
  }

  // The rows after the steps that run once for each file, with their numbers; or the refusal.
  std::string cleaned(const std::string& steps, const Rows& flights, const std::vector<Rows>& weather = {}) {
    const Result<CompiledRecipe> recipe = compiled(steps);
    if (!recipe) return base::render(recipe.error());
    std::vector<table::Schema> joined;
    std::map<std::string, Paths> inputs = {
        {"part", {write_part("part.parquet", sources().at("flights"), flights)}}};
    for (const table::Stage& stage : recipe->per_file) {
      if (!std::holds_alternative<table::LookupStage>(stage)) continue;
      Paths& paths = inputs["join" + std::to_string(joined.size())];
      for (const Rows& rows : weather) {
        const std::string name = "weather" + std::to_string(paths.size()) + ".parquet";
        paths.push_back(write_part(name, sources().at("weather"), rows));
      }
      joined.push_back(sources().at("weather"));
    }
    const Json params =
        clean_params(sources().at("flights"), recipe->per_file, joined, "America/New_York", "sched_dep");
    result_ = run(clean_part, params, std::move(inputs));
    return result_ ? rows_of(output("part.parquet")) : base::render(result_.error());
  }

  // One flight at that hour of 2013-01-05 (UTC).
  static table::CellList flight(const std::string& hour, const std::string& origin = "EWR") {
    return {"2013-01-05T" + hour + ":00Z", origin, "N1", 100, 1.5, true};
  }
  static table::CellList report(const std::string& hour, double temp, const std::string& station = "EWR") {
    return {station, "2013-01-05T" + hour + ":00Z", temp, "clear"};
  }

  Result<Json> result_ = Json();  // Of the last cleaning.
};

}  // namespace trimtab::clean
