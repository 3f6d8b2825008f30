#include "project/load_models.h"

#include <gtest/gtest.h>

#include "project/sample_project.h"

namespace trimtab::project {
namespace {

const DiagnosticCase kLoadModelsCases[] = {
    {15, "    from: tt", "15:11: error: model 'm' reads 'tt', which is no table\n   hint: did you mean 't'?"},
    {15, "    from: other",
     "15:11: error: model 'm' reads 'other', which is no table\n   hint: it is a source; declare a table "
     "with 'from: other'"},
    {15, "    label_delay: 1h",
     "14:3: error: model 'm' lacks the key 'from'\n   hint: add 'from:' with text"},
    {16, "    task: multiclass", "16:11: error: 'task' is 'multiclass', one of binary, regression is wanted"},
    {16, "    task: {a: b}", "16:11: error: 'task' is a mapping, one of binary, regression is wanted"},
    {16, "    label_delay: 1",
     "error: 2 errors\n14:3: error: model 'm' lacks the key 'task'\n   hint: add 'task:' with one of binary, "
     "regression\n16:18: error: 'label_delay' is a number ('1'), a duration like 30s, 15m, 24h, 2d or 4w is "
     "wanted"},
    {16, "    tune: {trials: 3}\n    task: binary",
     "16:5: error: 'tune' in model 'm' is not supported in this version\n   hint: remove it"},
    {17, "    traget: y", "17:5: error: unknown key 'traget' in model 'm'\n   hint: did you mean 'target'?"},
    {17, "    target: [y]",
     "17:13: error: 'target' is a list, an expression is wanted\n   hint: put the expression in quotes"},
    {17, "    target: y > 0\n    label_time: \"\"",
     "18:17: error: 'label_time' is empty, an expression is wanted"},
    {18, "    featurs: [x]",
     "18:5: error: unknown key 'featurs' in model 'm'\n   hint: did you mean 'features'?"},
    {18, "    features: x",
     "18:15: error: 'features' is text ('x'), a list of features is wanted\n   hint: such as [carrier, hour: "
     "\"hour(sched_dep)\"]"},
    {18, "    features: []",
     "18:15: error: 'features' is an empty list, a list of features is wanted\n   hint: such as [carrier, "
     "hour: \"hour(sched_dep)\"]"},
    {18, "    features: [x, x]", "18:19: error: feature 'x' is named twice (first at line 18)"},
    {18, "    features: [x, X: z + 1]",
     "18:19: error: feature 'X' is named twice (first at line 18)\n   hint: names compare without case"},
    {18, "    features: [hour(at)]",
     "18:16: error: feature 'hour(at)' is an expression without a name\n   hint: write it like 'name: "
     "expression'"},
    {18, "    features: [{a: b, c: d}]",
     "18:16: error: a feature is a mapping, a column or one 'name: expression' is wanted"},
    {18, "    features: [[x]]",
     "18:16: error: a feature is a list, a column or one 'name: expression' is wanted"},
    {18, "    features: [a: ]", "18:19: error: 'a' is nothing, an expression is wanted"},
    {18, "    features: [x, \"late\": \"y>0\"]",
     "18:19: error: feature 'late' uses the target of model 'm'\n   hint: nobody knows the target when a "
     "prediction is asked for: remove the feature"},
    {19, "    split: 20%", "19:12: error: 'split' is text ('20%'), a mapping is wanted"},
    {19, "    split: {by: name}", "19:17: error: 'by' is 'name', one of time, random is wanted"},
    {19, "    split: {test: lots}",
     "19:19: error: 'test' is text ('lots'), a share like 20% or a duration like 14d is wanted"},
    {19, "    split: {test: 100%}",
     "19:19: error: 'test' is '100%', a share between 0% and 100% or a duration above 0 is wanted"},
    {19, "    split: {test: 0d}",
     "19:19: error: 'test' is '0d', a share between 0% and 100% or a duration above 0 is wanted"},
    {19, "    split: {by: random, test: 14d}",
     "19:31: error: 'test' is a duration, but the split is random\n   hint: write a share like 20%, or 'by: "
     "time'"},
    {19, "    split: {by: random, gap: 1d}",
     "19:30: error: 'gap' needs a split by time\n   hint: remove it, or write 'by: time'"},
    {19, "    split: {gap: -1d}",
     "19:18: error: 'gap' is text ('-1d'), a duration like 30s, 15m, 24h, 2d or 4w is wanted"},
    {20, "    learner: lightgmb",
     "20:14: error: unknown key 'lightgmb' in 'learner'\n   hint: did you mean 'lightgbm'?"},
    {20, "    learner: onnx",
     "20:14: error: 'onnx' in 'learner' is not supported in this version\n   hint: remove it"},
    {20, "    learner: [lightgbm]",
     "20:14: error: 'learner' is a list, a learner like 'baseline' or 'lightgbm: {rounds: 200}' is wanted"},
    {20, "    learner: {}", "20:14: error: 'learner' names 0 learners, one is wanted"},
    {20, "    learner: {lightgbm: {}, baseline: {}}",
     "20:29: error: 'learner' names 2 learners, one is wanted"},
    {20, "    learner: {lightgbm: {rounds: many}}",
     "20:34: error: 'rounds' is text ('many'), a whole number is wanted"},
    {20, "    learner: {lightgbm: {rounds: 0}}",
     "20:34: error: 'rounds' is 0, a whole number from 1 to 100000 is wanted"},
    {20, "    learner: {lightgbm: {rounds: \"200\"}}",
     "20:34: error: 'rounds' is text ('200'), a whole number is wanted"},
    {20, "    learner: {lightgbm: {rounds: 1.5}}",
     "20:34: error: 'rounds' is a number ('1.5'), a whole number is wanted"},
    {20, "    learner: {lightgbm: {leaves: 200000}}",
     "20:34: error: 'leaves' is 200000, a whole number from 2 to 131072 is wanted"},
    {20, "    learner: {lightgbm: {learning_rate: 0}}",
     "20:41: error: 'learning_rate' is 0, a number above 0 and up to 1 is wanted"},
    {20, "    learner: {lightgbm: {learning_rate: fast, roundz: 3}}",
     "error: 2 errors\n20:41: error: 'learning_rate' is text ('fast'), a number is wanted\n20:47: error: "
     "unknown key 'roundz' in 'lightgbm'\n   hint: did you mean 'rounds'?"},
    {20, "    learner: {lightgbm: [1]}", "20:25: error: 'lightgbm' is a list, a mapping is wanted"},
    {20, "    learner: {baseline: {rounds: 1}}",
     "20:26: error: unknown key 'rounds' in 'baseline'\n   hint: it takes no keys"},
    {4, "  s: {read: s.csv}",
     "19:12: error: model 'm' is split by time, but source 's' declares no time\n   hint: add 'time:' with a "
     "column to source 's', or write 'split: {by: random}'"},
    {21, "    gates: auc >= 0.6",
     "21:12: error: 'gates' is text ('auc >= 0.6'), a list of gates is wanted\n   hint: such as [auc >= "
     "0.68]"},
    {21, "    gates: [{auc: 0.6}]", "21:13: error: a gate is a mapping, text is wanted"},
    {21, "    gates: [auc > 0.6]",
     "21:17: error: gate 'auc > 0.6': found '>' where '>=' or '<=' is wanted\n   hint: write it like 'auc >= "
     "0.68', 'log_loss <= champion + 0.005' or 'slice(origin).auc >= 0.62'"},
    {21, "    gates: [auc = 0.6]",
     "21:17: error: gate 'auc = 0.6': found '=' where '>=' or '<=' is wanted\n   hint: write it like 'auc >= "
     "0.68', 'log_loss <= champion + 0.005' or 'slice(origin).auc >= 0.62'"},
    {21, "    gates: [auc >=]",
     "21:19: error: gate 'auc >=': found the end where a number or 'champion' is wanted\n   hint: write it "
     "like 'auc >= 0.68', 'log_loss <= champion + 0.005' or 'slice(origin).auc >= 0.62'"},
    {21, "    gates: [auc]",
     "21:16: error: gate 'auc': found the end where '>=' or '<=' is wanted\n   hint: write it like 'auc >= "
     "0.68', 'log_loss <= champion + 0.005' or 'slice(origin).auc >= 0.62'"},
    {21, "    gates: [acu >= 0.6]",
     "21:13: error: gate 'acu >= 0.6': 'acu' is no metric of a gate\n   hint: did you mean 'auc'?"},
    {21, "    gates: [\"%% >= 1\"]",
     "21:14: error: gate '%% >= 1': found '%%' where a metric is wanted\n   hint: write it like 'auc >= "
     "0.68', 'log_loss <= champion + 0.005' or 'slice(origin).auc >= 0.62'"},
    {21, "    gates: [\"auc >= high\"]",
     "21:21: error: gate 'auc >= high': found 'high' where a number or 'champion' is wanted\n   hint: write "
     "it like 'auc >= 0.68', 'log_loss <= champion + 0.005' or 'slice(origin).auc >= 0.62'"},
    {21, "    gates: [auc >= 0.6 0.7]",
     "21:24: error: gate 'auc >= 0.6 0.7': found '0.7' where the end is wanted\n   hint: write it like 'auc "
     ">= 0.68', 'log_loss <= champion + 0.005' or 'slice(origin).auc >= 0.62'"},
    {21, "    gates: [auc >= 60%]",
     "21:22: error: gate 'auc >= 60%': found '%' where the end is wanted\n   hint: write it like 'auc >= "
     "0.68', 'log_loss <= champion + 0.005' or 'slice(origin).auc >= 0.62'"},
    {21, "    gates: [\"auc >= champion * 2\"]",
     "21:30: error: gate 'auc >= champion * 2': found '*' where '+' or '-' is wanted\n   hint: write it like "
     "'auc >= 0.68', 'log_loss <= champion + 0.005' or 'slice(origin).auc >= 0.62'"},
    {21, "    gates: [\"auc >= champion -\"]",
     "21:31: error: gate 'auc >= champion -': found the end where a number is wanted\n   hint: write it like "
     "'auc >= 0.68', 'log_loss <= champion + 0.005' or 'slice(origin).auc >= 0.62'"},
    {21, "    gates: [auc >= champion - x]",
     "21:31: error: gate 'auc >= champion - x': found 'x' where a number is wanted\n   hint: write it like "
     "'auc >= 0.68', 'log_loss <= champion + 0.005' or 'slice(origin).auc >= 0.62'"},
    {21, "    gates: [slice(origin) >= 0.6]",
     "21:27: error: gate 'slice(origin) >= 0.6': found '>=' where '.' and a metric is wanted\n   hint: write "
     "it like 'auc >= 0.68', 'log_loss <= champion + 0.005' or 'slice(origin).auc >= 0.62'"},
    {21, "    gates: [slice().auc >= 0.6]",
     "21:19: error: gate 'slice().auc >= 0.6': found ')' where a column is wanted\n   hint: write it like "
     "'auc >= 0.68', 'log_loss <= champion + 0.005' or 'slice(origin).auc >= 0.62'"},
    {21, "    gates: [slice(origin.auc >= 0.6]",
     "21:36: error: gate 'slice(origin.auc >= 0.6': found the end where ')' is wanted\n   hint: write it "
     "like 'auc >= 0.68', 'log_loss <= champion + 0.005' or 'slice(origin).auc >= 0.62'"},
    {21, "    gates: [slice(origin).p99_ms <= 5]",
     "21:27: error: gate 'slice(origin).p99_ms <= 5': 'p99_ms' is no metric of a slice\n   hint: metrics "
     "are: auc, log_loss, brier, ece, accuracy, rmse, mae"},
    {21, "    gates: [slices(origin).auc >= 0.5]",
     "21:13: error: gate 'slices(origin).auc >= 0.5': 'slices' takes no brackets, only slice and fairness "
     "do\n   hint: write it like 'auc >= 0.68', 'log_loss <= champion + 0.005' or 'slice(origin).auc >= "
     "0.62'"},
    {21, "    gates: [fairness(origin).auc <= 0.1]",
     "21:30: error: gate 'fairness(origin).auc <= 0.1': 'auc' is no metric of fairness\n   hint: metrics "
     "are: "
     "demographic_parity_ratio, demographic_parity_difference, equalized_odds, equal_opportunity"},
    {21, "    gates: [fairness(origin).equalized_odds <= champion]",
     "21:48: error: gate 'fairness(origin).equalized_odds <= champion': 'equalized_odds' is held against a "
     "number, not against the champion\n   hint: write it like 'auc >= 0.68', 'log_loss <= champion + 0.005' "
     "or 'slice(origin).auc >= 0.62'"},
    {21, "    gates: [rmse <= 5]",
     "21:13: error: gate 'rmse <= 5' is for task regression, model 'm' has task binary\n   hint: its metrics "
     "are: auc, log_loss, brier, ece, accuracy"},
    {21, "    gates: [freshness <= 7d]",
     "21:13: error: gate 'freshness <= 7d': 'freshness' is no metric of a gate\n   hint: metrics are: auc, "
     "log_loss, brier, ece, accuracy, rmse, mae, p99_ms, leakage, robustness, quarantined, memory_mb, "
     "size_mb, flips, approvals"},
    {21, "    gates: [memory_md <= 200]",
     "21:13: error: gate 'memory_md <= 200': 'memory_md' is no metric of a gate\n   hint: did you mean "
     "'memory_mb'?"},
    {21, "    gates: [size_mb <= champion]",
     "21:24: error: gate 'size_mb <= champion': 'size_mb' is held against a number, not against the "
     "champion\n   hint: write it like 'auc >= 0.68', 'log_loss <= champion + 0.005' or 'slice(origin).auc "
     ">= "
     "0.62'"},
    {21, "    gates: [p99_ms <= champion + 5]",
     "21:23: error: gate 'p99_ms <= champion + 5': 'p99_ms' is held against a number, not against the "
     "champion\n   hint: write it like 'auc >= 0.68', 'log_loss <= champion + 0.005' or 'slice(origin).auc "
     ">= "
     "0.62'"},
    {21, "    gates: [slice(z).flips <= 0.1]",
     "21:22: error: gate 'slice(z).flips <= 0.1': 'flips' is no metric of a slice\n   hint: metrics are: "
     "auc, "
     "log_loss, brier, ece, accuracy, rmse, mae"},
    {21, "    golden: ../golden.csv",
     "21:13: error: 'golden' is '../golden.csv', a CSV file below the project's folder is wanted\n   hint: "
     "such "
     "as golden.csv"},
    {21, "    goldn: golden.csv",
     "21:5: error: unknown key 'goldn' in model 'm'\n   hint: did you mean 'golden'?"},
    {21, "    gates: [5]",
     "21:13: error: gate '5': '5' is no metric of a gate\n   hint: metrics are: auc, log_loss, brier, ece, "
     "accuracy, rmse, mae, p99_ms, leakage, robustness, quarantined, memory_mb, size_mb, flips, approvals"},
    {21, "    gates: [\"  auc  > 0.6\"]",
     "21:21: error: gate '  auc  > 0.6': found '>' where '>=' or '<=' is wanted\n   hint: write it like 'auc "
     ">= 0.68', 'log_loss <= champion + 0.005' or 'slice(origin).auc >= 0.62'"},
};

class LoadModelsDiagnostics : public testing::TestWithParam<DiagnosticCase> {};

TEST_P(LoadModelsDiagnostics, SaysWhatAndWhere) {
  const DiagnosticCase& one = GetParam();
  EXPECT_EQ(refusal(sample_with(one.line, one.text)), one.expected);
}

INSTANTIATE_TEST_SUITE_P(Project, LoadModelsDiagnostics, testing::ValuesIn(kLoadModelsCases));

Model model_with(int line, const std::string& text) {
  const Result<Project> project = parse(sample_with(line, text), "p.yaml", "/nowhere");
  EXPECT_TRUE(project) << base::render(project.error());
  return project ? project->models[0] : Model();
}

TEST(LoadModels, ReadsFeatures) {
  const Model model = model_with(18, "    features: [x, hour: \"hour(at)\", {Z: z * 2}]");
  ASSERT_EQ(model.features.size(), 3U);
  EXPECT_EQ(model.features[0], (NamedExpression{"x", "x", {}}));
  EXPECT_EQ(model.features[1], (NamedExpression{"hour", "hour(at)", {}}));
  EXPECT_EQ(model.features[2], (NamedExpression{"Z", "z * 2", {}}));
}

TEST(LoadModels, ReadsTheRest) {
  const Model model = model_with(17, "    target: y > 0\n    label_time: at + 1\n    label_delay: 24h");
  EXPECT_EQ(model.name, "m");
  EXPECT_EQ(model.from, "t");
  EXPECT_EQ(model.task, Task::binary);
  EXPECT_EQ(model.target, (NamedExpression{"target", "y > 0", {}}));
  EXPECT_EQ(model.label_time, (NamedExpression{"label_time", "at + 1", {}}));
  EXPECT_EQ(model.label_delay, base::kDayUs);
}

TEST(LoadModels, ReadsSplits) {
  EXPECT_EQ(model_with(19, "    split: {test: 20%}").split.test_share, 0.2);
  EXPECT_EQ(model_with(19, "    split: {test: 0.25}").split.test_share, 0.25);
  EXPECT_FALSE(model_with(19, "    split: {by: random, test: 0.25}").split.by_time);
  const Split split = model_with(19, "    split: {by: time, test: 14d, gap: 24h}").split;
  EXPECT_TRUE(split.by_time);
  EXPECT_EQ(split.test_share, std::nullopt);
  EXPECT_EQ(split.test_duration, 14 * base::kDayUs);
  EXPECT_EQ(split.gap, base::kDayUs);
  EXPECT_EQ(model_with(19, "    split: {}").split.test_share, 0.2);
  EXPECT_EQ(model_with(19, "    # no split").split.test_share, 0.2);
}

TEST(LoadModels, ReadsLearners) {
  for (const char* text : {"baseline", "{baseline: {}}", "{baseline: }"}) {
    const Model model = model_with(20, std::string("    learner: ") + text);
    EXPECT_TRUE(std::holds_alternative<BaselineLearner>(model.learner)) << text;
  }
  for (const char* text : {"lightgbm", "{lightgbm: {}}", "{lightgbm: }"}) {
    const Model model = model_with(20, std::string("    learner: ") + text);
    ASSERT_TRUE(std::holds_alternative<LightgbmLearner>(model.learner)) << text;
    EXPECT_EQ(std::get<LightgbmLearner>(model.learner).rounds, 200);
  }
  const Model model = model_with(20,
                                 "    learner: {lightgbm: {rounds: 7, leaves: 3, learning_rate: 1, "
                                 "min_data_in_leaf: 5, feature_fraction: 0.5, bagging_fraction: 0.6, "
                                 "lambda_l2: 1.5, seed: 9}}");
  const auto& learner = std::get<LightgbmLearner>(model.learner);
  EXPECT_EQ(learner.rounds, 7);
  EXPECT_EQ(learner.leaves, 3);
  EXPECT_EQ(learner.learning_rate, 1.0);
  EXPECT_EQ(learner.min_data_in_leaf, 5);
  EXPECT_EQ(learner.feature_fraction, 0.5);
  EXPECT_EQ(learner.bagging_fraction, 0.6);
  EXPECT_EQ(learner.lambda_l2, 1.5);
  EXPECT_EQ(learner.seed, 9);
}

TEST(LoadModels, ReadsGates) {
  const Model model = model_with(
      21, "    gates: [auc >= 0.6, \"log_loss <= champion + 0.005\", slice(origin).auc >= champion - .1]");
  ASSERT_EQ(model.gates.size(), 3U);
  EXPECT_EQ(model.gates[0].text, "auc >= 0.6");
  EXPECT_EQ(model.gates[0].where, (SourceRange{"p.yaml", 21, 13}));
  EXPECT_EQ(model.gates[1].where, (SourceRange{"p.yaml", 21, 26}));
  EXPECT_TRUE(model.gates[1].against_champion);
  EXPECT_EQ(model.gates[1].threshold, 0.005);
  EXPECT_EQ(model.gates[2].slice, "origin");
  EXPECT_EQ(model.gates[2].threshold, -0.1);
}

TEST(LoadModels, OneGateSaysHowManyApprovalsAreWanted) {
  EXPECT_EQ(refusal(sample_with(21, "    gates: [approvals >= 1, approvals(admin) >= 2]")),
            "21:29: error: gate 'approvals(admin) >= 2' asks for approvals a second time\n"
            "   hint: one gate says how many are wanted");
}

TEST(LoadModels, OneGateSaysWhatAMetricMustReach) {
  EXPECT_EQ(
      refusal(sample_with(21, "    gates: [auc >= 0.6, auc >= 0.7]")),
      "21:25: error: gate 'auc >= 0.7' asks for auc a second time\n   hint: the stricter one says it all");
  EXPECT_EQ(
      model_with(21, "    gates: [auc >= 0.6, auc >= champion, slice(x).auc >= 0.5, slice(z).auc >= 0.5]")
          .gates.size(),
      4U);
}

TEST(LoadModels, AUnreadableTaskSaysNothingAboutGates) {
  EXPECT_EQ(refusal(sample_with(16, "    task: regresion")),
            "16:11: error: 'task' is 'regresion', one of binary, regression is wanted\n"
            "   hint: did you mean 'regression'?");
}

}  // namespace
}  // namespace trimtab::project
