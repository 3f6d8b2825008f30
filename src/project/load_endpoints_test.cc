#include "project/load_endpoints.h"

#include <gtest/gtest.h>

#include "project/sample_project.h"

namespace trimtab::project {
namespace {

const DiagnosticCase kLoadEndpointsCases[] = {
    {24, "    model: n",
     "24:12: error: endpoint 'e' serves 'n', which is no model\n   hint: did you mean 'm'?"},
    {24, "    modle: m", "24:5: error: unknown key 'modle' in endpoint 'e'\n   hint: did you mean 'model'?"},
    {24, "    rollout: {shadow: long}\n    model: m",
     "24:23: error: 'shadow' is text ('long'), auto, off, or a number of batches like '3 batches' is wanted"},
    {24, "    rollout: {shadow: 2000}\n    model: m",
     "24:23: error: 'shadow' is 2000, auto, off, or a number of batches from 1 to 1000 is wanted"},
    {24, "    rollout: {canary: 5%}\n    model: m",
     "24:23: error: 'canary' is text ('5%'), a list of rising shares like [5%, 25%, 100%] is wanted"},
    {24, "    rollout: {canary: [5%, much]}\n    model: m",
     "24:28: error: 'canary' is text ('much'), a share like 0.2 or 20% is wanted"},
    {24, "    rollout: {canary: [25%, 5%]}\n    model: m",
     "24:29: error: 'canary' has the share '5%', more than the one before it is wanted"},
    {24, "    log: {sample: 0}\n    model: m",
     "24:19: error: 'sample' is 0, a share above 0 and up to 1 is wanted"},
    {24, "    log: {keep: long}\n    model: m",
     "24:17: error: 'keep' is text ('long'), a duration like 30s, 15m, 24h, 2d or 4w is wanted"},
    {24, "    log: {privacy: all}\n    model: m",
     "24:20: error: 'privacy' is text ('all'), a mapping of columns to drop, hash, first N, round N, hour, "
     "day, month or year is wanted"},
    {24, "    log: {privacy: {mail: hide}}\n    model: m",
     "24:27: error: 'mail' is text ('hide'), drop, hash, first N, round N, hour, day, month or year is "
     "wanted"},
    {24, "    log: {privacy: {far: round 0}}\n    model: m",
     "24:26: error: 'far' is text ('round 0'), drop, hash, first N, round N, hour, day, month or year is "
     "wanted"},
    {24, "    deadline: soon\n    model: m",
     "24:15: error: 'deadline' is text ('soon'), a duration like 30s, 15m, 24h, 2d or 4w is wanted"},
    {24, "    contract: mend\n    model: m",
     "24:15: error: 'contract' is 'mend', one of refuse, repair is wanted"},
    {24, "    contract: repiar\n    model: m",
     "24:15: error: 'contract' is 'repiar', one of refuse, repair is wanted\n   hint: did you mean "
     "'repair'?"},
    {24, "    contract: {unit: repair}\n    model: m",
     "24:15: error: 'contract' is a mapping, one of refuse, repair is wanted"},
    {24, "    contarct: repair\n    model: m",
     "24:5: error: unknown key 'contarct' in endpoint 'e'\n   hint: did you mean 'contract'?"},
    {25, "    batch: 500", "25:12: error: 'batch' is a number ('500'), a duration like 1d is wanted"},
    {25, "    batch: 0 rows", "25:12: error: 'batch' is '0 rows', more than nothing is wanted"},
    {25, "    batch: 500 rows",
     "25:12: error: a batch of so many rows is not supported in this version\n   hint: write a duration like "
     "'batch: 1d'"},
    {25, "    batch: 0d", "25:12: error: 'batch' is '0d', more than nothing is wanted"},
    {25, "    batch: [1d]", "25:12: error: 'batch' is a list, a duration like 1d is wanted"},
    {25, "    batch: many rows", "25:12: error: 'batch' is text ('many rows'), a duration like 1d is wanted"},
    {26, "    health: {auk: \">= 0.6\"}",
     "26:14: error: unknown key 'auk' in 'health'\n   hint: did you mean 'auc'?"},
    {26, "    health: {auc: 0.6}",
     "26:19: error: health limit 'auc: 0.6': found '0.6' where '>=' or '<=' is wanted\n   hint: write it "
     "like 'auc: \">= 0.66\"'"},
    {26, "    health: {auc: [1]}", "26:19: error: 'auc' is a list, a limit like '<= 0.60' is wanted"},
    {26, "    health: {auc: \"= 0.6\"}",
     "26:20: error: health limit 'auc: = 0.6': found '=' where '>=' or '<=' is wanted\n   hint: write it "
     "like 'auc: \">= 0.66\"'"},
    {26, "    health: {auc: \">= good\"}",
     "26:23: error: health limit 'auc: >= good': found 'good' where a number is wanted\n   hint: write it "
     "like 'auc: \">= 0.66\"'"},
    {26, "    health: {auc: \">= 0.6 x\"}",
     "26:27: error: health limit 'auc: >= 0.6 x': found 'x' where the end is wanted\n   hint: write it like "
     "'auc: \">= 0.66\"'"},
    {26, "    health: {freshness: \"<= 7\"}",
     "26:29: error: health limit 'freshness: <= 7': found '7' where a duration is wanted\n   hint: write it "
     "like 'freshness: \"<= 7d\"'"},
    {26, "    health: {errors: \"<= 200%\"}",
     "26:26: error: health limit 'errors: <= 200%': found '200' where a share from 0% to 100% is wanted\n   "
     "hint: write it like 'errors: \"<= 0.1%\"'"},
    {26, "    health: {rmse: \"<= 5\"}",
     "26:14: error: health limit 'rmse' is for task regression, model 'm' has task binary\n   hint: its "
     "metrics are: auc, log_loss, brier, ece, accuracy"},
    {26, "    health: [auc]", "26:13: error: 'health' is a list, a mapping is wanted"},
    {27, "    heal: auto", "27:11: error: 'heal' is text ('auto'), a mapping is wanted"},
    {27, "    heal: {mode: on}", "27:18: error: 'mode' is 'on', one of auto, suggest, off is wanted"},
    {27, "    heal: {retrains: 2}",
     "27:22: error: 'retrains' is a number ('2'), a limit like '2 per week' is wanted\n   hint: N per day, "
     "week or month"},
    {27, "    heal: {retrains: 2 per year}",
     "27:22: error: 'retrains' is text ('2 per year'), a limit like '2 per week' is wanted\n   hint: N per "
     "day, week or month"},
    {27, "    heal: {retrains: 0 per week}",
     "27:22: error: 'retrains' is 0, so that nothing new could ever be learnt\n   hint: 'mode: suggest' asks "
     "a "
     "person before each training, 'mode: off' heals nothing"},
    {27, "    heal: {retrains: 2000 per day}", "27:22: error: 'retrains' is 2000, at most 1000 are taken"},
    {27, "    heal: {poison_budget: few}",
     "27:27: error: 'poison_budget' is text ('few'), a number of batches like '3 batches' is wanted"},
    {27, "    heal: {poison_budget: -1}",
     "27:27: error: 'poison_budget' is a number ('-1'), a number of batches like '3 batches' is wanted"},
    {27, "    heal: {poison_budget: 5000 batches}",
     "27:27: error: 'poison_budget' is 5000, a number of batches from 0 to 1000 is wanted"},
    {27, "    heal: {notify: []}", "27:20: error: 'notify' is an empty list, a mapping is wanted"},
    {27, "    heal: {notify: {webhook: \"ftp://x\"}}",
     "27:30: error: 'webhook' is 'ftp://x', an https address or env:NAME is wanted"},
    {27, "    heal: {notify: {webhook: \"https://\"}}",
     "27:30: error: 'webhook' is 'https://', an https address or env:NAME is wanted"},
    {27, "    heal: {notify: {webhook: \"env:\"}}",
     "27:30: error: 'webhook' is 'env:', an https address or env:NAME is wanted"},
    {27, "    heal: {notify: {webhook: \"env:MY HOOK\"}}",
     "27:30: error: 'webhook' is 'env:MY HOOK', an https address or env:NAME is wanted"},
    {27, "    heal: {notify: {webhook: env:HOOK, secret_env: my key}}",
     "27:52: error: 'secret_env' is 'my key', the name of an environment variable is wanted"},
    {27, "    heal: {notify: {}}",
     "27:20: error: 'notify' names nobody\n   hint: name a webhook, or email and smtp; 'notify: off' tells "
     "nobody"},
    {27, "    rollout: {shadow: off}",
     "27:14: error: 'rollout' has no step: its shadow is off, and no canary answers a part\n   hint: leave "
     "it "
     "out, and what passes its gates answers at once"},
    {27, "    rollout: {shadow: off, canary: [100%]}",
     "27:14: error: 'rollout' has no step: its shadow is off, and no canary answers a part\n   hint: leave "
     "it "
     "out, and what passes its gates answers at once"},
    {27, "    rollout: {shadow: 2, key: x}",
     "27:31: error: 'key' says which rows a canary answers, and none is declared\n   hint: add one like "
     "'canary: [5%, 25%]', or leave 'key' out"},
    {27, "    heal: {notify: {secret_env: KEY}}",
     "27:33: error: 'secret_env' signs a webhook, and none is named"},
    {27, "    heal: {notify: {email: ops}}",
     "error: 2 errors\n27:20: error: 'email' and 'smtp' go together\n   hint: name who gets the mail, and "
     "the "
     "relay that takes it as host:port\n27:28: error: 'email' is 'ops', an address like ops@example.com is "
     "wanted"},
    {27, "    heal: {notify: {email: ops@example.com, smtp: mail}}",
     "27:51: error: 'smtp' is 'mail', a relay like mail.example.com:25 is wanted"},
};

class LoadEndpointsDiagnostics : public testing::TestWithParam<DiagnosticCase> {};

TEST_P(LoadEndpointsDiagnostics, SaysWhatAndWhere) {
  const DiagnosticCase& one = GetParam();
  EXPECT_EQ(refusal(sample_with(one.line, one.text)), one.expected);
}

INSTANTIATE_TEST_SUITE_P(Project, LoadEndpointsDiagnostics, testing::ValuesIn(kLoadEndpointsCases));

Endpoint endpoint_with(int line, const std::string& text) {
  const Result<Project> project = parse(sample_with(line, text), "p.yaml", "/nowhere");
  EXPECT_TRUE(project) << base::render(project.error());
  return project ? project->endpoints[0] : Endpoint();
}

TEST(LoadEndpoints, ReadsBatches) {
  EXPECT_EQ(endpoint_with(25, "    batch: 2d").batch_duration, 2 * base::kDayUs);
  EXPECT_EQ(endpoint_with(25, "    # none").batch_duration, base::kDayUs);
}

TEST(LoadEndpoints, ReadsHealth) {
  const Endpoint endpoint = endpoint_with(
      26, R"(    health: {auc: ">= 0.66", freshness: "<= 7d", p99_ms: <= 5, errors: "<= 0.1%"})");
  ASSERT_EQ(endpoint.health.size(), 4U);
  EXPECT_EQ(endpoint.health[0].metric, "auc");
  EXPECT_TRUE(endpoint.health[0].at_least);
  EXPECT_EQ(endpoint.health[0].threshold, 0.66);
  EXPECT_EQ(endpoint.health[0].text, ">= 0.66");
  EXPECT_EQ(endpoint.health[1].threshold, 7 * 86400);
  EXPECT_FALSE(endpoint.health[2].at_least);
  EXPECT_EQ(endpoint.health[2].threshold, 5);
  EXPECT_EQ(endpoint.health[3].threshold, 0.001);
}

TEST(LoadEndpoints, ReadsHealing) {
  const Heal heal = endpoint_with(27, "    heal: {mode: off, retrains: 4 per month, poison_budget: 5}").heal;
  EXPECT_EQ(heal.mode, HealMode::off);
  EXPECT_EQ(heal.retrains_max, 4);
  EXPECT_EQ(heal.retrains_window, 30 * base::kDayUs);
  EXPECT_EQ(heal.poison_budget, 5);
  const Heal other =
      endpoint_with(27, "    heal: {mode: suggest, retrains: 1 per day, poison_budget: 1 batch}").heal;
  EXPECT_EQ(other.mode, HealMode::suggest);
  EXPECT_EQ(other.retrains_max, 1);
  EXPECT_EQ(other.retrains_window, base::kDayUs);
  EXPECT_EQ(other.poison_budget, 1);
  const Heal none = endpoint_with(27, "    # none").heal;
  EXPECT_EQ(none.mode, HealMode::automatic);
  EXPECT_EQ(none.retrains_max, 2);
  EXPECT_EQ(none.poison_budget, 3);
}

TEST(LoadEndpoints, ReadsRollouts) {
  const auto rollout =
      endpoint_with(27, "    rollout: {shadow: auto, canary: [5%, 0.25, 100%], key: tailnum}").rollout;
  ASSERT_TRUE(rollout);
  EXPECT_EQ(rollout->shadow_batches, std::nullopt);
  EXPECT_EQ(rollout->canary, (std::vector<double>{0.05, 0.25})) << "all rows is what a champion has";
  EXPECT_EQ(rollout->key, "tailnum");
  EXPECT_EQ(endpoint_with(27, "    rollout: {shadow: 5 batches}").rollout->shadow_batches, 5);
  EXPECT_EQ(endpoint_with(27, "    rollout: {shadow: off, canary: [5%]}").rollout->shadow_batches, 0);
  EXPECT_FALSE(endpoint_with(27, "    # none").rollout);
}

TEST(LoadEndpoints, ReadsWhatIsLoggedAndTheDeadline) {
  const Endpoint endpoint =
      endpoint_with(27, "    log: {sample: 10%, keep: 180d, columns: [origin]}\n    deadline: 50ms");
  EXPECT_EQ(endpoint.log.sample, 0.1);
  EXPECT_EQ(endpoint.log.keep, 180 * base::kDayUs);
  EXPECT_EQ(endpoint.log.columns, std::vector<std::string>{"origin"});
  EXPECT_EQ(endpoint.deadline, 50'000);
  const Endpoint secret = endpoint_with(
      27, "    log: {privacy: {mail: drop, tail: hash, zip: first 3, far: round 0.5, at: month}}");
  ASSERT_EQ(secret.log.privacy.size(), 5u);
  EXPECT_EQ(secret.log.privacy[1].column, "tail");
  EXPECT_EQ(secret.log.privacy[1].how, PrivateColumn::How::hash);
  EXPECT_EQ(secret.log.privacy[2].amount, 3);
  EXPECT_EQ(secret.log.privacy[3].how, PrivateColumn::How::round);
  EXPECT_EQ(secret.log.privacy[3].amount, 0.5);
  EXPECT_EQ(secret.log.privacy[4].how, PrivateColumn::How::month);
  const Endpoint plain = endpoint_with(27, "    # none");
  EXPECT_EQ(plain.log.sample, 1);
  EXPECT_EQ(plain.log.keep, std::nullopt);
  EXPECT_EQ(plain.deadline, std::nullopt);
}

TEST(LoadEndpoints, ReadsTheContractAtTheDoor) {
  EXPECT_EQ(endpoint_with(27, "    contract: repair").contract, Contract::repair);
  EXPECT_EQ(endpoint_with(27, "    contract: refuse").contract, Contract::refuse);
  EXPECT_EQ(endpoint_with(27, "    # none").contract, Contract::refuse);
}

TEST(LoadEndpoints, ASettingStandsInPlaceOfTheFiles) {
  Result<Project> project = parse(sample_with(27, "    heal: {retrains: 4 per month}"), "p.yaml", "/");
  ASSERT_TRUE(project);
  EXPECT_TRUE(set_heal(*project, "heal.poison_budget=1"));
  EXPECT_TRUE(set_heal(*project, "heal.mode=suggest"));
  const Heal& heal = project->endpoints.front().heal;
  EXPECT_EQ(heal.poison_budget, 1);
  EXPECT_EQ(heal.mode, HealMode::suggest);
  EXPECT_EQ(heal.retrains_max, 4);
  project->models.front().gates.push_back({.text = "approvals >= 1", .metric = std::string(kApprovals)});
  const std::size_t gates = project->models.front().gates.size();
  EXPECT_TRUE(set_heal(*project, "heal.approvals=given"));
  EXPECT_EQ(project->models.front().gates.size(), gates - 1);
  EXPECT_FALSE(take_approvals_as_given(*project)) << "nobody is asked any more";
  const Status unknown = set_heal(*project, "heal.budget=1");
  ASSERT_FALSE(unknown);
  EXPECT_TRUE(base::render(unknown.error()).starts_with("--set:1:1: error: unknown key 'budget' in 'heal'"));
}

}  // namespace
}  // namespace trimtab::project
