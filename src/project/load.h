// Reads trimtab.yaml. All that is wrong with the file is reported at once, each with line:column and what to
// do about it.
#pragma once

#include <filesystem>
#include <string>

#include "base/diagnostics.h"
#include "project/project.h"

namespace trimtab::project {

// Reads `path`, a trimtab.yaml or the folder that holds one. Checks everything that can be known without the
// data: unknown keys (did you mean), types, duplicate names, references between sources, tables, models and
// endpoints, cycles, gates and durations that do not parse. Expressions over columns are checked later, by
// `plan`, which knows the schemas. Errors: not_found (no file), malformed, invalid (all diagnostics in one).
Result<Project> load(const std::filesystem::path& path);
// The same from text; `file` names it in messages, `folder` is where its relative paths start.
Result<Project> parse(const std::string& text, const std::string& file, const std::filesystem::path& folder);

// Sets one value of every endpoint's `heal`, as the file would: "heal.poison_budget=1". For trying another
// policy without editing the file. Errors: invalid (no such setting, or the value is not one of its kind).
// "heal.approvals=given" does the same as take_approvals_as_given().
Status set_heal(Project& project, const std::string& setting);
// Where nobody is there to be asked, as in a backtest: no version waits for a person. True: one would have.
bool take_approvals_as_given(Project& project);

// The JSON Schema of the file, made from the same table of keys that the reader uses.
Json file_schema();

}  // namespace trimtab::project
