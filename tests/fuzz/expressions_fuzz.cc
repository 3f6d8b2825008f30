// Fuzzes the expressions of a project: what the allow-list lets through must be computable by nothing but the
// row's own columns and the allowed functions, whatever the engine's parser makes of the text.
#include <cstddef>
#include <cstdint>
#include <string>

#include "table/allowed_functions.h"
#include "table/engine.h"
#include "table/expression.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using trimtab::table::ColumnType;
  static const trimtab::table::Schema kSchema({{"a", ColumnType::integer},
                                               {"b", ColumnType::real},
                                               {"c", ColumnType::text},
                                               {"d", ColumnType::boolean},
                                               {"t", ColumnType::time}});
  static const auto kEngine = trimtab::table::Engine::open({}).value();
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto facts = trimtab::table::inspect_expression(*kEngine, {"x", text, {}}, kSchema);
  if (!facts) {
    CHECK(!trimtab::base::render(facts.error()).empty());
    return 0;
  }
  for (const auto& name : facts->functions) CHECK(trimtab::table::find_allowed_function(name) != nullptr);
  for (const auto& name : facts->columns) CHECK(kSchema.find(name).has_value());
  return 0;
}
