#include "registry/endpoints.h"

#include "registry/record_world_test.h"

namespace trimtab::registry {
namespace {

class EndpointsTest : public RecordWorld {
 protected:
  EndpointFacts late() { return find_endpoint(*home_, "late").value(); }
  Words aliases() { return query("SELECT alias, version FROM model_alias ORDER BY alias"); }
  // Action and the versions from and to, newest last.
  Words history() {
    return query(
        "SELECT action, json_extract(detail, '$.from'), json_extract(detail, '$.to') FROM audit "
        "WHERE object = 'endpoint/late' ORDER BY sequence");
  }
};

TEST_F(EndpointsTest, AnEndpointIsDeclaredOnceAndServesNothingAtFirst) {
  EXPECT_EQ(said(declare_endpoint(*home_, clock_, "flights", "late", "late")),
            "error: endpoint 'late' cannot serve model 'late': it has no version yet\n"
            "   hint: `trimtab apply` trains the first one");
  enlist("first");
  ASSERT_TRUE(declare_endpoint(*home_, clock_, "flights", "late", "late"));
  ASSERT_TRUE(declare_endpoint(*home_, clock_, "flights", "late", "late"));
  EXPECT_EQ(history(), Words{"endpoint.declare|-|-"});
  EXPECT_EQ(late().to_json().dump(),
            R"({"name":"late","project":"flights","model":"late","champion":null,"challenger":null,)"
            R"("previous":null,"health":"healthy","changed_at":"2013-01-01T00:26:40Z"})");
}

TEST_F(EndpointsTest, ANameOfAnotherProjectIsTaken) {
  open_endpoint();
  const Status taken = declare_endpoint(*home_, clock_, "trains", "late", "late");
  EXPECT_EQ(said(taken),
            "error: the endpoint name 'late' belongs to project 'flights'\n   hint: rename one of them");
  EXPECT_EQ(taken.error().code, ErrorCode::name_taken);
}

TEST_F(EndpointsTest, AnUnknownNameIsAnsweredWithTheNearestOne) {
  open_endpoint();
  EXPECT_EQ(said(find_endpoint(*home_, "lete")),
            "error: no endpoint is called 'lete'\n   hint: did you mean 'late'?");
  EXPECT_EQ(said(find_endpoint(*home_, "revenue")),
            "error: no endpoint is called 'revenue'\n   hint: declare it under `endpoints:` and run `trimtab "
            "apply`");
}

TEST_F(EndpointsTest, AChampionChangesWithItsAliasAndItsAuditRow) {
  open_endpoint();
  enlist("second");
  ASSERT_TRUE(promote("late", 2));
  EXPECT_EQ(late().serving_version, 2);
  EXPECT_EQ(late().previous_version, 1);
  EXPECT_EQ(aliases(), Words{"champion|2"});
  EXPECT_EQ(history(), (Words{"endpoint.declare|-|-", "endpoint.promote|-|1", "endpoint.promote|1|2"}));
  // Again: nothing changes and nothing is written.
  ASSERT_TRUE(promote("late", 2));
  EXPECT_EQ(late().previous_version, 1);
  EXPECT_EQ(history().size(), 3u);
}

TEST_F(EndpointsTest, WhoLearntTheSameFromMoreRowsIsNobodysSuccessor) {
  open_endpoint();
  enlist("second");
  enlist("third");
  ASSERT_TRUE(promote("late", 2));
  ASSERT_TRUE(promote("late", 3, "endpoint.refit"));
  EXPECT_EQ(late().serving_version, 3);
  EXPECT_EQ(late().previous_version, 1);
  EXPECT_TRUE(has_served(*home_, "late", 3).value());
}

TEST_F(EndpointsTest, AnEndpointOfAnotherNameHasAnAliasOfItsOwn) {
  open_endpoint();
  enlist("second");
  ASSERT_TRUE(declare_endpoint(*home_, clock_, "flights", "counter", "late"));
  ASSERT_TRUE(promote("counter", 2));
  EXPECT_EQ(aliases(), (Words{"champion|1", "counter-champion|2"}));
}

TEST_F(EndpointsTest, ARefusedVersionMayNotServe) {
  open_endpoint();
  enlist("bad", false);
  const Status refused = promote("late", 2);
  EXPECT_EQ(said(refused),
            "error: version 2 of model 'late' may not serve: its gates refused it\n"
            "   hint: the endpoint 'late' goes on as before; train a version that passes");
  EXPECT_EQ(refused.error().code, ErrorCode::conflict);
  EXPECT_EQ(said(promote("late", 7)),
            "error: model 'late' has no version 7\n   hint: its newest is version 2");
  EXPECT_EQ(late().serving_version, 1);
  EXPECT_EQ(aliases(), Words{"champion|1"});
  EXPECT_EQ(history().size(), 2u);
  tamper("UPDATE model_version SET gates = 'open' WHERE version = 2");
  EXPECT_EQ(said(promote("late", 2)),
            "error: version 2 of model 'late' may not serve: its gates have not decided yet\n"
            "   hint: the endpoint 'late' goes on as before; train a version that passes");
}

// Rolling back must never be refused because gates were made stricter since.
TEST_F(EndpointsTest, WhatHasServedMayServeAgainByRollingBack) {
  open_endpoint();
  enlist("second");
  ASSERT_TRUE(promote("late", 2));
  tamper("UPDATE model_version SET gates = 'refused' WHERE version = 1");
  EXPECT_FALSE(promote("late", 1));
  EXPECT_TRUE(promote("late", 1, "endpoint.roll_back"));
  EXPECT_EQ(late().serving_version, 1);
  enlist("bad", false);
  EXPECT_FALSE(promote("late", 3, "endpoint.roll_back"));
}

TEST_F(EndpointsTest, TheHistoryKnowsWhatHasServed) {
  open_endpoint();
  enlist("second");
  EXPECT_TRUE(has_served(*home_, "late", 1).value());
  EXPECT_FALSE(has_served(*home_, "late", 2).value());
  EXPECT_FALSE(has_served(*home_, "nobody", 1));
}

TEST_F(EndpointsTest, AChallengerStandsBesideTheChampionUntilItIsOne) {
  open_endpoint();
  enlist("second");
  ASSERT_TRUE(change_challenger(*home_, clock_, "late", 2, "heal", "shadow"));
  EXPECT_EQ(aliases(), (Words{"challenger|2", "champion|1"}));
  ASSERT_TRUE(promote("late", 2));
  EXPECT_EQ(late().challenger_version, std::nullopt);
  EXPECT_EQ(aliases(), Words{"champion|2"});
  ASSERT_TRUE(change_challenger(*home_, clock_, "late", 1, "heal", "again"));
  ASSERT_TRUE(change_challenger(*home_, clock_, "late", std::nullopt, "heal", "enough"));
  EXPECT_EQ(aliases(), Words{"champion|2"});
  EXPECT_EQ(said(change_challenger(*home_, clock_, "late", 9, "heal", "")),
            "error: model 'late' has no version 9\n   hint: its newest is version 2");
}

TEST_F(EndpointsTest, AChallengerBeginsInShadowAndThenAnswersAShare) {
  open_endpoint();
  enlist("second");
  const auto share = [this](std::int64_t version, double wanted) {
    return change_challenger_share(*home_, clock_, "late", version, wanted, "heal", "step");
  };
  EXPECT_EQ(
      said(share(2, 0.05)),
      "error: version 2 is not the challenger of endpoint 'late'\n   hint: make it that first: it scores "
      "along before it answers");
  ASSERT_TRUE(change_challenger(*home_, clock_, "late", 2, "heal", "new"));
  EXPECT_EQ(late().challenger_share, 0);
  ASSERT_TRUE(share(2, 0.05));
  ASSERT_TRUE(share(2, 0.05));
  EXPECT_EQ(late().challenger_share, 0.05);
  EXPECT_EQ(late().challenger_since, clock_.now());
  EXPECT_EQ(late().serving_version, 1) << "the champion stays the champion";
  EXPECT_EQ(
      said(share(2, 1)),
      "error: a challenger answers a share from 0 to below 1 of the rows, not 1.0\n   hint: make it the "
      "champion to let it answer all of them");
  EXPECT_EQ(history().back(), "endpoint.canary|0.0|0.05");
  // Another one, and the same one again, begin anew.
  ASSERT_TRUE(change_challenger(*home_, clock_, "late", std::nullopt, "heal", "off"));
  ASSERT_TRUE(change_challenger(*home_, clock_, "late", 2, "heal", "again"));
  EXPECT_EQ(late().challenger_share, 0);
}

TEST_F(EndpointsTest, AVersionThatItsGatesRefusedAnswersNoShare) {
  open_endpoint();
  enlist("second", false);
  ASSERT_TRUE(change_challenger(*home_, clock_, "late", 2, "heal", "new"));
  EXPECT_EQ(
      said(change_challenger_share(*home_, clock_, "late", 2, 0.05, "heal", "step")),
      "error: version 2 of model 'late' may not serve: its gates refused it\n   hint: the endpoint 'late' "
      "goes on as before; train a version that passes");
}

TEST_F(EndpointsTest, ProbationEndsAndHealthChangesWithAnAuditRow) {
  open_endpoint();
  enlist("second");
  ASSERT_TRUE(promote("late", 2));
  ASSERT_TRUE(forget_previous(*home_, clock_, "late"));
  ASSERT_TRUE(forget_previous(*home_, clock_, "late"));
  EXPECT_EQ(late().previous_version, std::nullopt);
  ASSERT_TRUE(change_health(*home_, clock_, "late", "degraded", "incident 1"));
  ASSERT_TRUE(change_health(*home_, clock_, "late", "degraded", "incident 1"));
  EXPECT_EQ(late().health, "degraded");
  const Words rows = history();
  EXPECT_EQ(Words(rows.end() - 2, rows.end()),
            (Words{"endpoint.forget_previous|-|-", "endpoint.health|healthy|degraded"}));
}

TEST_F(EndpointsTest, AnotherModelBehindTheNameStartsWithoutChampion) {
  open_endpoint();
  NewVersion cost = candidate("cost");
  cost.model = "cost";
  ASSERT_TRUE(register_version(*home_, clock_, cost));
  ASSERT_TRUE(declare_endpoint(*home_, clock_, "flights", "late", "cost"));
  EXPECT_EQ(late().model, "cost");
  EXPECT_EQ(late().serving_version, std::nullopt);
  EXPECT_EQ(aliases(), Words{});
  ASSERT_TRUE(promote("late", 1));
  EXPECT_EQ(query("SELECT model, alias, version FROM model_alias"), Words{"cost|late-champion|1"});
}

TEST_F(EndpointsTest, AreListedByName) {
  open_endpoint();
  ASSERT_TRUE(declare_endpoint(*home_, clock_, "flights", "counter", "late"));
  const std::vector<EndpointFacts> all = list_endpoints(*home_).value();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].name, "counter");
}

}  // namespace
}  // namespace trimtab::registry
