// The other side of a step: `trimtab worker` reads one task a line from standard input, runs it, and answers
// with one line. It never opens meta.db: it reads inputs by path, leaves outputs in its staging folder, and
// the owner of the home names and registers them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace trimtab::flow {

// Runs until standard input ends. Line in: {"operation","params","inputs":{name:[paths]},"output","threads"}.
// Lines out: {"progress":{"done","total","unit"}} any number of times, then "values" or "error", with
// "resources" of the step and "process_cpu_s" of the process so far. `folders`: what it may read and write.
// Returns the exit code.
int worker_main(const std::vector<std::string>& folders, std::uint64_t memory_bytes_max);

}  // namespace trimtab::flow
