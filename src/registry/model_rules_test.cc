#include "registry/model_rules.h"

#include <gtest/gtest.h>

namespace trimtab::registry {
namespace {

std::string refusal(const Status& status) { return status ? "" : status.error().message; }

TEST(ModelRules, AModelsNameMayNotBeAPath) {
  EXPECT_EQ(refusal(check_model_name("late arrivals")), "");
  EXPECT_EQ(refusal(check_model_name("spät")), "");
  EXPECT_EQ(refusal(check_model_name(" ")), "Missing value for required parameter 'name'.");
  EXPECT_EQ(refusal(check_model_name("a/b")), "Invalid model name 'a/b'. Names cannot contain '/' or ':'.");
  EXPECT_EQ(
      refusal(check_model_name("..")),
      "Invalid value \"..\" for parameter 'name' supplied: Names may be treated as files in certain cases, "
      "and must not resolve to other names when treated as such. This name would resolve to '..'");
  EXPECT_EQ(refusal(check_model_name(std::string("a\0b", 3))),
            "Invalid model name: it holds a NUL character.");
}

TEST(ModelRules, SomeAliasesMeanSomethingElse) {
  EXPECT_EQ(refusal(check_alias("champion-2_x")), "");
  EXPECT_EQ(refusal(check_alias("")), "Registered model alias name cannot be empty.");
  EXPECT_EQ(
      refusal(check_alias("a b")),
      "Invalid alias name: 'a b'. Names may only contain alphanumerics, underscores (_), and dashes (-).");
  EXPECT_EQ(refusal(check_alias(std::string(256, 'a'))),
            "'Registered model alias name' exceeds the maximum length of 255 characters");
  EXPECT_EQ(refusal(check_alias_is_free("Latest")), "'latest' alias name (case insensitive) is reserved.");
  EXPECT_EQ(refusal(check_alias_is_free("v12")), "Version alias name 'v12' is reserved.");
  EXPECT_EQ(refusal(check_alias_is_free("v12b")), "");
}

TEST(ModelRules, TagsHaveBoundedKeysAndValues) {
  EXPECT_EQ(refusal(check_model_tag({"team/a b.c:d-e_f", ""})), "");
  EXPECT_EQ(refusal(check_model_tag({"a\nb", "v"})),
            "Invalid value \"a\\nb\" for parameter 'key' supplied: Names may only contain alphanumerics, "
            "underscores "
            "(_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).");
  EXPECT_EQ(refusal(check_model_tag({std::string(251, 'k'), "v"})),
            "'key' exceeds the maximum length of 250 characters");
  EXPECT_EQ(refusal(check_model_tag({"k", std::string(100'001, 'v')})),
            "'value' exceeds the maximum length of 100000 characters");
  EXPECT_EQ(refusal(check_version_tag({"mlflow.prompt.text", std::string(100'001, 'v')})),
            "Prompt text exceeds max length of 100000 characters.");
}

TEST(ModelRules, VersionsAndStages) {
  EXPECT_EQ(parse_version("12").value(), 12);
  EXPECT_EQ(parse_version("x").error().message, "Parameter 'version' must be an integer, got 'x'.");
  EXPECT_EQ(canonical_stage("production").value(), "Production");
  EXPECT_EQ(canonical_stage("bogus").error().message,
            "Invalid Model Version stage: bogus. Value must be one of None, Staging, Production, Archived.");
}

TEST(ModelRules, PathsAreNormalisedAsPosixDoes) {
  EXPECT_EQ(normal_path("a//b/./c/../d"), "a/b/d");
  EXPECT_EQ(normal_path("../a/.."), "..");
  EXPECT_EQ(normal_path("/../a"), "/a");
  EXPECT_EQ(normal_path("//a"), "//a");
  EXPECT_EQ(normal_path("a/.."), ".");
}

}  // namespace
}  // namespace trimtab::registry
