#include "registry/registered_models.h"

#include "registry/endpoints.h"
#include "registry/model_versions.h"
#include "registry/record_check.h"
#include "registry/registry_home_test.h"

namespace trimtab::registry {
namespace {

class RegisteredModels : public RegistryTest {
 protected:
  Result<RegisteredModel> create(const std::string& name, std::vector<KeyValue> tags = {}) {
    return written<RegisteredModel>([&](auto done) { create_model(by(), {name, "", tags}, done); });
  }
  void add_version(const std::string& name) {
    const auto made = written<ModelVersion>([&](auto done) {
      NewModelVersion version;
      version.model = name;
      version.source = "s3://bucket/" + name;
      create_version(by(), version, done);
    });
    ASSERT_TRUE(made) << message_of(made);
  }
  Result<bool> point(const std::string& name, const std::string& alias, std::int64_t version) {
    return written<bool>([&](auto done) { set_alias(by(), name, alias, version, done); });
  }
  // A model that this project trained, passed and serves: version 1 by the endpoint of the same name.
  void serve(const std::string& name) {
    run("INSERT INTO registered_model (name, project, description, created_ms, updated_ms) VALUES ('" + name +
        "', 'flights', '', 1, 1);"
        "INSERT INTO model_version (model, version, step_key, status, gates, created_ms, updated_ms, source, "
        "location) VALUES ('" +
        name + "', 1, 's1', 'READY', 'passed', 1, 1, 'x', 'x'), ('" + name +
        "', 2, 's2', 'READY', 'passed', 1, 1, 'x', 'x');");
    ASSERT_TRUE(declare_endpoint(*home_, clock_, "flights", name, name));
    ASSERT_TRUE(change_champion(*home_, clock_, name, 1, "apply", "endpoint.promote", "it passed"));
  }
  std::vector<std::string> names(const std::string& filter) {
    std::vector<std::string> found;
    const Result<ModelPage> page = search_models(*home_, {filter, {}, 100, 0});
    EXPECT_TRUE(page) << message_of(page);
    for (const RegisteredModel& model : page->models) found.push_back(model.name);
    return found;
  }
  std::string refusal(const std::string& filter) {
    return message_of(search_models(*home_, {filter, {}, 100, 0}));
  }
};

TEST_F(RegisteredModels, AModelIsMadeOnceAndFoundWithItsTags) {
  const Result<RegisteredModel> made = create("late", {{"team", "a"}, {"team", "b"}});
  ASSERT_TRUE(made) << message_of(made);
  EXPECT_EQ(made->created_ms, kNoon / 1000);
  EXPECT_EQ(made->tags, (std::vector<KeyValue>{{"team", "b"}}));
  EXPECT_EQ(message_of(create("late")), "Registered Model (name=late) already exists.");
  EXPECT_EQ(message_of(create("late", {{"mlflow.prompt.is_prompt", "true"}})),
            "Tried to create a prompt with name 'late', but the name is already taken by a registered model. "
            "MLflow "
            "does not allow creating a model and a prompt with the same name.");
  EXPECT_EQ(message_of(find_model(*home_, "zz")), "Registered Model with name=zz not found");
}

TEST_F(RegisteredModels, ARenamedModelKeepsVersionsTagsAndAliases) {
  ASSERT_TRUE(create("a", {{"k", "v"}}));
  ASSERT_TRUE(create("b"));
  add_version("a");
  ASSERT_TRUE(point("a", "champion", 1));
  const auto taken = written<RegisteredModel>([&](auto done) { rename_model(by(), "a", "b", done); });
  EXPECT_EQ(message_of(taken), "Registered Model (name=b) already exists.");
  const auto renamed = written<RegisteredModel>([&](auto done) { rename_model(by(), "a", "c", done); });
  ASSERT_TRUE(renamed) << message_of(renamed);
  EXPECT_EQ(renamed->aliases.at(0).alias, "champion");
  EXPECT_EQ(renamed->tags.at(0).key, "k");
  EXPECT_EQ(renamed->latest_versions.at(0).model, "c");
  EXPECT_FALSE(find_model(*home_, "a"));
  EXPECT_EQ(history(1).at(0), R"(registered_model.rename model/c {"from":"a","to":"c"})");
}

TEST_F(RegisteredModels, DeletingAModelLeavesNothingButItsHistory) {
  ASSERT_TRUE(create("a", {{"k", "v"}}));
  add_version("a");
  ASSERT_TRUE(point("a", "best", 1));
  ASSERT_TRUE(written<bool>([&](auto done) { delete_model(by(), "a", done); }));
  EXPECT_EQ(history(1).at(0), R"(registered_model.delete model/a {"aliases":{"best":1}})");
  EXPECT_EQ(message_of(written<bool>([&](auto done) { delete_model(by(), "a", done); })),
            "Registered Model with name=a not found");
  ASSERT_TRUE(create("a"));
  EXPECT_TRUE(find_model(*home_, "a")->aliases.empty());
}

TEST_F(RegisteredModels, WhatAnEndpointServesIsNeitherDeletedNorRenamed) {
  serve("late");
  const auto deleted = written<bool>([&](auto done) { delete_model(by(), "late", done); });
  EXPECT_EQ(message_of(deleted),
            "Registered Model with name=late cannot be deleted: the endpoint 'late' serves it");
  EXPECT_EQ(deleted.error().code, ErrorCode::conflict);
  EXPECT_EQ(message_of(written<RegisteredModel>([&](auto done) { rename_model(by(), "late", "x", done); })),
            "Registered Model with name=late cannot be renamed: the endpoint 'late' serves it");
}

TEST_F(RegisteredModels, AnAliasPointsAtAVersionThatExists) {
  ASSERT_TRUE(create("a"));
  add_version("a");
  add_version("a");
  EXPECT_EQ(message_of(point("a", "best", 7)), "Model Version (name=a, version=7) not found");
  ASSERT_TRUE(point("a", "best", 1));
  ASSERT_TRUE(point("a", "best", 2));
  EXPECT_EQ(find_by_alias(*home_, "a", "best")->version, 2);
  EXPECT_EQ(find_by_alias(*home_, "a", "best")->aliases, (std::vector<std::string>{"best"}));
  EXPECT_EQ(find_by_alias(*home_, "a", "LATEST")->version, 2);
  EXPECT_EQ(history(1).at(0), R"(model_alias.set model/a@best {"alias":"best","from":1,"to":2})");
  ASSERT_TRUE(written<bool>([&](auto done) { delete_alias(by(), "a", "best", done); }));
  EXPECT_EQ(message_of(find_by_alias(*home_, "a", "best")), "Registered model alias best not found.");
  // Nothing to delete is nothing to tell.
  ASSERT_TRUE(written<bool>([&](auto done) { delete_alias(by(), "a", "best", done); }));
  EXPECT_EQ(history(1).at(0), R"(model_alias.delete model/a@best {"alias":"best","from":2,"to":null})");
}

TEST_F(RegisteredModels, APushMovesTheAliasAndNotTheEndpoint) {
  serve("late");
  ASSERT_TRUE(point("late", "champion", 2));
  const std::string row = history(1).at(0);
  EXPECT_EQ(row.substr(0, row.find('{')), "model_alias.set model/late@champion ");
  EXPECT_NE(row.find(R"("from":1,"to":2,"endpoint":"late","push":true})"), std::string::npos) << row;
  EXPECT_EQ(find_endpoint(*home_, "late")->serving_version, 1);
  ASSERT_TRUE(change_health(*home_, clock_, "late", "degraded", "a test"));
  EXPECT_EQ(find_by_alias(*home_, "late", "champion")->version, 2);

  std::vector<std::string> problems;
  ASSERT_TRUE(check_record(*home_, problems));
  for (const std::string& problem : problems) EXPECT_EQ(problem.find("alias"), std::string::npos) << problem;
  // Moved without a word in the history it is damage.
  run("UPDATE model_alias SET version = 1 WHERE alias = 'champion'");
  problems.clear();
  ASSERT_TRUE(check_record(*home_, problems));
  ASSERT_FALSE(problems.empty());
  EXPECT_EQ(problems.at(0), "endpoint 'late' serves version 1, but the alias 'champion' points at version 1");
}

TEST_F(RegisteredModels, SearchFindsByNameAndTagAndLeavesPromptsOut) {
  ASSERT_TRUE(create("late", {{"team", "air"}}));
  ASSERT_TRUE(create("early", {{"team", "rail"}}));
  ASSERT_TRUE(create("greeting", {{"mlflow.prompt.is_prompt", "true"}}));
  EXPECT_EQ(names(""), (std::vector<std::string>{"early", "late"}));
  EXPECT_EQ(names("name LIKE 'l%'"), (std::vector<std::string>{"late"}));
  EXPECT_EQ(names("name IN ('late', 'x')"), (std::vector<std::string>{"late"}));
  EXPECT_EQ(names("tags.team != 'air'"), (std::vector<std::string>{"early"}));
  EXPECT_EQ(names("tags.`mlflow.prompt.is_prompt` = 'true'"), (std::vector<std::string>{"greeting"}));
  EXPECT_EQ(names("tags.`mlflow.prompt.is_prompt` = 'false'"), (std::vector<std::string>{"early", "late"}));
  EXPECT_EQ(refusal("foo = '1'"), "Invalid attribute key 'foo' specified. Valid keys are '{'name'}'");
  EXPECT_EQ(refusal("name > 1"),
            "Expected a quoted string value or a list of quoted string values for attributes. Got value 1");
  EXPECT_EQ(refusal("name > 'a'"), "Invalid comparator for attribute: >");
  EXPECT_EQ(refusal("tags.k = 1"), "Expected a quoted string value for tag (e.g. 'my-value'). Got value 1");
  EXPECT_EQ(refusal("x.k = '1'"),
            "Invalid entity type 'x'. Valid entity types are ('attribute', 'tag', 'tags')");
}

TEST_F(RegisteredModels, PagesFollowTheOrder) {
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(create(name));
  const Result<ModelPage> first = search_models(*home_, {"", {"name DESC"}, 2, 0});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->models.at(0).name + first->models.at(1).name, "cb");
  EXPECT_TRUE(first->has_more);
  const Result<ModelPage> second = search_models(*home_, {"", {"name DESC"}, 2, 2});
  EXPECT_EQ(second->models.at(0).name, "a");
  EXPECT_FALSE(second->has_more);
  EXPECT_EQ(message_of(search_models(*home_, {"", {"foo"}, 2, 0})),
            "Invalid order by key 'foo' specified. Valid keys are '{'timestamp', 'name'}'");
}

}  // namespace
}  // namespace trimtab::registry
