// Incidents, audit, the clock, apply, profiles and scoring.
#include <gtest/gtest.h>

#include "api/served_project.h"
#include "heal/incident.h"

namespace trimtab::api {
namespace {

TEST(OperationRoutes, IncidentsAreListedForAllOrForOneEndpoint) {
  ServedProject world;
  EXPECT_EQ(world.get("/api/v1/incidents").text, R"({"incidents":[]})");
  ASSERT_TRUE(world.home().database().write([](store::Connection& connection) -> Status {
    TRY(heal::open_incident(connection, "late", "it got worse", kStart));
    return {};
  }));
  EXPECT_EQ(world.get("/api/v1/incidents?endpoint=other").text, R"({"incidents":[]})");
  const Json incident = world.get("/api/v1/incidents?endpoint=late").body["incidents"].as_array().at(0);
  EXPECT_EQ(incident.text_or("summary"), "it got worse");
  EXPECT_EQ(incident.text_or("opened_at"), "2013-04-01T00:00:00Z");
  EXPECT_EQ(world.get("/api/v1/incidents?endpoint=%zz").status, 400);
}

TEST(OperationRoutes, TheAuditTellsTheNewestFirst) {
  ServedProject world;
  const Json audit = world.get("/api/v1/audit").body["audit"];
  EXPECT_EQ(audit.as_array().at(0).text_or("action"), "endpoint.promote");
  EXPECT_EQ(audit.as_array().at(0)["detail"]["to"].dump(), "2");
  EXPECT_EQ(audit.as_array().back()["sequence"].dump(), "1");
}

TEST(OperationRoutes, AManualClockIsMovedAndNeverBack) {
  ServedProject world;
  EXPECT_EQ(world.post("/api/v1/clock", R"({"to":"2013-04-02"})").text, R"({"now":"2013-04-02T00:00:00Z"})");
  EXPECT_EQ(world.post("/api/v1/clock", R"({"to":"2013-04-01"})").text, R"({"now":"2013-04-02T00:00:00Z"})");
  EXPECT_EQ(world.post("/api/v1/clock", R"({"to":"soon"})").refusal(),
            R"(invalid: 'to' is no time: "soon" (send {"to":"2013-04-01T05:00:00Z"}))");
  EXPECT_EQ(world.post("/api/v1/clock", "").status, 400);
}

TEST(OperationRoutes, ASystemClockCannotBeMoved) {
  ServedProject world(false);
  EXPECT_EQ(world.post("/api/v1/clock", R"({"to":"2013-04-02"})").status, 401);
  EXPECT_EQ(world.order("/api/v1/clock", R"({"to":"2013-04-02"})").refusal(),
            "invalid: this server's clock cannot be moved (start it with --clock manual)");
}

TEST(OperationRoutes, ApplyTakesATimeOrNone) {
  ServedProject world;
  EXPECT_EQ(world.post("/api/v1/apply", "").text, R"({"as_of":null,"actor":"cli"})");
  EXPECT_EQ(world.post("/api/v1/apply", R"({"as_of":"2013-03-01"})").text,
            R"({"as_of":"2013-03-01T00:00:00Z","actor":"cli"})");
  EXPECT_EQ(world.post("/api/v1/apply", R"({"as_of":"soon"})").status, 400);
  EXPECT_EQ(world.post("/api/v1/apply", "{").status, 400);
}

TEST(OperationRoutes, ApplyIsForTheProjectThatIsServed) {
  ServedProject world;
  EXPECT_EQ(world.post("/api/v1/apply", R"({"project":"p"})").status, 200);
  EXPECT_EQ(world.post("/api/v1/apply", R"({"project":"other"})").refusal(),
            "conflict: the server of this home serves project 'p', not 'other' (stop it, or use --home with "
            "another folder)");
}

TEST(OperationRoutes, APlanIsMadeOfTheTextThatIsSent) {
  ServedProject world;
  EXPECT_EQ(world.post("/api/v1/plan", R"({"text":"x"})").status, 401);
  EXPECT_EQ(world.order("/api/v1/plan", R"({"text":"x","only_check":true})").text,
            R"({"file":"trimtab.yaml","only_check":true})");
  EXPECT_EQ(world.order("/api/v1/plan", R"({"text":"x","as_of":"soon"})").status, 400);
  EXPECT_EQ(world.order("/api/v1/plan", "{}").status, 400);
}

TEST(OperationRoutes, AProfileIsAskedForByName) {
  ServedProject world;
  EXPECT_EQ(world.get("/api/v1/tables/t/profile").text, R"({"name":"t"})");
}

TEST(OperationRoutes, AScoringKitNeedsTheTokenAndASourceThatHasBeenRead) {
  ServedProject world;
  EXPECT_EQ(world.get("/api/v1/scoring/late").status, 401);
  const std::string token = world.home().token();
  EXPECT_EQ(
      world.send("GET", "/api/v1/scoring/late", "", token).refusal(),
      "not_found: the source 'rows' has not been read since its declaration changed (run `trimtab apply`)");
  EXPECT_EQ(world.send("GET", "/api/v1/scoring/lat", "", token).refusal(),
            "not_found: there is no endpoint and no model 'lat' (did you mean 'late'?)");
  EXPECT_EQ(world.send("GET", "/api/v1/scoring/late@x", "", token).refusal(),
            "invalid: 'x' is no version (a version is a whole number, as in late@3)");
}

}  // namespace
}  // namespace trimtab::api
