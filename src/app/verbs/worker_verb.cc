#include <cstdlib>

#include "app/verbs/verb_list.h"
#include "flow/worker_main.h"

namespace trimtab::app {

Status worker_verb(const Arguments& arguments) {
  if (arguments.words.empty()) return fail(ErrorCode::invalid, "the worker is started by trimtab itself");
  const std::uint64_t memory_bytes_max = std::strtoull(arguments.words[0].c_str(), nullptr, 10);
  const std::vector<std::string> folders(arguments.words.begin() + 1, arguments.words.end());
  std::exit(flow::worker_main(folders, memory_bytes_max));
}

}  // namespace trimtab::app
