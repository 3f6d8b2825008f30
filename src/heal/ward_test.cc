#include "heal/ward.h"

#include <future>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/hash.h"
#include "heal/rounds.h"
#include "project/load.h"
#include "project/sample_project.h"
#include "registry/endpoints.h"
#include "registry/record.h"
#include "store/scratch_folder.h"

namespace trimtab::heal {
namespace {

constexpr TimeUs kDay = base::kDayUs;

// A version that answers one number to everything.
model::Artifact artifact(const std::string& answer) {
  model::Artifact made;
  made.recipe.request = table::Schema({{"x", table::ColumnType::real}});
  made.recipe.time_column = "at";
  made.recipe.stages = {table::SelectStage{{"x"}}};
  made.recipe.features = {{"x", table::ColumnType::real, {}}};
  made.learner = "baseline";
  made.model_text = answer;
  return made;
}

std::string body(const std::string& id, const std::string& time = "1970-01-02T01:00:00Z", int x = 1) {
  return R"({"instances":[{"prediction_id":")" + id + R"(","at":")" + time + R"(","x":)" + std::to_string(x) +
         "}]}";
}

class WardTest : public testing::Test {
 protected:
  void register_version(const std::string& answer) {
    registry::NewVersion version;
    version.project = "p";
    version.model = "m";
    version.step_key = answer;
    version.gates_passed = true;
    for (const auto& [name, bytes] : artifact(answer).to_files()) {
      version.files[name] = {home_->blobs().put(bytes).value(), bytes.size()};
    }
    ASSERT_TRUE(registry::register_version(*home_, clock_, version));
  }
  void serve_version(std::int64_t version) {
    ASSERT_TRUE(registry::declare_endpoint(*home_, clock_, "p", "e", "m"));
    ASSERT_TRUE(registry::change_champion(*home_, clock_, "e", version, "apply", "endpoint.promote", "t"));
  }
  void open() {
    ward_.reset();
    Result<std::unique_ptr<Ward>> ward =
        Ward::open(project_, project_.endpoints.front(), PolicyOptions(), *home_, *engine_, lookups_, clock_);
    ASSERT_TRUE(ward) << base::render(ward.error());
    ward_ = std::move(*ward);
  }
  Result<std::string> predict(const std::string& text) { return ward_->endpoint().predict({.body = text}); }
  watch::LabelReport label(const std::vector<watch::Label>& labels) {
    std::promise<watch::LabelReport> report;
    ward_->add_labels(labels, [&](Result<watch::LabelReport> done) { report.set_value(done.value()); });
    return report.get_future().get();
  }

  base::ManualClock clock_{2 * kDay};
  store::ScratchFolder scratch_;
  std::unique_ptr<store::Home> home_ = store::Home::open(scratch_ / "home", clock_).value();
  std::unique_ptr<table::Engine> engine_ = table::Engine::open({}).value();
  serve::Lookups lookups_{*engine_, [](const std::string&) { return std::vector<std::filesystem::path>(); }};
  project::Project project_ = project::parse(project::kSampleProject, "p.yaml", "/nowhere").value();
  std::unique_ptr<Ward> ward_;
};

TEST_F(WardTest, ADeclaredEndpointWithoutAVersionIsOpenAndBusy) {
  open();
  EXPECT_EQ(predict(body("p1")).error().code, ErrorCode::busy);
  EXPECT_TRUE(ward_->redeploy());
}

TEST_F(WardTest, WhatWasAnsweredAndLabelledIsThereAfterARestart) {
  register_version("0.25");
  serve_version(1);
  open();
  ASSERT_TRUE(predict(body("p1")));
  ASSERT_TRUE(predict(body("p2")));
  label({{"p1", 1, clock_.now()}});
  open();
  label({{"p2", 0, clock_.now()}});
  const std::vector<watch::LabelledBatch> closed = ward_->batches().close(clock_.now());
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].ids, (std::vector<std::string>{"p1", "p2"}));
  EXPECT_EQ(closed[0].truth, (std::vector<double>{1, 0}));
  EXPECT_EQ(closed[0].served, (std::vector<double>{0.25, 0.25}));
}

TEST_F(WardTest, WhatHappensWhileThePastIsReadIsThereInTheEnd) {
  register_version("0.25");
  serve_version(1);
  open();
  constexpr int kRequests = 300, kRows = 500;
  for (int request = 0; request < kRequests; ++request) {
    std::string rows = R"({"dataframe_split":{"columns":["at","x"],"data":[)";
    for (int row = 0; row < kRows; ++row) rows += R"(["1970-01-02T01:00:00Z",1],)";
    rows.back() = ']';
    ASSERT_TRUE(predict(rows + "}}"));
  }
  ASSERT_TRUE(predict(body("p1")));
  open();
  // At once: most of the log is still to be read.
  const std::string answer = predict(body("p2")).value();
  label({{"p1", 1, clock_.now()}, {"p2", 0, clock_.now()}});
  EXPECT_EQ(predict(body("p2")).value(), answer);
  EXPECT_EQ(predict(body("p1", "1970-01-02T01:00:00Z", 2)).error().code, ErrorCode::conflict)
      << "ids are known from the first request on";
  const std::vector<watch::LabelledBatch> closed = ward_->batches().close(clock_.now());
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].predictions, kRequests * kRows + 2);
  EXPECT_EQ(closed[0].ids, (std::vector<std::string>{"p1", "p2"}));
  EXPECT_EQ(closed[0].truth, (std::vector<double>{1, 0}));
}

