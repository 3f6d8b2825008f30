// What a person sees of running steps: on a terminal, in a pipe, and not at all.
#include "app/progress.h"

#include <gtest/gtest.h>
#include <regex>

namespace trimtab::app {
namespace {

using Style = ProgressPrinter::Style;

flow::Task task(const std::string& operation, const std::string& label) {
  return {.operation = operation, .label = label, .params = Json::object()};
}

flow::TaskResult result(std::int64_t rows) {
  flow::TaskResult made;
  made.resources.rows = rows;
  made.resources.cpu_s = 0.25;
  return made;
}

// What was written to standard error; durations as "N s", for they differ from run to run.
std::string shown(Style style, const std::function<void(ProgressPrinter&)>& work) {
  testing::internal::CaptureStderr();
  {
    ProgressPrinter printer(style);
    work(printer);
  }
  const std::string text = testing::internal::GetCapturedStderr();
  return std::regex_replace(text, std::regex(R"(\d+\.\d s)"), "N s");
}

void three_steps(ProgressPrinter& printer) {
  for (const int day : {1, 2}) {
    const flow::Task one = task("ingest", "ingest flights: day " + std::to_string(day));
    printer.started(one);
    printer.finished(one, result(600));
  }
  const flow::Task train = task("train", "train late");
  printer.started(train);
  printer.finished(train, result(0));
}

TEST(Progress, APipeGetsOneLineForEachKindOfStep) {
  EXPECT_EQ(shown(Style::plain, three_steps),
            "  ingest: 2 steps, 1,200 rows, N s (N s of processor)\n"
            "  train late, N s (N s of processor)\n");
}

TEST(Progress, JsonGetsNothing) {
  EXPECT_EQ(shown(Style::silent, three_steps), "");
  EXPECT_EQ(ProgressPrinter::style_for(true), Style::silent);
}

TEST(Progress, ATerminalShowsHowFarAStepIsAndKeepsOneLineOfIt) {
  const std::string text = shown(Style::live, [](ProgressPrinter& printer) {
    const flow::Task train = task("train", "train late");
    printer.started(train);
    printer.finished(train, result(4148));
  });
  EXPECT_EQ(text, "\r  train late\r  train late, 4,148 rows, N s (N s of processor)\n");
}

TEST(Progress, ARunningStepTellsItsRateAndTheTimeThatIsLeft) {
  const std::string text = shown(Style::live, [](ProgressPrinter& printer) {
    // The first line that is drawn; the next ones wait for their turn.
    printer.progressed(task("train", "train late"), 1000, 2000, "rounds");
  });
  EXPECT_TRUE(
      std::regex_match(text, std::regex(R"(\r  train late: 1,000 of 2,000 rounds, [\d,]+/s, N s left)")))
      << text;
}

TEST(Progress, AStepThatDidNotEndLeavesNoLine) {
  const flow::Task score = task("score", "score late@1");
  EXPECT_EQ(shown(Style::plain, [&](ProgressPrinter& printer) { printer.started(score); }), "");
  EXPECT_EQ(shown(Style::live, [&](ProgressPrinter& printer) { printer.started(score); }),
            "\r  score late@1\r" + std::string(14, ' ') + "\r");
}

TEST(Progress, AFailureIsNamed) {
  const auto fails = [](ProgressPrinter& printer) {
    const flow::Task train = task("train", "train late");
    printer.started(train);
    printer.failed(train, Error{});
  };
  EXPECT_EQ(shown(Style::plain, fails), "  failed: train late\n");
}

}  // namespace
}  // namespace trimtab::app
