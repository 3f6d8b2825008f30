#include "base/log.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace trimtab::base {
namespace {

std::string logged(void (*work)()) {
  testing::internal::CaptureStderr();
  work();
  return testing::internal::GetCapturedStderr();
}

TEST(Log, SaysTimeLevelRoomAndWords) {
  const std::string text = logged([] { log_warning("store", "the disk is slow"); });
  constexpr std::string_view kShape = "0000-00-00T00:00:00.000Z";
  ASSERT_GT(text.size(), kShape.size());
  for (std::size_t i = 0; i < kShape.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    EXPECT_EQ(digit ? '0' : text[i], kShape[i]) << text;
  }
  EXPECT_EQ(text.substr(kShape.size()), " warning store: the disk is slow\n");
}

TEST(Log, KeepsQuietBelowItsLevel) {
  const std::string text = logged([] {
    log(LogLevel::debug, "store", "debug");
    set_log_level(LogLevel::error);
    log_info("store", "info");
    set_log_level(LogLevel::info);
  });
  EXPECT_EQ(text, "");
}

// Words may hold what a stranger sent: braces, ends of lines, escape sequences.
TEST(Log, LinesCannotBeForged) {
  const std::string text = logged([] { log_info("http", "{} %s\n2026 error forged\x1b[2J\r"); });
  EXPECT_NE(text.find("http: {} %s\n   2026 error forged?[2J?\n"), std::string::npos) << text;
}

TEST(Log, LinesOfThreadsStayWhole) {
  const std::string text = logged([] {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([] {
        for (int i = 0; i < 100; ++i) log_info("room", std::string(200, 'x'));
      });
    }
  });
  const std::string words = " info room: " + std::string(200, 'x') + "\n";
  std::size_t lines = 0;
  for (std::size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) ++lines;
  EXPECT_EQ(lines, 400U);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 400);
}

}  // namespace
}  // namespace trimtab::base