// Everything that a home's files hold.
std::string bytes_below(const std::filesystem::path& folder) {
  std::string bytes;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += base::read_file(entry.path()).value();
  }
  return bytes;
}

TEST_F(WardTest, WhatIsPrivateIsInNoByteOfTheHome) {
  project_.endpoints.front().log.privacy = {{"x", {}, project::PrivateColumn::How::hash, 0},
                                            {"at", {}, project::PrivateColumn::How::day, 0}};
  register_version("0.25");
  serve_version(1);
  open();
  constexpr int kSecret = 123456789;
  const std::string time = "1970-01-02T01:23:45Z";
  const std::string answer = predict(body("p1", time, kSecret)).value();
  ASSERT_TRUE(ward_->log().flush());
  EXPECT_EQ(predict(body("p1", time, kSecret)).value(), answer);
  open();
  EXPECT_EQ(predict(body("p1", time, kSecret)).value(), answer) << "an id is known again after a restart";
  EXPECT_EQ(predict(body("p1", time, kSecret + 1)).error().code, ErrorCode::conflict);
  ward_.reset();
  const std::string bytes = bytes_below(scratch_ / "home" / "log");
  EXPECT_NE(bytes.find("p1"), std::string::npos);
  EXPECT_EQ(bytes.find("123456789"), std::string::npos);
  EXPECT_EQ(bytes.find("01:23:45"), std::string::npos);
  const double feature = kSecret;
  EXPECT_EQ(bytes.find(std::string_view(reinterpret_cast<const char*>(&feature), sizeof feature)),
            std::string::npos)
      << "nor is the feature that it makes";
  EXPECT_TRUE(std::filesystem::exists(scratch_ / "home" / "privacy_key"));
}

TEST_F(WardTest, WhatTheDoorIsUsedToIsThereAfterARestart) {
  project_.endpoints.front().contract = project::Contract::repair;
  register_version("0.25");
  serve_version(1);
  open();
  const auto ask = [this](const std::string& name, const std::string& unit, int times) {
    std::string rows;
    for (int i = 0; i < 400; ++i) {
      const int x = times * (1000 + (i * 7919 + static_cast<int>(name.size()) * 31) % 997);
      rows += (i > 0 ? "," : "") + (R"({"prediction_id":")" + name) + std::to_string(i) +
              R"(","at":"1970-01-02T01:00:00Z","x":)" + unit + std::to_string(x) + unit + "}";
    }
    return predict(R"({"instances":[)" + rows + "]}").value();
  };
  for (const char* name : {"a", "bb", "ccc", "dddd", "eeeee"}) ask(name, "", 1);
  EXPECT_NE(ask("text", "\"", 1).find(R"("repaired":[0,1,)"), std::string::npos);
  ASSERT_TRUE(ward_->log().flush());
  open();
  EXPECT_EQ(ward_->endpoint().door()->view()["reference_rows"].dump(), "2000")
      << "repaired rows are not what is usual";
  const std::string reply = ask("thousand", "", 1000);
  EXPECT_EQ(ward_->endpoint().door()->view()["findings"].as_array().at(0).text_or("what"), "unit: x / 1000");
  EXPECT_EQ(ask("thousand", "", 1000), reply) << "an id is known again";
}

TEST_F(WardTest, APrivateColumnThatNoRequestHasKeepsTheEndpointFromOpening) {
  project_.endpoints.front().log.privacy = {{"xx", {}, project::PrivateColumn::How::drop, 0}};
  register_version("0.25");
  serve_version(1);
  const Result<std::unique_ptr<Ward>> ward =
      Ward::open(project_, project_.endpoints.front(), PolicyOptions(), *home_, *engine_, lookups_, clock_);
  ASSERT_FALSE(ward);
  EXPECT_NE(base::render(ward.error()).find("'privacy' names the column 'xx', which no request has"),
            std::string::npos);
}

TEST_F(WardTest, WhoSendsEverythingAgainAfterAKillChangesNothing) {
  register_version("0.25");
  serve_version(1);
  open();
  const std::string answer = predict(body("p1")).value();
  label({{"p1", 1, clock_.now()}});
  open();
  EXPECT_EQ(predict(body("p1")).value(), answer);
  EXPECT_EQ(predict(body("p1", "1970-01-02T01:00:00Z", 2)).error().code, ErrorCode::conflict);
  const watch::LabelReport report = label({{"p1", 1, clock_.now()}});
  EXPECT_EQ(report.repeated, 1);
  EXPECT_EQ(report.accepted, 0);
  EXPECT_EQ(ward_->log().rows(), 1);
  EXPECT_EQ(ward_->batches().close(clock_.now()).at(0).rows(), 1);
}

