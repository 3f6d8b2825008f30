// A test program that is its own worker: started as `test_flow worker …` it runs steps as `trimtab worker`
// does, by the same code. Each test program that runs steps defines main with this.
#pragma once

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <vector>

#include "flow/worker_main.h"

namespace trimtab::flow {

inline int test_or_work(int count, char** words) {
  // As in main.cc: a worker that died is an error of one write.
  std::signal(SIGPIPE, SIG_IGN);
  if (count > 2 && std::string_view(words[1]) == "worker") {
    const std::vector<std::string> folders(words + 3, words + count);
    return worker_main(folders, std::strtoull(words[2], nullptr, 10));
  }
  testing::InitGoogleTest(&count, words);
  return RUN_ALL_TESTS();
}

inline std::string worker_program() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

}  // namespace trimtab::flow
