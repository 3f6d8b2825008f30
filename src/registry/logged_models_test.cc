#include "registry/logged_models.h"

#include "registry/registry_home_test.h"

namespace trimtab::registry {
namespace {

class LoggedModels : public RegistryTest {
 protected:
  LoggedModel create(const std::string& name, std::vector<KeyValue> params = {},
                     std::vector<KeyValue> tags = {}) {
    NewLoggedModel model;
    model.experiment_location = "mlflow-artifacts:/0";
    model.name = name;
    model.params = std::move(params);
    model.tags = std::move(tags);
    return written<LoggedModel>([&](auto done) { create_logged_model(by(), model, done); }).value();
  }
  void measure(const std::string& id, const std::string& key, double value, const std::string& dataset = "") {
    const LoggedModelMetric metric{id, {key, value, 1, 1}, "run", dataset, dataset.empty() ? "" : "d"};
    ASSERT_TRUE(written<bool>([&](auto done) { log_logged_model_metrics(*home_, {metric}, done); }));
  }
  std::string names(LoggedModelSearch search) {
    search.experiment_ids = {0};
    const Result<LoggedModelPage> page = search_logged_models(*home_, search);
    if (!page) return page.error().message;
    std::string all;
    for (const LoggedModel& model : page->models) all += (all.empty() ? "" : " ") + model.name;
    return all;
  }
  std::string found(const std::string& filter) {
    LoggedModelSearch search;
    search.filter = filter;
    search.order_by = {{"name", true, "", ""}};
    return names(search);
  }
};

TEST_F(LoggedModels, BeginPendingAndBecomeReady) {
  const LoggedModel made = create("tree", {{"depth", "3"}}, {{"a", "b"}});
  EXPECT_EQ(made.id.substr(0, 2), "m-");
  EXPECT_EQ(made.location, "mlflow-artifacts:/0/models/" + made.id + "/artifacts");
  EXPECT_EQ(status_name(made.status), "LOGGED_MODEL_PENDING");
  const auto ready = written<LoggedModel>(
      [&](auto done) { finalize_logged_model(by(), made.id, LoggedModelStatus::ready, done); });
  EXPECT_EQ(status_name(ready->status), "LOGGED_MODEL_READY");
  EXPECT_EQ(ready->params, (std::vector<KeyValue>{{"depth", "3"}}));
  EXPECT_EQ(message_of(find_logged_model(*home_, "m-x")), "Logged model with ID 'm-x' not found.");
}

TEST_F(LoggedModels, ANameOfTheirOwnIsMadeAndABadOneRefused) {
  EXPECT_FALSE(create("").name.empty());
  NewLoggedModel bad;
  bad.name = "a/b";
  EXPECT_EQ(
      message_of(written<LoggedModel>([&](auto done) { create_logged_model(by(), bad, done); })),
      "Invalid model name ('a/b') provided. Model name must be a non-empty string and cannot contain the "
      "following characters: ('/', ':', '.', '%', '\"', \"'\")");
}

TEST_F(LoggedModels, AParamIsSaidOnce) {
  const std::string id = create("m").id;
  const auto log = [&](const std::string& value) {
    return written<bool>([&](auto done) { log_logged_model_params(by(), id, {{"q", value}}, done); });
  };
  EXPECT_TRUE(log("2"));
  EXPECT_TRUE(log("2"));
  EXPECT_EQ(
      message_of(log("3")),
      "Changing param values is not allowed. Param with key='q' was already logged with value='2' for logged "
      "model ID='" +
          id + "'. Attempted logging new value '3'.");
}

TEST_F(LoggedModels, ADeletedOneIsFoundOnRequest) {
  const std::string id = create("m").id;
  ASSERT_TRUE(written<bool>([&](auto done) { delete_logged_model(by(), id, done); }));
  EXPECT_FALSE(find_logged_model(*home_, id));
  EXPECT_TRUE(find_logged_model(*home_, id, true));
  EXPECT_EQ(found(""), "");
}

TEST_F(LoggedModels, TagsGoAndComplainOnce) {
  const std::string id = create("m", {}, {{"x", "1"}}).id;
  const auto drop = [&] {
    return written<bool>([&](auto done) { delete_logged_model_tag(by(), id, "x", done); });
  };
  EXPECT_TRUE(drop());
  EXPECT_EQ(message_of(drop()), "No tag with key 'x' found for model with ID '" + id + "'.");
}

TEST_F(LoggedModels, SearchHasAGrammarOfItsOwn) {
  measure(create("a", {{"depth", "3"}}, {{"t", "x"}}).id, "auc", 0.7, "train");
  measure(create("b", {{"depth", "4"}}).id, "auc", 0.9, "test");
  create("c");
  EXPECT_EQ(found("name != 'a'"), "b c");
  EXPECT_EQ(found("params.depth = '3' AND tags.t LIKE '%'"), "a");
  EXPECT_EQ(found("metrics.auc > 0.8"), "b");
  EXPECT_EQ(found("attributes.creation_timestamp_ms > 5"), "a b c");
  EXPECT_EQ(
      found("creation_timestamp > 5 AND bad"),
      "Invalid filter string: 'creation_timestamp > 5 AND bad'. Expected a list of comparisons separated by "
      "'AND' (e.g. 'metrics.loss > 0.1 AND params.lr = 0.01').");
  EXPECT_EQ(found("metrics.x LIKE 1"),
            "Invalid comparison operator for metrics.x: 'LIKE'. Expected one of ('<', '<=', '>', '>=', '=', "
            "'!=').");
  EXPECT_EQ(found("foo.x = 1"),
            "Invalid entity type: 'foo'. Expected one of ['attributes', 'metrics', 'params', 'tags'].");
  LoggedModelSearch best;
  best.order_by = {{"metrics.auc", false, "", ""}};
  EXPECT_EQ(names(best), "b a c");
  best.datasets = {{"train", ""}};
  EXPECT_EQ(names(best), "a");
  best.order_by = {{"params.x", true, "", ""}};
  EXPECT_EQ(names(best), "Invalid order by field name: params.x. Only metrics are supported.");
}

}  // namespace
}  // namespace trimtab::registry
