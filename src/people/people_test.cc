#include "people/people.h"

#include <future>
#include <gtest/gtest.h>

#include "http/route.h"
#include "people/gate.h"
#include "people/password.h"
#include "store/audit.h"
#include "store/scratch_folder.h"

namespace trimtab::people {
namespace {

class PeopleTest : public ::testing::Test {
 protected:
  PeopleTest() : home_(store::Home::open(folder_.path() / "home", clock_).value()) { open(); }

  void open() { people_ = People::open(*home_, clock_).value(); }
  Status add(const std::string& name, Role role = Role::none) {
    return wait_for([&](People::Done done) { people_->add_person("test", name, "", role, done); });
  }
  Status set_role(const Holder& holder, const std::string& scope, Role role) {
    return wait_for([&](People::Done done) { people_->set_role("test", holder, scope, role, done); });
  }
  Result<Secret> add_token(const NewCredential& wanted) {
    return wait_for_secret([&](People::DoneSecret done) { people_->add_token("test", wanted, done); });
  }
  Role role_of(const std::string& name, const std::string& scope) {
    return people_->roster()->find_person(name).value()->role_in(scope);
  }

  store::ScratchFolder folder_;
  base::ManualClock clock_{1'000'000 * base::kSecondUs};
  std::unique_ptr<store::Home> home_;
  std::unique_ptr<People> people_;
};

TEST_F(PeopleTest, AreThereAgainAfterARestart) {
  ASSERT_TRUE(add("anna", Role::admin));
  ASSERT_TRUE(set_role({"anna", false}, "experiment/7", Role::viewer));
  open();
  EXPECT_EQ(role_of("anna", ""), Role::admin);
  EXPECT_EQ(role_of("anna", "experiment/8"), Role::admin);
}

TEST_F(PeopleTest, HaveTheGreaterOfTheirOwnRoleAndTheirGroups) {
  ASSERT_TRUE(add("anna"));
  ASSERT_TRUE(set_role({"anna", false}, "experiment/7", Role::viewer));
  ASSERT_TRUE(wait_for([&](People::Done done) { people_->add_group("test", "team", done); }));
  ASSERT_TRUE(wait_for([&](People::Done done) { people_->set_member("test", "team", "anna", true, done); }));
  ASSERT_TRUE(set_role({"team", true}, "experiment/7", Role::deployer));
  EXPECT_EQ(role_of("anna", "experiment/7"), Role::deployer);
  EXPECT_EQ(role_of("anna", "experiment/8"), Role::none);
  ASSERT_TRUE(wait_for([&](People::Done done) { people_->set_member("test", "team", "anna", false, done); }));
  EXPECT_EQ(role_of("anna", "experiment/7"), Role::viewer);
}

TEST_F(PeopleTest, SomebodyMustBeLeftToAdminister) {
  ASSERT_TRUE(add("anna", Role::admin));
  const Status removed = wait_for([&](People::Done done) { people_->remove_person("test", "anna", done); });
  EXPECT_EQ(removed.error().message, "nobody would be left who may administer this server");
  EXPECT_EQ(set_role({"anna", false}, "", Role::viewer).error().code, ErrorCode::conflict);
  EXPECT_EQ(role_of("anna", ""), Role::admin);
}

TEST_F(PeopleTest, RefusalsNameWhatIsWrong) {
  ASSERT_TRUE(add("anna"));
  EXPECT_EQ(add("anna").error().message, "there is a person 'anna' already");
  EXPECT_EQ(add("an na").error().message, "'an na' is no name of a person or group");
  EXPECT_EQ(add("cli").error().message, "'cli' is no name of a person or group");
  EXPECT_EQ(set_role({"ann", false}, "", Role::viewer).error().hint, "did you mean 'anna'?");
  EXPECT_EQ(set_role({"team", true}, "", Role::viewer).error().message, "there is no group 'team'");
  const Status revoked = wait_for([&](People::Done done) { people_->end_credential("test", "x", done); });
  EXPECT_EQ(revoked.error().message, "there is no token 'x'");
}

TEST_F(PeopleTest, OfATokenOnlyItsHashIsKept) {
  ASSERT_TRUE(add("anna"));
  const Secret secret = add_token({.person = "anna", .label = "ci"}).value();
  const auto kept = people_->roster()->find_credential(secret.text);
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(kept->id, secret.id);
  ASSERT_TRUE(home_->database().read([&](store::Connection& connection) -> Status {
    store::Statement row = connection.prepare("SELECT count(*) FROM credential WHERE sha256 = ? OR id = ?");
    CHECK(TRY(row.with(secret.text, secret.text).step()));
    EXPECT_EQ(row.integer(0), 0);
    return {};
  }));
}

TEST_F(PeopleTest, AChangeAndItsAuditRowAreOneTransaction) {
  ASSERT_TRUE(add("anna"));
  EXPECT_FALSE(add("anna"));
  std::vector<std::string> said;
  ASSERT_TRUE(home_->database().read([&](store::Connection& connection) {
    return store::list_audit(connection, 10, [&](const store::AuditEntry& entry) {
      said.push_back(entry.actor + " " + entry.action + " " + entry.object);
    });
  }));
  EXPECT_EQ(said, std::vector<std::string>{"test person.add person/anna"});
}

TEST_F(PeopleTest, ARenamedScopeTakesItsRolesAlongAndOneThatIsGoneDoesNotComeBack) {
  ASSERT_TRUE(add("anna"));
  ASSERT_TRUE(set_role({"anna", false}, "model/a", Role::admin));
  const Secret bound = add_token({.person = "anna", .scope = "model/a"}).value();
  ASSERT_TRUE(
      wait_for([&](People::Done done) { people_->rename_scope("test", "model/a", "model/b", done); }));
  EXPECT_EQ(role_of("anna", "model/a"), Role::none);
  EXPECT_EQ(role_of("anna", "model/b"), Role::admin);
  ASSERT_TRUE(wait_for([&](People::Done done) { people_->rename_scope("test", "model/b", "", done); }));
  EXPECT_EQ(role_of("anna", "model/b"), Role::none);
  EXPECT_EQ(people_->roster()->find_credential(bound.text), nullptr);  // And not good everywhere.
}

TEST_F(PeopleTest, WhoeverSignsInElsewhereIsTheSameNextTime) {
  ASSERT_TRUE(add("anna", Role::admin));
  const auto meet = [&](const std::string& subject) {
    std::promise<Result<std::string>> answer;
    people_->meet("https://id", subject, "anna",
                  [&](Result<std::string> name) { answer.set_value(std::move(name)); });
    return answer.get_future().get().value();
  };
  // The name is taken, and taking it over would take the roles, too.
  EXPECT_EQ(meet("s-1"), "s-1");
  EXPECT_EQ(meet("s-1"), "s-1");
  EXPECT_EQ(role_of("s-1", ""), Role::none);
}

http::Request request_with(std::vector<std::pair<std::string_view, std::string_view>> headers) {
  http::Request request;
  request.method = "GET";
  request.path = "/x";
  request.headers = std::move(headers);
  request.peer = "10.0.0.1";
  return request;
}

class GateTest : public PeopleTest {
 protected:
  http::Admission admit(const std::string& authorization) {
    return gate_.admit(request_with({{"Authorization", authorization}}), route_);
  }
  static std::string refusal(const http::Admission& admission) {
    return admission.refusal ? base::parse_json(admission.refusal->body).value()["error"].text_or("message")
                             : "";
  }

