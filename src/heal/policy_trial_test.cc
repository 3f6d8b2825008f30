// What the policy costs in drawn worlds (world_trial_test.h). TRIMTAB_TRIALS=20 lives so many worlds of each
// class and prints the table; TRIMTAB_TRIAL_POLICY=every-batch:12 lives them under another policy.
#include <cstdlib>
#include <gtest/gtest.h>

#include "heal/naive_policy.h"
#include "heal/world_trial_test.h"

namespace trimtab::heal {
namespace {

std::string text_from(const char* variable, const char* otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? text : otherwise;
}

TEST(PolicyTrial, Table) {
  const int trials = std::atoi(text_from("TRIMTAB_TRIALS", "1").c_str());
  const std::string only = text_from("TRIMTAB_TRIAL_CLASS", "");
  const bool tells = !text_from("TRIMTAB_TRIAL_STORY", "").empty();
  PolicyOptions options = parse_policy(text_from("TRIMTAB_TRIAL_POLICY", "declared")).value();
  options.heal.poison_budget = 3;
  options.heal.retrains_max = 1000;
  TrialLearner learner;
  learner.weight_before = std::atof(text_from("TRIMTAB_TRIAL_WEIGHT", "0.1").c_str());
  std::printf("class     excess    cost  retrains promoted   bad  levels  back\n");
  for (const char* kind : kTrialClasses) {
    if (!only.empty() && only != kind) continue;
    TrialResult sum;
    for (int seed = 0; seed < trials; ++seed) {
      Trial trial(static_cast<std::uint64_t>(1000 + seed), kind, options, learner);
      const TrialResult one = trial.live();
      sum.excess += one.excess, sum.retrains += one.retrains, sum.promotions += one.promotions;
      sum.bad_promotions += one.bad_promotions, sum.levels += one.levels, sum.rollbacks += one.rollbacks;
      if (tells) std::printf("%s %d: excess %.2f\n%s", kind, 1000 + seed, one.excess, trial.story.c_str());
    }
    const double n = trials;
    std::printf("%-8s %7.2f %7.2f %9.1f %8.1f %5.2f %7.2f %5.2f\n", kind, sum.excess / n, sum.cost() / n,
                sum.retrains / n, sum.promotions / n, sum.bad_promotions / n, sum.levels / n,
                sum.rollbacks / n);
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace trimtab::heal
