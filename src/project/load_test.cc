#include "project/load.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"
#include "base/yaml.h"
#include "project/sample_project.h"

namespace trimtab::project {
namespace {

const DiagnosticCase kLoadCases[] = {
    {1, "projekt: p",
     "1:1: error: unknown key 'projekt' in the project file\n   hint: did you mean 'project'?"},
    {1, "project: Flights",
     "1:10: error: 'Flights' cannot name a project\n   hint: a name starts with a small letter and has only "
     "small letters, digits, '_' and '-'; at most 63 of them"},
    {1, "project: [a]", "1:10: error: 'project' is a list, a name is wanted"},
    {1, "project:", "1:1: error: 'project' is nothing, a name is wanted"},
    {2, "as_of: soon",
     "2:8: error: 'as_of' is text ('soon'), a time like 2013-04-01 or 2013-04-01T08:30:00Z is wanted"},
    {2, "as_of: [1]",
     "2:8: error: 'as_of' is a list, a time like 2013-04-01 or 2013-04-01T08:30:00Z is wanted"},
    {3, "sources: 5\nsauces:",
     "error: 2 errors\n3:10: error: 'sources' is a number ('5'), a mapping of names to their settings is "
     "wanted\n4:1: error: unknown key 'sauces' in the project file\n   hint: did you mean 'sources'?"},
    {3, "colour: blue\nsources:",
     "3:1: error: unknown key 'colour' in the project file\n   hint: its keys are: project, as_of, sources, "
     "tables, models, endpoints, retention"},
    {3, "retention: {runs: soon}\nsources:",
     "3:19: error: 'runs' is text ('soon'), a duration like 30s, 15m, 24h, 2d or 4w is wanted"},
    {3, "retention: {run: 90d}\nsources:",
     "3:13: error: unknown key 'run' in 'retention'\n   hint: did you mean 'runs'?"},
    {3, "dashboards: {}\nsources:",
     "3:1: error: 'dashboards' in the project file is not supported in this version\n   hint: remove it"},
    {22, "endpoint:",
     "22:1: error: unknown key 'endpoint' in the project file\n   hint: did you mean 'endpoints'?"},
};

class LoadDiagnostics : public testing::TestWithParam<DiagnosticCase> {};

TEST_P(LoadDiagnostics, SaysWhatAndWhere) {
  const DiagnosticCase& one = GetParam();
  EXPECT_EQ(refusal(sample_with(one.line, one.text)), one.expected);
}

INSTANTIATE_TEST_SUITE_P(Project, LoadDiagnostics, testing::ValuesIn(kLoadCases));

TEST(Load, TheSampleIsRight) { EXPECT_EQ(refusal(kSampleProject), ""); }

TEST(Load, TheExampleIsRight) {
  // Tests run at the top of the tree.
  const Result<Project> project = load("examples/flights");
  ASSERT_TRUE(project) << base::render(project.error());
  EXPECT_EQ(project->name, "flights");
  EXPECT_EQ(project->file, "examples/flights/trimtab.yaml");
  EXPECT_TRUE(project->folder.is_absolute());
  EXPECT_EQ(project->folder.filename(), "flights");
  EXPECT_EQ(project->as_of, base::parse_time("2013-04-01").value());
  EXPECT_EQ(project->sources.size(), 3U);
  ASSERT_NE(project->find_source("flights"), nullptr);
  EXPECT_EQ(project->find_source("flights")->time_zone, "America/New_York");
  EXPECT_EQ(project->find_source("flights")->nulls, (std::vector<std::string>{"", "NA"}));
  EXPECT_EQ(project->find_source("weather")->time, "time_hour");
  ASSERT_NE(project->find_table("departures"), nullptr);
  EXPECT_EQ(project->find_table("departures")->checks.size(), 9U);
  ASSERT_NE(project->find_model("late"), nullptr);
  EXPECT_EQ(project->find_model("late")->features.size(), 18U);
  ASSERT_NE(project->find_endpoint("late"), nullptr);
  EXPECT_EQ(project->find_endpoint("late")->health.size(), 3U);
  EXPECT_EQ(project->find_source("none"), nullptr);
}

TEST(Load, PlacesPointAtTheText) {
  const Result<Project> project =
      parse(sample_with(18, "    features:\n      - x\n      - hour: \"hour(at)\""), "p.yaml", "/nowhere");
  ASSERT_TRUE(project);
  const Model& model = project->models[0];
  EXPECT_EQ(model.where, (SourceRange{"p.yaml", 14, 3}));
  EXPECT_EQ(model.target.where, (SourceRange{"p.yaml", 17, 13}));
  EXPECT_EQ(model.features[0].where, (SourceRange{"p.yaml", 19, 9}));
  EXPECT_EQ(model.features[1].where, (SourceRange{"p.yaml", 20, 16})) << "behind the quote";
  EXPECT_EQ(model.feature_where.at("hour"), (SourceRange{"p.yaml", 20, 9}));
  EXPECT_EQ(project->sources[0].read_where, (SourceRange{"p.yaml", 4, 13}));
  EXPECT_EQ(project->sources[0].time_where, (SourceRange{"p.yaml", 4, 26}));
  EXPECT_EQ(project->tables[0].clean[0].where, (SourceRange{"p.yaml", 10, 9}));
  EXPECT_EQ(project->endpoints[0].health[0].where, (SourceRange{"p.yaml", 28, 20}));
}

TEST(Load, SaysAllThatIsWrongAtOnceInTheOrderOfTheFile) {
  EXPECT_EQ(refusal("project: Flights\n"
                    "sources:\n"
                    "  s: {read: s.csv, time: at}\n"
                    "tables:\n"
                    "  t: {from: ss, clean: [{filtr: x}]}\n"
                    "models:\n"
                    "  late:\n"
                    "    from: tt\n"
                    "    task: binary\n"
                    "    target: y > 0\n"
                    "    featurs: [x]\n"
                    "    learner: {lightgbm: {rounds: many}}\n"),
            "error: 6 errors\n"
            "1:10: error: 'Flights' cannot name a project\n"
            "   hint: a name starts with a small letter and has only small letters, digits, '_' and '-'; "
            "at most 63 of them\n"
            "5:13: error: table 't' reads 'ss', which is no source or table\n"
            "   hint: did you mean 's'?\n"
            "5:26: error: unknown key 'filtr' in a step\n"
            "   hint: did you mean 'filter'?\n"
            "8:11: error: model 'late' reads 'tt', which is no table\n"
            "   hint: did you mean 't'?\n"
            "11:5: error: unknown key 'featurs' in model 'late'\n"
            "   hint: did you mean 'features'?\n"
            "12:34: error: 'rounds' is text ('many'), a whole number is wanted");
}

TEST(Load, NamesOfASectionThatCannotBeReadAreNotCalledUnknown) {
  EXPECT_EQ(refusal("project: p\nsources: s.csv\ntables: [t]\nmodels:\n"
                    "  m: {from: t, task: binary, target: y, features: [x]}\nendpoints:\n  e: {model: m}\n"),
            "error: 2 errors\n"
            "2:10: error: 'sources' is text ('s.csv'), a mapping of names to their settings is wanted\n"
            "3:9: error: 'tables' is a list, a mapping of names to their settings is wanted");
}

TEST(Load, ASectionHasALimit) {
  const auto with_sources = [](int count) {
    std::string text = "project: p\nsources:\n";
    for (int i = 0; i < count; ++i) text += "  s" + std::to_string(i) + ": {read: a.csv}\n";
    return text + "tables:\n  t: {from: none}\n";
  };
  EXPECT_EQ(refusal(with_sources(1001)), "3:3: error: 'sources' has 1001 entries, at most 1000 are taken");
  const std::string shown = refusal(with_sources(1000));
  EXPECT_NE(shown.find("table 't' reads 'none', which is no source or table"), std::string::npos) << shown;
  EXPECT_TRUE(shown.ends_with("s18, s19, …")) << shown;
}

TEST(Load, AFileThatIsNoMappingSaysSo) {
  EXPECT_EQ(refusal(""), "1:1: error: the project file is nothing, a mapping is wanted");
  EXPECT_EQ(refusal("- a\n"), "1:1: error: the project file is a list, a mapping is wanted");
  EXPECT_EQ(refusal("project: p\n"), "");
}

TEST(Load, ALimitWithoutQuotesIsExplained) {
  const std::string shown = refusal(sample_with(26, "    health:\n      auc: >= 0.6"));
  EXPECT_NE(shown.find("27:13: error: the YAML text is not valid"), std::string::npos) << shown;
  EXPECT_NE(shown.find("hint: put a limit in quotes: \">= 0.6\""), std::string::npos) << shown;
}

TEST(Load, WhatThisVersionDoesNotDoHasItsOwnCode) {
  const Result<Project> project = parse(sample_with(16, "    tune: {}\n    task: binary"), "p.yaml", "/");
  ASSERT_FALSE(project);
  EXPECT_EQ(project.error().code, ErrorCode::unsupported);
}

class LoadFromDisk : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / ("load_" + std::to_string(getpid()));
    ASSERT_TRUE(base::make_folders(folder_));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& text) { std::ofstream(folder_ / "trimtab.yaml") << text; }

