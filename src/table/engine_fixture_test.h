// For the tests of this room: an engine with a folder of its own that disappears with the test.
#pragma once

#include <filesystem>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <utility>

#include "base/result.h"
#include "table/engine.h"

namespace trimtab::table {

class EngineFixture : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "table_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    std::filesystem::create_directory(allowed());
    engine_ = open(2);
    ASSERT_NE(engine_, nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Engine> open(int threads) const {
    EngineOptions options;
    options.folders_allowed = {allowed().string()};
    options.threads = threads;
    Result<std::unique_ptr<Engine>> engine = Engine::open(options);
    EXPECT_TRUE(engine) << base::render(engine.error());
    return engine ? std::move(*engine) : nullptr;
  }

  // The only folder that the engine may touch.
  std::filesystem::path allowed() const { return folder_ / "allowed"; }
  Engine& engine() { return *engine_; }

  std::filesystem::path folder_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace trimtab::table
