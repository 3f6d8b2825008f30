#include "table/allowed_functions.h"

#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <string>

#include "base/file.h"

namespace trimtab::table {
namespace {

std::string in_cell(std::string_view text) {
  std::string cell;
  for (const char c : text) cell += c == '|' ? std::string("\\|") : std::string(1, c);
  return cell;
}

std::string documentation() {
  std::string page =
      "# What an expression may say\n\n"
      "An expression is computed from one row: `hour(sched_dep)`, `dep_delay >= 15`, `origin || '-' || "
      "dest`.\n"
      "It is written in the SQL of DuckDB: columns by their names (in double quotes when they hold blanks), "
      "texts "
      "in single quotes,\n"
      "`CASE`, `CAST` and `TRY_CAST`, `AND`, `OR`, `NOT`, `IN`, `BETWEEN`, `IS NULL`, `COALESCE`, `INTERVAL "
      "3 "
      "HOUR`, and the functions below.\n\n"
      "Not allowed: subqueries, windows, aggregates, lists, comments, and everything that reads the clock, "
      "files, "
      "settings or random numbers.\n"
      "At most 10,000 bytes and 100 levels of brackets.\n\n"
      "| function | example | gives (in UTC) |\n|---|---|---|\n";
  for (const AllowedFunction& allowed : allowed_functions()) {
    page += "| `" + in_cell(allowed.name) + "` | `" + in_cell(allowed.example) + "` | `" +
            in_cell(allowed.value) + "` |\n";
  }
  return page;
}

// The checkout that this program was built in: the first folder above it with a layers.txt.
std::filesystem::path checkout() {
  std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  while (folder.has_relative_path() && !std::filesystem::exists(folder / "layers.txt")) {
    folder = folder.parent_path();
  }
  return folder;
}

TEST(AllowedFunctions, DocumentationIsFresh) {
  const std::filesystem::path path = checkout() / "docs" / "expressions.md";
  if (std::getenv("TRIMTAB_UPDATE") != nullptr) {
    ASSERT_TRUE(base::write_file_durably(path, documentation()));
  }
  const Result<std::string> page = base::read_file(path);
  ASSERT_TRUE(page) << base::render(page.error());
  EXPECT_EQ(*page, documentation()) << "run this test with TRIMTAB_UPDATE=1 to write it anew";
}

TEST(AllowedFunctions, SuggestionsAreWords) {
  for (const std::string& name : allowed_function_names()) {
    EXPECT_NE(find_allowed_function(name), nullptr) << name;
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"), std::string::npos) << name;
  }
}

TEST(AllowedFunctions, AdviceIsForFunctionsThatAreNotAllowed) {
  // age is allowed with two arguments and reads the clock with one.
  for (const char* name : {"now", "random", "sum", "list_value"}) {
    EXPECT_FALSE(instead_of_function(name).empty()) << name;
    EXPECT_EQ(find_allowed_function(name), nullptr) << name;
  }
  EXPECT_EQ(instead_of_function("getenv"), "");
}

}  // namespace
}  // namespace trimtab::table
