#include "registry/run_name.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <regex>
#include <set>

#include "base/id.h"

namespace trimtab::registry {
namespace {

TEST(RunName, IsTheSameForTheSameRun) {
  const std::string id = base::random_id();
  EXPECT_EQ(run_name(id), run_name(id));
}

TEST(RunName, TellsRunsApart) {
  std::set<std::string> names;
  for (int run = 0; run < 1000; ++run) names.insert(run_name(std::to_string(run)));
  EXPECT_GT(names.size(), 995u);
}

RC_GTEST_PROP(RunName, IsTwoShortWordsAndANumber, (const std::string& id)) {
  const std::string name = run_name(id);
  RC_ASSERT(std::regex_match(name, std::regex("[a-z]+-[a-z]+-[0-9]{3}")));
  RC_ASSERT(name.size() < 20u);
}

}  // namespace
}  // namespace trimtab::registry
