// Fuzzes the reader of trimtab.yaml with libFuzzer. Not part of the build, because g++ has no libFuzzer:
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -Isrc tests/fuzz/project_fuzz.cc
//     src/project/[a-z]*.cc src/base/[a-z]*.cc (without *_test.cc) and the libraries of base
//   ./project_fuzz -max_len=20000 CORPUS examples/flights
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
