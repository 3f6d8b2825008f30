#include "heal/incident.h"

#include <gtest/gtest.h>

#include "store/home.h"
#include "store/scratch_folder.h"

namespace trimtab::heal {
namespace {

const base::ManualClock kClock(1'000'000);

class IncidentTest : public testing::Test {
 protected:
  std::int64_t open(const std::string& endpoint, const std::string& summary, TimeUs now = 5) {
    std::int64_t id = 0;
    EXPECT_TRUE(home_->database().write([&](store::Connection& connection) -> Status {
      id = TRY(open_incident(connection, endpoint, summary, now));
      return append_event(connection, id, "detected", Json::object({{"batch", "b"}}), now);
    }));
    return id;
  }
  void append(std::int64_t incident, const std::string& kind, TimeUs now,
              const Json& detail = Json::object()) {
    EXPECT_TRUE(home_->database().write([&](store::Connection& connection) {
      return append_event(connection, incident, kind, detail, now);
    }));
  }
  std::vector<Incident> list(const std::string& endpoint = "", bool open_only = false) {
    std::vector<Incident> found;
    EXPECT_TRUE(home_->database().read([&](store::Connection& connection) -> Status {
      found = TRY(list_incidents(connection, endpoint, open_only));
      return {};
    }));
    return found;
  }

  store::ScratchFolder scratch_;
  std::unique_ptr<store::Home> home_ = store::Home::open(scratch_ / "home", kClock).value();
};

TEST_F(IncidentTest, TheStateFollowsTheJournal) {
  const std::int64_t id = open("late", "something has changed");
  EXPECT_EQ(list()[0].state, "detected");
  append(id, "verdict", 6);
  EXPECT_EQ(list()[0].state, "diagnosed");
  append(id, "treatment", 7);
  EXPECT_EQ(list()[0].state, "treated");
  append(id, "outcome", 8);
  EXPECT_EQ(list()[0].state, "treated") << "what came of it does not say that it helped";
  append(id, "verified", 9);
  EXPECT_EQ(list()[0].state, "verified");
  EXPECT_FALSE(list()[0].closed_at);
  append(id, "closed", 10);
  EXPECT_EQ(list()[0].state, "closed");
  EXPECT_EQ(list()[0].closed_at, 10);
}

TEST_F(IncidentTest, ATreatmentIsUnfinishedUntilItHasAnOutcome) {
  const std::int64_t id = open("late", "s");
  EXPECT_EQ(list()[0].unfinished_treatment(), nullptr);
  append(id, "treatment", 7, Json::object({{"key", "late/1"}}));
  const Incident begun = list()[0];
  ASSERT_NE(begun.unfinished_treatment(), nullptr);
  EXPECT_EQ(begun.unfinished_treatment()->detail.text_or("key"), "late/1");
  append(id, "outcome", 8);
  EXPECT_EQ(list()[0].unfinished_treatment(), nullptr);
}

TEST_F(IncidentTest, AreListedNewestFirstByEndpoint) {
  const std::int64_t first = open("late", "one");
  open("fraud", "two");
  open("late", "three");
  append(first, "closed", 9);
  const std::vector<Incident> all = list();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].summary, "three");
  EXPECT_EQ(all[2].summary, "one");
  EXPECT_EQ(list("late").size(), 2u);
  ASSERT_EQ(list("late", true).size(), 1u);
  EXPECT_EQ(list("late", true)[0].summary, "three");
}

TEST_F(IncidentTest, IsShownWithItsEventsInOrder) {
  const std::int64_t id = open("late", "s", 0);
  append(id, "closed", base::kSecondUs, Json::object({{"health", "healthy"}}));
  EXPECT_EQ(list()[0].to_json().dump(),
            R"({"id":1,"endpoint":"late","state":"closed","summary":"s","opened_at":"1970-01-01T00:00:00Z",)"
            R"("closed_at":"1970-01-01T00:00:01Z","events":[)"
            R"({"time":"1970-01-01T00:00:00Z","kind":"detected","detail":{"batch":"b"}},)"
            R"({"time":"1970-01-01T00:00:01Z","kind":"closed","detail":{"health":"healthy"}}]})");
}

}  // namespace
}  // namespace trimtab::heal
