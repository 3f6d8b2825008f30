#include "base/log.h"

#include <regex>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace trimtab::base {
namespace {

std::string logged(void (*work)()) {
  testing::internal::CaptureStderr();
  work();
  return testing::internal::GetCapturedStderr();
}

TEST(Log, SaysTimeLevelRoomAndWords) {
  const std::string text = logged([] { log_warning("store", "the disk is slow"); });
  const std::regex line(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warning store: the disk is slow\n)");
  EXPECT_TRUE(std::regex_match(text, line)) << text;
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
  const std::regex line("[^\n]* info room: x{200}\n");
  const auto lines =
      std::distance(std::sregex_iterator(text.begin(), text.end(), line), std::sregex_iterator());
  EXPECT_EQ(lines, 400);
}

}  // namespace
}  // namespace trimtab::base
