// The functions that an expression may call: pure ones that see one row. Whoever adds a row here promises
// that the function reads nothing but its arguments (and the session's time zone), always answers the same,
// keeps its result small, and that its example still gives the value shown.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trimtab::table {

struct AllowedFunction {
  std::string_view name;     // As the engine's parser names it: lower case; operators under their sign.
  std::string_view example;  // A call, for the documentation and the test.
  std::string_view value;    // What the example gives in UTC, as text; "null" for a null.
  int copies = 1;            // How often its body repeats an argument, for the engine's macros.
  int growth = 1;            // By how much its result may be longer than its arguments together.
};

std::span<const AllowedFunction> allowed_functions();
// Null pointer: it may not be called.
const AllowedFunction* find_allowed_function(std::string_view name);
// The names that are words, not signs, for suggestions.
const std::vector<std::string>& allowed_function_names();

// What to do instead of calling this function; for names that deserve more than "not allowed". "" when there
// is nothing special to say.
std::string_view instead_of_function(std::string_view name);

}  // namespace trimtab::table