TEST_F(WardTest, ABatchThatWasDecidedOnComesBackAsItWas) {
  register_version("0.25");
  serve_version(1);
  open();
  ASSERT_TRUE(predict(body("p1")));
  label({{"p1", 1, clock_.now()}});
  Rounds rounds(*home_, clock_, {}, 0);
  const watch::LabelledBatch* batch = ward_->batches().undecided(clock_.now());
  ASSERT_NE(batch, nullptr);
  ASSERT_TRUE(rounds.journal(*ward_, *batch, rounds.measure(*ward_, *batch), rounds.weigh(*ward_, *batch)));
  ward_->batches().decided();
  clock_.advance_to(3 * kDay);
  EXPECT_EQ(label({{"p1", 0, clock_.now()}}).revised, 1);
  open();
  ASSERT_EQ(ward_->policy().recent.size(), 1u);
  EXPECT_EQ(ward_->policy().recent[0].truth, std::vector<double>{1});
  EXPECT_EQ(ward_->policy().batches_since_promotion, 1);
  EXPECT_EQ(ward_->batches().undecided(clock_.now()), nullptr) << "a batch is decided on once";
}

TEST_F(WardTest, AChampionPutThereByHandIsDeployedWithACleanSheet) {
  register_version("0.25");
  register_version("0.75");
  serve_version(1);
  open();
  ward_->policy().failed_heals = 2;
  serve_version(2);
  ASSERT_TRUE(ward_->redeploy());
  EXPECT_NE(predict(body("p1")).value().find("[0.75]"), std::string::npos);
  EXPECT_EQ(ward_->policy().failed_heals, 0);
  EXPECT_EQ(ward_->policy().served_version, 2);
  ASSERT_EQ(ward_->endpoint().running().size(), 2u);
  EXPECT_EQ(ward_->endpoint().running()[1].role, model::Role::previous);
}

TEST_F(WardTest, AVersionWhoseFilesAreDamagedIsNamed) {
  register_version("0.25");
  serve_version(1);
  const std::string manifest = registry::find_version(*home_, "m", 1).value().manifest_sha256;
  ASSERT_TRUE(home_->blobs().remove(manifest));
  const Result<std::unique_ptr<Ward>> ward =
      Ward::open(project_, project_.endpoints.front(), PolicyOptions(), *home_, *engine_, lookups_, clock_);
  ASSERT_FALSE(ward);
  EXPECT_EQ(ward.error().message, "version 1 of endpoint 'e' does not load");
}

TEST_F(WardTest, TheRecordSaysWhoAnswersAShare) {
  register_version("0.25");
  register_version("0.75");
  serve_version(1);
  ASSERT_TRUE(registry::change_challenger(*home_, clock_, "e", 2, "heal", "new"));
  open();
  using Versions = std::vector<serve::VersionPlan>;
  EXPECT_EQ(ward_->endpoint().running(), (Versions{{1, model::Role::served}, {2, model::Role::shadow}}));
  ASSERT_TRUE(registry::change_challenger_share(*home_, clock_, "e", 2, 0.25, "heal", "step"));
  ASSERT_TRUE(ward_->redeploy());
  const Versions canary{{1, model::Role::served}, {2, model::Role::canary, 0.25}};
  EXPECT_EQ(ward_->endpoint().running(), canary);
  open();
  EXPECT_EQ(ward_->endpoint().running(), canary) << "after a restart, too";
  ASSERT_TRUE(predict(body("p1")));
  ward_->batches();
  EXPECT_EQ(ward_->log().rows(), 1) << "whoever asks for batches has all that was answered";
  ASSERT_TRUE(registry::change_champion(*home_, clock_, "e", 2, "heal", "endpoint.promote", "t"));
  ASSERT_TRUE(ward_->redeploy());
  EXPECT_EQ(ward_->endpoint().running(), (Versions{{2, model::Role::served}, {1, model::Role::previous}}));
}

TEST_F(WardTest, AtTheStartTheVersionBeforeAnswersForAChampionThatDoesNotLoad) {
  register_version("0.25");
  register_version("no number");
  serve_version(1);
  ASSERT_TRUE(registry::change_champion(*home_, clock_, "e", 2, "heal", "endpoint.promote", "t"));
  open();
  EXPECT_EQ(ward_->endpoint().running(), (std::vector<serve::VersionPlan>{{1, model::Role::served}}));
  EXPECT_TRUE(predict(body("p1")));
  // Long after it has proved itself, too.
  ASSERT_TRUE(registry::forget_previous(*home_, clock_, "e"));
  open();
  EXPECT_EQ(ward_->endpoint().running(), (std::vector<serve::VersionPlan>{{1, model::Role::served}}));
  EXPECT_EQ(ward_->endpoint().failures().at(0).version, 2);
}

}  // namespace
}  // namespace trimtab::heal
