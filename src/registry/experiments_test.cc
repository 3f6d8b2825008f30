#include "registry/experiments.h"

#include <gtest/gtest.h>

#include "registry/book_fixture_test.h"

namespace trimtab::registry {
namespace {

class ExperimentsTest : public BookTest {
 protected:
  Status rename(std::int64_t id, const std::string& name) {
    return wait<void>([&](auto done) { rename_experiment(by(), id, name, done); });
  }
  Status set_experiment_tag(std::int64_t id, const std::string& key, const std::string& value) {
    return wait<void>([&](auto done) { registry::set_experiment_tag(by(), id, {key, value}, done); });
  }
  Status delete_tag(std::int64_t id, const std::string& key) {
    return wait<void>([&](auto done) { delete_experiment_tag(by(), id, key, done); });
  }
  std::vector<std::string> names(const ExperimentSearch& search) {
    std::vector<std::string> found;
    const ExperimentPage page = search_experiments(*home_, search).value();
    for (const ExperimentFacts& facts : page.experiments) found.push_back(facts.name);
    return found;
  }
};

std::string message(const auto& result) { return result ? "" : result.error().message; }

TEST_F(ExperimentsTest, DefaultIsThereFromTheStart) {
  const ExperimentFacts facts = find_experiment(*home_, 0).value();
  EXPECT_EQ(facts.name, "Default");
  EXPECT_EQ(facts.artifact_location, "mlflow-artifacts:/0");
  EXPECT_EQ(facts.created_ms, base::kDayUs / 1'000);
}

TEST_F(ExperimentsTest, ANameIsTakenOnceAlsoByADeletedOne) {
  EXPECT_EQ(create_experiment("risk").value(), 1);
  ASSERT_TRUE(set_experiment_deleted(1, true));
  const Result<std::int64_t> again = create_experiment("risk");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::already_exists);
  EXPECT_TRUE(again.error().message.starts_with("Experiment(name=risk) already exists."));
  ASSERT_TRUE(create_experiment("other"));
  EXPECT_EQ(rename(2, "risk").error().code, ErrorCode::already_exists);
  EXPECT_EQ(message(rename(1, "new")), "Cannot rename a non-active experiment.");
  EXPECT_EQ(message(set_experiment_tag(1, "a", "b")),
            "The experiment 1 must be in the 'active' state. Current state is deleted.");
  EXPECT_EQ(message(set_experiment_deleted(1, true)), "No Experiment with id=1 exists");
  EXPECT_EQ(message(set_experiment_deleted(9, true)), "No Experiment with id=9 exists");
  ASSERT_TRUE(set_experiment_deleted(1, false));
  EXPECT_TRUE(rename(1, "new"));
  EXPECT_EQ(find_experiment_by_name(*home_, "new")->id, 1);
  EXPECT_EQ(message(find_experiment_by_name(*home_, "risk")), "Could not find experiment with name 'risk'");
  EXPECT_EQ(message(find_experiment(*home_, 9)), "No Experiment with id=9 exists");
  EXPECT_EQ(message(create_experiment(std::string(501, 'x'))),
            "'name' exceeds the maximum length of 500 characters");
}

TEST_F(ExperimentsTest, TagsAreSetReplacedAndDeleted) {
  ASSERT_TRUE(set_experiment_tag(0, "team", "risk"));
  ASSERT_TRUE(set_experiment_tag(0, "team", "fraud"));
  EXPECT_EQ(find_experiment(*home_, 0)->tags, (std::vector<KeyValue>{{"team", "fraud"}}));
  ASSERT_TRUE(delete_tag(0, "team"));
  EXPECT_EQ(message(delete_tag(0, "team")), "No tag with name: team in experiment with id 0");
  EXPECT_EQ(message(set_experiment_tag(0, "k", std::string(20'001, 'x'))),
            "'value' exceeds the maximum length of 20000 characters");
}

TEST_F(ExperimentsTest, ASearchFiltersOrdersAndPages) {
  for (const char* name : {"alpha", "beta", "gamma"}) {
    clock_.advance_to(clock_.now() + base::kSecondUs);
    ASSERT_TRUE(create_experiment(name));
  }
  ASSERT_TRUE(set_experiment_tag(2, "team", "risk"));
  ExperimentSearch search;
  EXPECT_EQ(names(search), (std::vector<std::string>{"gamma", "beta", "alpha", "Default"}));
  search.order_by = {"name ASC"};
  search.filter = "name LIKE '%a' and creation_time > 0";
  EXPECT_EQ(names(search), (std::vector<std::string>{"alpha", "beta", "gamma"}));
  search.max_results = 1;
  search.offset = 1;
  EXPECT_EQ(names(search), (std::vector<std::string>{"beta"}));
  EXPECT_TRUE(search_experiments(*home_, search)->has_more);
  search = {};
  search.filter = "tags.team = 'risk' OR experiment_id IN ('3')";
  EXPECT_EQ(names(search), (std::vector<std::string>{"gamma", "beta"}));
  ASSERT_TRUE(set_experiment_deleted(3, true));
  EXPECT_EQ(names(search), (std::vector<std::string>{"beta"}));
  search.with_active = false;
  search.with_deleted = true;
  EXPECT_EQ(names(search), (std::vector<std::string>{"gamma"}));
  search.order_by = {"tags.a"};
  EXPECT_EQ(message(search_experiments(*home_, search)), "Invalid order_by entity: tag");
}

}  // namespace
}  // namespace trimtab::registry