  std::filesystem::path folder_;
};

TEST_F(LoadFromDisk, TakesTheFileOrItsFolder) {
  write(kSampleProject);
  for (const std::filesystem::path& path : {folder_, folder_ / "", folder_ / "trimtab.yaml"}) {
    const Result<Project> project = load(path);
    ASSERT_TRUE(project) << base::render(project.error());
    EXPECT_EQ(project->folder, folder_.lexically_normal());
    EXPECT_EQ(project->text, kSampleProject);
  }
}

TEST_F(LoadFromDisk, AMissingFileIsNotFound) {
  const Result<Project> project = load(folder_);
  ASSERT_FALSE(project);
  EXPECT_EQ(project.error().code, ErrorCode::not_found);
  EXPECT_EQ(project.error().message,
            "there is no project file '" + (folder_ / "trimtab.yaml").string() + "'");
  EXPECT_NE(project.error().hint, "");
}

TEST_F(LoadFromDisk, AHugeFileIsNotRead) {
  write(std::string(2 * 1024 * 1024, '#'));
  const Result<Project> project = load(folder_);
  ASSERT_FALSE(project);
  EXPECT_EQ(project.error().code, ErrorCode::too_large);
}

// Each key of the example is a property of the schema.
void expect_known(const base::YamlNode& node, const Json& schema, const std::string& path) {
  for (const base::YamlNode::Entry& entry : node.entries) {
    const Json* properties = schema.find("properties");
    const Json& inner = properties != nullptr ? (*properties)[entry.key] : schema["additionalProperties"];
    if (properties != nullptr) {
      EXPECT_TRUE(inner.is_object()) << path << entry.key;
    }
    if (inner.is_object()) expect_known(entry.value, inner, path + entry.key + ".");
  }
  for (const base::YamlNode& item : node.items) {
    if (schema["items"].is_object()) expect_known(item, schema["items"], path + "[].");
  }
}

TEST(Load, TheSchemaKnowsTheKeysOfTheExample) {
  const Json schema = file_schema();
  EXPECT_EQ(schema.text_or("$schema"), "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(schema["required"].dump(), R"(["project"])");
  EXPECT_FALSE(schema.bool_or("additionalProperties", true));
  EXPECT_EQ(schema["properties"].find("dashboards"), nullptr) << "not supported, so not offered";
  const Result<std::string> text = base::read_file("examples/flights/trimtab.yaml");
  ASSERT_TRUE(text);
  const Result<base::YamlNode> root = base::parse_yaml(*text, "trimtab.yaml");
  ASSERT_TRUE(root);
  expect_known(*root, schema, "");
  const Json& rounds =
      schema["properties"]["models"]["additionalProperties"]["properties"]["learner"]["anyOf"]
          .as_array()[1]["properties"]["lightgbm"]["properties"]["rounds"];
  EXPECT_EQ(rounds.dump(), R"({"type":"integer","minimum":1,"maximum":100000,"description":"Trees."})");
}

}  // namespace
}  // namespace trimtab::project
