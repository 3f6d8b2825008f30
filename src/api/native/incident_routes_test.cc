// Incidents one by one, and what a person says to a plan.
#include <gtest/gtest.h>

#include "api/served_project.h"
#include "heal/incident.h"

namespace trimtab::api {
namespace {

// An incident of the endpoint with a plan to go back to version 1; champion is version 2.
std::int64_t propose(ServedProject& world) {
  std::int64_t incident = 0;
  const Json plan =
      Json::object({{"treatment", "roll_back"}, {"champion", 2}, {"back_to", 1}, {"as_of", kStart}});
  EXPECT_TRUE(world.home().database().write([&](store::Connection& connection) -> Status {
    incident = TRY(heal::open_incident(connection, "late", "it got worse", kStart));
    return heal::append_event(connection, incident, "plan", plan, kStart);
  }));
  return incident;
}

TEST(IncidentRoutes, OneIsShownWithTheNumberOfItsPlan) {
  ServedProject world;
  propose(world);
  const Json incident = world.get("/api/v1/incidents/1").body;
  EXPECT_EQ(incident.text_or("state"), "waiting");
  EXPECT_EQ(incident["events"].as_array().at(0)["plan"].dump(), "1");
  EXPECT_EQ(world.get("/api/v1/incidents/7").refusal(),
            "not_found: there is no incident 7 (`trimtab incidents` lists them)");
  EXPECT_EQ(world.get("/api/v1/incidents/one").refusal(),
            "not_found: there is no incident 'one' (`trimtab incidents` lists them)");
}

TEST(IncidentRoutes, WhatIsApprovedIsCarriedOut) {
  ServedProject world;
  propose(world);
  EXPECT_EQ(world.order("/api/v1/incidents/1/approve", R"({"plan":"all"})").refusal(),
            R"(invalid: 'plan' is no number: "all" (send {"plan":3,"reason":"why"}))");
  EXPECT_EQ(world.order("/api/v1/incidents/1/approve", R"({"plan":1,"reason":"yes"})").body.text_or("text"),
            "incident 1, endpoint late: roll_back is approved; the server carries it out\n");
  EXPECT_EQ(world.post("/api/v1/clock", R"({"to":"2013-04-02"})").status, 200);
  EXPECT_EQ(world.get("/api/v1/endpoints/late").body["champion"].dump(), "1");
  const Answered again = world.order("/api/v1/incidents/1/approve", "");
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(
      again.refusal(),
      "conflict: nothing of incident 1 waits for approval: it is closed (`trimtab incidents 1` shows its "
      "journal)");
}

TEST(IncidentRoutes, WhatIsRejectedIsNot) {
  ServedProject world;
  propose(world);
  EXPECT_EQ(world.order("/api/v1/incidents/1/reject", R"({"reason":"no"})").body.text_or("decision"),
            "rejected");
  EXPECT_EQ(world.post("/api/v1/clock", R"({"to":"2013-04-02"})").status, 200);
  EXPECT_EQ(world.get("/api/v1/endpoints/late").body["champion"].dump(), "2");
  EXPECT_EQ(world.order("/api/v1/incidents/7/reject", "").status, 404);
}

TEST(IncidentRoutes, NobodyDecidesWithoutTheToken) {
  ServedProject world;
  propose(world);
  EXPECT_EQ(world.post("/api/v1/incidents/1/approve", "{}").status, 401);
}

}  // namespace
}  // namespace trimtab::api
