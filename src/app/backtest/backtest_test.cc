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
  report.policies[0].brier = 0.165;
  report.policies[0].batches = 300;
  report.policies[1].useless = 1;
  report.policies[1].days_to_detect = 2.5;
  report.policies[1].days_to_heal = 14.0;
  report.oracle = {0.51, 0.16, 1000, ""};
  EXPECT_EQ(
      report.to_text(),
      "policy      log loss     AUC  predictions   labels  retrains  promoted  rolled back  incidents   "
      "regret    cost  useless  detect    heal\n"
      "never        0.51710  0.6915       256089   249537         0         0            0          0  "
      "+0.0071    1.50        0       -       -\n"
      "trimtab            -       -       256089   249537         4         0            0          0        "
      "-       -        1   2.5 d  14.0 d\n"
      "oracle      0.51000  refitted before every 28 days\n"
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
            R"("retrains":0,"promotions":0,"rollbacks":0,"incidents":0,"brier":null,"batches":0,)"
            R"("useless":0,"days_to_detect":null,"days_to_heal":null,"regret":null,"cost":null})");
  EXPECT_EQ(json["oracle"].dump(), R"({"log_loss":null,"brier":null,"rows":0})");
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
            "error: 'weakly' is no policy\n   hint: trimtab, never, weekly, every:3d, every-batch, "
            "every-batches:5, psi, or loss-3sigma");
}

TEST_F(BacktestRefusal, AnEndBeforeTheBeginning) {
  BacktestOptions options;
  options.from = 15'000 * base::kDayUs;
  options.to = 14'999 * base::kDayUs;
  EXPECT_EQ(refusal("  late: {model: m}\n", options),
            "error: the replay would end at 2011-01-25T00:00:00Z, before it begins at 2011-01-26T00:00:00Z\n"
            "   hint: --to must be later than --from");
}

TEST_F(BacktestRefusal, ASettingThatSetsNothing) {
  BacktestOptions options;
  options.settings = {"heal.poison_budget=few"};
  EXPECT_EQ(
      refusal("  late: {model: m}\n", options),
      "--set:1:16: error: 'poison_budget' is text ('few'), a number of batches like '3 batches' is wanted");
  options.settings = {"poison_budget=1"};
  EXPECT_EQ(
      refusal("  late: {model: m}\n", options),
      "error: 'poison_budget=1' sets nothing\n   hint: as in heal.poison_budget=1, heal.mode=suggest or "
      "'heal.retrains=1 per week'");
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