  Gate gate_{*people_, std::string(64, 'a')};
  http::Route route_{.method = "GET", .path = "/x"};
};

TEST_F(GateTest, KnowsTheHomesOwnerAndRefusesStrangers) {
  EXPECT_EQ(admit("Bearer " + std::string(64, 'a')).caller->name(), "cli");
  EXPECT_EQ(refusal(admit("Bearer " + std::string(64, 'b'))), "the token is none of this server's");
  EXPECT_EQ(refusal(admit("Digest x")), "the header Authorization has no scheme that is known here");
  EXPECT_EQ(refusal(admit("Basic !")), "the header Authorization holds no name and password");
  EXPECT_EQ(refusal(admit("Basic YW5uYTo=")), "the password is empty");
  EXPECT_EQ(refusal(gate_.admit(request_with({}), route_)), "GET /x is for people who are signed in");
}

TEST_F(GateTest, ATokenNarrowsItsPersonAndEnds) {
  ASSERT_TRUE(add("anna", Role::admin));
  const Secret narrow =
      add_token({.person = "anna", .role_max = Role::viewer, .scope = "experiment/7", .lasts = base::kHourUs})
          .value();
  const auto caller = admit("Bearer " + narrow.text).caller;
  ASSERT_NE(caller, nullptr);
  EXPECT_EQ(caller->role_in("experiment/7"), Role::viewer);
  EXPECT_EQ(caller->role_in("experiment/8"), Role::none);
  EXPECT_EQ(caller->role_in(""), Role::none);
  EXPECT_EQ(caller->most(), Role::none);
  clock_.advance_to(clock_.now() + base::kHourUs);
  EXPECT_EQ(refusal(admit("Bearer " + narrow.text)), "the token has expired");
}

TEST_F(GateTest, APasswordIsProvedOnceAndRememberedUntilItChanges) {
  const std::string basic = "Basic YW5uYTpjb3JyZWN0IGhvcnNlIGJhdHRlcnkgc3RhcGxl";
  const std::string hash = hash_password("correct horse battery staple").value();
  ASSERT_TRUE(
      wait_for([&](People::Done done) { people_->add_person("test", "anna", hash, Role::none, done); }));
  http::Admission first = admit(basic);
  ASSERT_TRUE(first.proof);
  EXPECT_EQ(first.proof().caller->name(), "anna");
  EXPECT_EQ(admit(basic).caller->name(), "anna");
  const std::string other = hash_password("seven gray whales").value();
  ASSERT_TRUE(wait_for([&](People::Done done) { people_->set_password("test", "anna", other, done); }));
  http::Admission again = admit(basic);
  ASSERT_TRUE(again.proof);
  EXPECT_EQ(refusal(again.proof()), "the name or the password is wrong");
}

TEST_F(GateTest, ASessionsCookieNeedsItsKeyToChangeThings) {
  ASSERT_TRUE(add("anna"));
  const Secret session = wait_for_secret([&](People::DoneSecret done) {
                           people_->open_session("test", {.person = "anna", .lasts = base::kHourUs}, done);
                         }).value();
  const std::string cookie = "a=b; __Host-trimtab=" + session.text;
  http::Request look = request_with({{"Cookie", cookie}});
  EXPECT_EQ(gate_.admit(look, route_).caller->name(), "anna");
  http::Request change = request_with({{"Cookie", cookie}});
  change.method = "DELETE";
  EXPECT_EQ(refusal(gate_.admit(change, route_)), "a change by a session needs the session's own key");
  change.headers.emplace_back("X-Trimtab-CSRF", session.forgery_key);
  EXPECT_EQ(gate_.admit(change, route_).caller->name(), "anna");
  route_.is_for_anybody = true;
  EXPECT_FALSE(gate_.admit(request_with({{"Cookie", "trimtab=old"}}), route_).refusal.has_value());
}

}  // namespace
}  // namespace trimtab::people
