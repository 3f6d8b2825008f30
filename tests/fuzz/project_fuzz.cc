// Fuzzes the reader of trimtab.yaml.
#include <cstddef>
#include <cstdint>
#include <string>

#include "project/load.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const trimtab::Result<trimtab::project::Project> project =
      trimtab::project::parse(text, "fuzz.yaml", "/nowhere");
  // Also what is said about the text must be sayable.
  if (!project) CHECK(!trimtab::base::render(project.error()).empty());
  return 0;
}
