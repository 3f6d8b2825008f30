// What a backtest tells, and what it refuses to begin.
#include "app/backtest/backtest.h"

#include <gtest/gtest.h>

#include "project/load.h"
#include "store/scratch_folder.h"

namespace trimtab::app {
namespace {

PolicyResult policy(const std::string& name, const Json& log_loss, std::int64_t retrains) {
  PolicyResult result;
  result.name = name;
  result.log_loss = log_loss;
  result.auc = log_loss.is_null() ? Json() : Json(0.69151);
  result.predictions = 256'089;
  result.labels = 249'537;
  result.retrains = retrains;
  return result;
}

Json entry(const std::string& action) {
  Json entry = Json::object({{"time", "2013-05-19T05:00:00Z"}, {"event", "it got worse"}});
  const Json evidence =
      Json::object({{"rows", 768}, {"champion_brier", 0.099531}, {"why", "words are not shown"}});
  return entry.set("evidence", evidence).set("action", action);
}

TEST(BacktestReport, TheTableAndTheTimelineAreAligned) {
  BacktestReport report;
  report.policies = {policy("never", 0.5171, 0), policy("trimtab", Json(), 4)};
  report.policies[1].timeline.push(entry("promoted, version 3"));
  EXPECT_EQ(report.to_text(),
            "policy      log loss     AUC  predictions   labels  retrains  promoted  rolled back  incidents\n"
            "never        0.51710  0.6915       256089   249537         0         0            0          0\n"
            "trimtab            -       -       256089   249537         4         0            0          0\n"
            "\n"
            "Timeline of trimtab's own policy\n"
            "  2013-05-19T05:00  it got worse\n"
            "      evidence: rows 768, champion_brier 0.09953\n"
            "      action:   promoted, version 3\n");
}

TEST(BacktestReport, WithoutOurPolicyThereIsNoTimelineAndAnIdleOneSaysSo) {
  BacktestReport report;
  report.policies = {policy("weekly", 0.5, 1)};
  EXPECT_EQ(report.to_text().find("Timeline"), std::string::npos);
  report.policies = {policy("trimtab", 0.5, 0)};
  EXPECT_TRUE(report.to_text().ends_with("Timeline of trimtab's own policy\n  nothing was done\n"));
}

TEST(BacktestReport, JsonHoldsThePoliciesAndOurTimeline) {
  BacktestReport report;
  report.policies = {policy("never", Json(), 0), policy("trimtab", 0.5, 4)};
  report.policies[1].timeline.push(entry("refused, version 2"));
  const Json json = report.to_json();
  EXPECT_EQ(json["policies"].as_array().at(0).dump(),
            R"({"name":"never","log_loss":null,"auc":null,"predictions":256089,"labels":249537,)"
            R"("retrains":0,"promotions":0,"rollbacks":0,"incidents":0})");
  EXPECT_EQ(json["timeline"].as_array().at(0).text_or("action"), "refused, version 2");
}

class BacktestRefusal : public testing::Test {
 protected:
  std::string refusal(const std::string& endpoints, const BacktestOptions& asked) {
    const Result<project::Project> project = project::parse(
        "project: p\nsources:\n  s: {read: s.csv, time: at}\ntables:\n  t: {from: s}\nmodels:\n"
        "  m: {from: t, task: binary, target: y > 0, features: [x]}\nendpoints:\n" +
            endpoints,
        "p.yaml", folder_.path());
    CHECK(project.has_value());
    BacktestOptions options = asked;
    options.home = (folder_ / "home").string();
    options.say = [](const std::string&) {};
    flow::ProgressListener silent;
    const Result<BacktestReport> report = run_backtest(*project, options, silent);
    CHECK(!report.has_value());
    return base::render(report.error());
  }
  const store::ScratchFolder folder_;
};

TEST_F(BacktestRefusal, APolicyThatDoesNotExist) {
  BacktestOptions options;
  options.policies = {"never", "weakly"};
  EXPECT_EQ(refusal("  late: {model: m}\n", options),
            "error: 'weakly' is no policy\n   hint: never, weekly, trimtab, or every:3d");
}

TEST_F(BacktestRefusal, AnEndpointThatIsNotNamedOrNotThere) {
  BacktestOptions options;
  const std::string two = "  late: {model: m}\n  other: {model: m}\n";
  EXPECT_EQ(refusal(two, options),
            "error: the project has 2 endpoints\n   hint: name the one to replay with --endpoint");
  options.endpoint = "lat";
  EXPECT_EQ(refusal(two, options), "error: there is no endpoint 'lat'\n   hint: did you mean 'late'?");
}

}  // namespace
}  // namespace trimtab::app
