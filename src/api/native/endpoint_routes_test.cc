// Endpoints as the native API shows them, their labels, and a person's rollback.
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

#include "api/served_project.h"
#include "heal/incident.h"
#include "registry/endpoints.h"
#include "serve/prediction_log.h"
#include "store/audit.h"

namespace trimtab::api {
namespace {

constexpr const char* kRollback = "/api/v1/endpoints/late/rollback";
constexpr const char* kLabels = "/api/v1/endpoints/late/labels";

TEST(EndpointRoutes, TheListAndTheOneSayWhoServes) {
  ServedProject world;
  const Answered list = world.get("/api/v1/endpoints");
  EXPECT_EQ(list.body["endpoints"].as_array().at(0)["champion"].dump(), "2");
  world.post("/endpoints/late/invocations", R"({"instances":[{"x":1},{"x":2}]})");
  const Answered one = world.get("/api/v1/endpoints/late");
  EXPECT_EQ(one.body.text_or("health"), "healthy");
  EXPECT_EQ(one.body["previous"].dump(), "1");
  EXPECT_EQ(one.body["loaded_versions"].dump(), "[2,1]");
  EXPECT_EQ(one.body["traffic"]["requests"].dump(), "1");
  EXPECT_EQ(one.body["traffic"]["rows"].dump(), "2");
  EXPECT_EQ(one.body["performance"].dump(), "[]");
  EXPECT_EQ(world.get("/api/v1/endpoints/lat").refusal(),
            "not_found: no endpoint is called 'lat' (did you mean 'late'?)");
}

TEST(EndpointRoutes, TheContractAtTheDoorIsShown) {
  ServedProject world(true, "  mended: {model: m, contract: repair}\n");
  EXPECT_EQ(world.get("/api/v1/endpoints/late").body["contract"].dump(), R"({"mode":"refuse"})");
  const heal::Ward& ward = *world.rooms().wards.at(1);
  EXPECT_EQ(ward.endpoint().door()->view().dump(),
            R"({"mode":"repair","reference_rows":0,"judges":false,"findings":[]})");
}

TEST(EndpointRoutes, TheSchemaSaysWhatARequestMayHold) {
  ServedProject world;
  EXPECT_EQ(world.get("/api/v1/endpoints/late/schema").text,
            R"({"columns":[{"name":"x","type":"real","required":true},)"
            R"({"name":"at","type":"time","required":false}]})");
}

TEST(EndpointRoutes, LabelsAreAcceptedRepeatedAndRevised) {
  ServedProject world;
  EXPECT_EQ(world.post(kLabels, R"({"labels":[{"id":"a","label":1},{"id":"b","label":0}]})").text,
            R"({"accepted":2,"repeated":0,"revised":0})");
  EXPECT_EQ(world.post(kLabels, R"({"labels":[{"id":"a","label":1},{"id":"b","label":1}]})").text,
            R"({"accepted":0,"repeated":1,"revised":1})");
}

TEST(EndpointRoutes, LabelsThatMakeNoSenseAreRefused) {
  ServedProject world;
  EXPECT_EQ(world.post(kLabels, "{").status, 400);
  EXPECT_EQ(world.post(kLabels, "{}").body["error"].text_or("message"), "the body has no list 'labels'");
  EXPECT_EQ(world.post(kLabels, R"({"labels":[{"id":"a","label":7}]})").status, 400);
  EXPECT_EQ(world.post("/api/v1/endpoints/lat/labels", R"({"labels":[]})").refusal(),
            "not_found: there is no endpoint 'lat' (did you mean 'late'?)");
}

TEST(EndpointRoutes, ASystemClockWantsTheTokenForLabels) {
  ServedProject world(false);
  EXPECT_EQ(world.post(kLabels, R"({"labels":[]})").status, 401);
  EXPECT_EQ(world.order(kLabels, R"({"labels":[]})").status, 200);
}

TEST(EndpointRoutes, ARollbackAnswersWithTheOldVersionAtOnce) {
  ServedProject world;
  const Answered answer = world.order(kRollback, R"({"reason":"complaints"})");
  EXPECT_EQ(answer.status, 200) << answer.text;
  EXPECT_EQ(answer.body.text_or("text"), "endpoint late: version 1 serves now in place of version 2\n");
  EXPECT_EQ(
      world.post("/endpoints/late/invocations", R"({"instances":[{"x":1}]})").body["predictions"].dump(),
      "[0.25]");
  const Json audit = world.get("/api/v1/audit").body["audit"].as_array().at(0);
  EXPECT_EQ(audit.text_or("action"), "endpoint.roll_back");
  EXPECT_EQ(audit["detail"].dump(), R"({"model":"m","from":2,"to":1,"why":"complaints"})");
  // Nothing scores along any more: the version that was taken back is not on probation.
  EXPECT_EQ(world.get("/api/v1/endpoints/late").body["loaded_versions"].dump(), "[1]");
}

TEST(EndpointRoutes, ARollbackToWhatServesChangesNothing) {
  ServedProject world;
  const Answered answer = world.order(kRollback, R"({"to":2})");
  EXPECT_EQ(answer.body.text_or("text"), "endpoint late: version 2 serves already; nothing was changed\n");
  EXPECT_FALSE(answer.body.bool_or("changed"));
}

TEST(EndpointRoutes, ARollbackIsRefusedInWords) {
  ServedProject world;
  EXPECT_EQ(world.post(kRollback, "{}").status, 401);
  EXPECT_EQ(
      world.order(kRollback, R"({"to":3})").refusal(),
      "conflict: version 3 of model 'm' may not serve: its gates refused it (the endpoint 'late' goes on as "
      "before; train a version that passes)");
  EXPECT_EQ(world.order(kRollback, R"({"to":9})").refusal(),
            "not_found: model 'm' has no version 9 (its newest is version 3)");
  EXPECT_EQ(world.order(kRollback, R"({"to":"one"})").refusal(),
            R"(invalid: 'to' is no version: "one" (send {"to":3,"reason":"why"}))");
  EXPECT_EQ(world.order("/api/v1/endpoints/lat/rollback", "").status, 404);
  ASSERT_EQ(world.order(kRollback, "").status, 200);
  EXPECT_EQ(
      world.order(kRollback, "").refusal(),
      "not_found: the endpoint 'late' served no version before version 1 (name the version to go back to "
      "with --to)");
}

TEST(EndpointRoutes, ARollbackToAVersionThatDoesNotLoadChangesNothing) {
  ServedProject world;
  const std::filesystem::path file = world.home().blobs().path(*world.home().blobs().put("0.25"));
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  std::ofstream(file) << "0.26";
  const Answered answer = world.order(kRollback, R"({"to":1})");
  EXPECT_EQ(answer.status, 503);
  EXPECT_TRUE(answer.body["error"].text_or("message").starts_with(
      "version 1 of endpoint 'late' does not load; nothing was changed: "))
      << answer.text;
  const Json one = world.get("/api/v1/endpoints/late").body;
  EXPECT_EQ(one["champion"].dump(), "2");
  EXPECT_EQ(one.text_or("health"), "healthy");
}

// Damaged while it serves, and then started again: the version before it answers, and that is said.
TEST(EndpointRoutes, AChampionThatDoesNotLoadNeedsAttention) {
  ServedProject world;
  const std::filesystem::path file = world.home().blobs().path(*world.home().blobs().put("0.75"));
  ASSERT_EQ(world.order(kRollback, R"({"to":1})").status, 200);
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  std::ofstream(file) << "0.76";
  ASSERT_TRUE(world.home().database().write([&](store::Connection& connection) -> Status {
    return TRY(registry::roll_back_within(connection, "late", 2, world.clock().now(), "anna", "")), Status();
  }));
  EXPECT_FALSE(world.ward().redeploy());
  const Json one = world.get("/api/v1/endpoints/late").body;
  EXPECT_EQ(one.text_or("health"), "needs_attention");
  const Json listed = world.get("/api/v1/endpoints").body["endpoints"].as_array().at(0);
  EXPECT_EQ(listed.text_or("health"), "needs_attention");
  EXPECT_EQ(listed["loaded_versions"].dump(), "[1]");
  EXPECT_EQ(listed["do_not_load"].as_array().at(0)["version"].dump(), "2");
}

TEST(EndpointRoutes, ARollbackEndsWhatHealingHadBegun) {
  ServedProject world;
  const Json treatment = Json::object({{"treatment", "retrain"}, {"available_at", kStart + base::kDayUs}});
  ASSERT_TRUE(world.home().database().write([&](store::Connection& connection) -> Status {
    const std::int64_t incident = TRY(heal::open_incident(connection, "late", "it got worse", kStart));
    return heal::append_event(connection, incident, "treatment", treatment, kStart);
  }));
  EXPECT_EQ(world.order(kRollback, "").body.text_or("text"),
            "endpoint late: version 1 serves now in place of version 2\n"
            "incident #1 is closed: what healing had begun ends here\n");
  const Json incident = world.get("/api/v1/incidents").body["incidents"].as_array().at(0);
  EXPECT_EQ(incident.text_or("state"), "closed");
  EXPECT_EQ(incident["events"].as_array().at(1)["detail"].text_or("result"), "superseded");
  // The training that was due tomorrow does not happen.
  EXPECT_EQ(world.post("/api/v1/clock", R"({"to":"2013-04-03"})").status, 200);
  EXPECT_EQ(world.get("/api/v1/endpoints/late").body["champion"].dump(), "1");
}

TEST(EndpointRoutes, WhatWasAskedBeforeTheClockMovedIsInTheLogWhenItHas) {
  ServedProject world;
  ASSERT_EQ(world.post("/endpoints/late/invocations", R"({"instances":[{"x":1}]})").status, 200);
  ASSERT_EQ(world.post("/api/v1/clock", R"({"to":"2013-04-03"})").status, 200);
  // As a process sees it that comes after a crash of this one.
  const auto log = serve::PredictionLog::open(world.home().log_folder() / "late");
  ASSERT_TRUE(log) << base::render(log.error());
  int rows = 0;
  ASSERT_TRUE((*log)->read(0, [&rows](const model::Prediction&) { ++rows; }));
  EXPECT_EQ(rows, 1);
}

}  // namespace
}  // namespace trimtab::api
