// Follows the schema of a row through the declared cleaning steps, and says of every step what executes it.
// After an error it goes on as well as it can, so that a user sees all of them at once.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/diagnostics.h"
#include "clean/recipe_steps.h"
#include "project/project.h"
#include "table/engine.h"
#include "table/schema.h"

namespace trimtab::clean {

struct CompilerInput {
  const project::Table& table;
  const std::map<std::string, table::Schema>& sources;
  std::string time_zone;
  std::string time;  // The column of the rows' times, or "".
};

class RecipeCompiler {
 public:
  RecipeCompiler(table::Engine& engine, const CompilerInput& input);
  Result<CompiledRecipe> compile();

 private:
  void add(const project::TextStep& step);
  void add(const project::FillStep& step);
  void add(const project::DeriveStep& step);
  void add(const project::FilterStep& step);
  void add(const project::CastStep& step);
  void add(const project::SelectStep& step);
  void add(const project::RenameStep& step);
  void add(const project::JoinStep& step);
  void add(const project::DropDuplicatesStep& step);

  void emit(table::Stage stage);
  void emit_later(model::FrameStep step);
  void derive(std::vector<table::NamedExpression> columns);
  void complain(std::string message, std::string hint = {});
  // The column of the running schema, or nothing after a complaint.
  const table::Column* column(const std::string& name);
  bool keeps_time(const std::string& name, const std::string& verb);
  bool is_free(const std::string& name);
  bool add_keys(const project::JoinStep& step, const table::Schema& joined, table::LookupSpec& lookup);
  bool add_times(const project::JoinStep& step, const table::Schema& joined, table::LookupSpec& lookup);
  bool add_selected(const project::JoinStep& step, const table::Schema& joined, table::LookupSpec& lookup,
                    std::vector<table::Column>& entering);
  // Puts the join where it runs once for each file, also when it is declared behind steps that wait.
  void place_join(table::LookupStage join, const std::vector<table::Column>& entering);
  bool can_move_up(const table::LookupSpec& lookup, const std::vector<table::Column>& entering);
  std::string fill_constant(const table::Column& column, const Json& value);
  bool fits_fill(const table::Column& column, const std::string& how);

  table::Engine& engine_;
  const CompilerInput& input_;
  base::Diagnostics diagnostics_;
  table::Schema schema_;     // Of the row after the steps so far.
  SourceRange where_;        // Of the step that is being compiled.
  std::string kind_;         // Its name, as written.
  std::string first_later_;  // The step from which on nothing can run once for each file; "" before it.
  std::map<std::string, std::string> changed_later_;  // Column → the waiting step that gives it its value.
  CompiledRecipe recipe_;
};

}  // namespace trimtab::clean
