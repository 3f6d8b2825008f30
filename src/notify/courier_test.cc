#include "notify/courier.h"

#include <future>
#include <gtest/gtest.h>
#include <map>

#include "base/base64.h"
#include "base/file.h"
#include "base/hmac.h"
#include "http/server.h"
#include "notify/webhooks.h"
#include "store/scratch_folder.h"

namespace trimtab::notify {
namespace {

// A receiver on this machine that answers as it is told to and remembers what it got.
class Receiving {
 public:
  Receiving() {
    http::Route route;
    route.method = "POST";
    route.path = "/hook";
    route.summary = "Receives";
    route.permission = http::Permission::open;
    route.handler = [this](const http::Request& request, const http::ReplyPromise&) -> http::Answer {
      got.push_back({});
      for (const char* name : {"id", "timestamp", "signature"}) {
        const std::string header = std::string(name) == "id" ? "delivery-id" : name;
        got.back()[name] = request.header("x-mlflow-" + header);
      }
      got.back()["body"] = request.body;
      http::Reply reply = http::Reply::text("seen", status);
      reply.headers.emplace_back("Location", "http://127.0.0.1:1/elsewhere");
      return reply;
    };
    std::vector<http::Route> routes;
    routes.push_back(std::move(route));
    server_ = http::Server::start({}, http::Router::make(std::move(routes)).value()).value();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()) + "/hook"; }

  int status = 200;
  std::vector<std::map<std::string, std::string>> got;

 private:
  std::unique_ptr<http::Server> server_;
};

class CourierTest : public testing::Test {
 protected:
  CourierTest() : home_(store::Home::open(folder_.path() / "home", clock_).value()) { allow("127.0.0.1"); }

  void allow(const std::string& hosts) {
    EXPECT_TRUE(base::write_file_durably(home_->folder() / "egress", hosts));
  }
  void tell(const Event& event) {
    EXPECT_TRUE(home_->database().write(
        [&](store::Connection& connection) { return announce(connection, clock_.now(), event); }));
  }
  void tell_to(const Receiver& receiver) {
    EXPECT_TRUE(home_->database().write([&](store::Connection& connection) {
      return announce_to(connection, clock_.now(), receiver,
                         {"incident", "opened", Json::object({{"n", 1}})});
    }));
  }
  std::vector<Delivery> left() { return list_deliveries(*home_, 100).value(); }
  Result<Webhook> make(Webhook webhook) {
    std::promise<Result<Webhook>> made;
    create_webhook(*home_, clock_, std::move(webhook),
                   [&](Result<Webhook> result) { made.set_value(std::move(result)); });
    return made.get_future().get();
  }

  store::ScratchFolder folder_;
  base::ManualClock clock_{1'000 * base::kSecondUs};
  std::unique_ptr<store::Home> home_;
  Courier courier_{*home_, clock_};
  Receiving receiver_;
};

TEST_F(CourierTest, WhoAskedIsToldWithASignature) {
  const Webhook webhook =
      make({.name = "ci", .url = receiver_.url(), .secret = "s3", .events = {"model_version.created"}})
          .value();
  tell({"model_version", "created", Json::object({{"name", "late"}})});
  tell({"registered_model", "created", Json::object()});
  EXPECT_EQ(courier_.carry().value(), 1);
  ASSERT_EQ(receiver_.got.size(), 1u);
  auto& got = receiver_.got[0];
  EXPECT_EQ(got["body"], R"({"entity":"model_version","action":"created","timestamp":"1970-01-01T00:16:40Z",)"
                         R"("data":{"name":"late"}})");
  EXPECT_EQ(got["timestamp"], "1000");
  EXPECT_EQ(got["signature"],
            "v1," + base::to_base64(base::hmac_sha256("s3", got["id"] + ".1000." + got["body"])));
  EXPECT_TRUE(left().empty());
  EXPECT_EQ(courier_.carry().value(), 0);
}

TEST_F(CourierTest, ARefusalIsTriedAgainLaterAndKeepsItsId) {
  receiver_.status = 503;
  tell_to({receiver_.url(), ""});
  tell_to({receiver_.url(), ""});
  EXPECT_EQ(courier_.carry().value(), 1);  // The second waits behind the first.
  EXPECT_EQ(courier_.carry().value(), 0);
  ASSERT_EQ(left().size(), 2u);
  EXPECT_EQ(left()[0].last_error, "the receiver answered 503");
  EXPECT_EQ(left()[0].attempts, 1);
  receiver_.status = 200;
  clock_.advance_to(clock_.now() + 5 * base::kSecondUs);
  EXPECT_EQ(courier_.carry().value(), 2);
  ASSERT_EQ(receiver_.got.size(), 3u);
  EXPECT_EQ(receiver_.got[0]["id"], receiver_.got[1]["id"]);
  EXPECT_NE(receiver_.got[1]["id"], receiver_.got[2]["id"]);
  EXPECT_TRUE(left().empty());
}

TEST_F(CourierTest, ARestartGoesOn) {
  tell_to({receiver_.url(), ""});
  home_.reset();
  home_ = store::Home::open(folder_.path() / "home", clock_).value();
  Courier courier(*home_, clock_);
  EXPECT_EQ(courier.carry().value(), 1);
  EXPECT_EQ(receiver_.got.size(), 1u);
}

TEST_F(CourierTest, WhatCannotHelpIsGivenUpAndKept) {
  receiver_.status = 302;
  tell_to({receiver_.url(), ""});
  receiver_.status = 302;
  EXPECT_EQ(courier_.carry().value(), 1);
  ASSERT_EQ(left().size(), 1u);
  EXPECT_FALSE(left()[0].due);
  EXPECT_EQ(left()[0].last_error, "the receiver answered 302, a redirect; those are not followed");
  EXPECT_EQ(receiver_.got.size(), 1u);
  receiver_.status = 404;
  tell_to({receiver_.url(), ""});
  EXPECT_EQ(courier_.carry().value(), 1);
  EXPECT_EQ(left()[1].last_error, "the receiver answered 404");
}

TEST_F(CourierTest, NothingGoesIntoTheServersOwnNetwork) {
  allow("");
  tell_to({"https://169.254.169.254/latest/meta-data", ""});
  tell_to({receiver_.url(), ""});
  EXPECT_EQ(courier_.carry().value(), 2);
  EXPECT_EQ(left()[0].last_error,
            "Webhook URL must not resolve to a non-public IP address. '169.254.169.254' resolves to "
            "169.254.169.254.");
  EXPECT_EQ(left()[1].last_error, "Invalid webhook URL scheme: 'http'. Allowed schemes are: https.");
  EXPECT_TRUE(receiver_.got.empty());
}

TEST_F(CourierTest, PlainAnswersAreNoTls) {
  std::string url = receiver_.url();
  url.replace(0, 4, "https");
  tell_to({url, ""});
  EXPECT_EQ(courier_.carry().value(), 1);
  EXPECT_TRUE(left()[0].due);
  EXPECT_EQ(left()[0].last_error.find("the connection failed: "), 0u) << left()[0].last_error;
}

TEST_F(CourierTest, ATrialTellsWhatCameOfIt) {
  courier_.start();
  std::promise<Result<Answer>> answered;
  courier_.try_out({receiver_.url(), "s"}, known_events()[0],
                   [&](Result<Answer> answer) { answered.set_value(std::move(answer)); });
  const Result<Answer> answer = answered.get_future().get();
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "seen");
}

TEST_F(CourierTest, AWebhookIsCheckedBeforeItIsKept) {
  const auto why = [&](Webhook webhook) { return make(std::move(webhook)).error().message; };
  const std::string url = receiver_.url();
  EXPECT_EQ(why({.name = "-Upper", .url = url, .events = {"prompt.created"}})
                .find("Webhook name '-Upper' is invalid."),
            0u);
  EXPECT_EQ(why({.name = "a", .url = "http://10.0.0.1/", .events = {"prompt.created"}}),
            "Invalid webhook URL scheme: 'http'. Allowed schemes are: https.");
  EXPECT_EQ(why({.name = "a", .url = url, .events = {}}),
            "Webhook events must be a non-empty list of WebhookEvent objects: [].");
  EXPECT_EQ(why({.name = "a", .url = url, .events = {"prompt.deleted"}}),
            "Invalid action 'deleted' for entity 'prompt'. Valid actions are: ['created']");
  EXPECT_EQ(find_webhook(*home_, "x").error().message, "Webhook with ID x not found.");
}

TEST_F(CourierTest, WhatWaitsForADeletedWebhookGoesWithIt) {
  const Webhook webhook = make({.name = "ci", .url = receiver_.url(), .events = {"prompt.created"}}).value();
  tell({"prompt", "created", Json::object()});
  std::promise<Status> gone;
  delete_webhook(*home_, clock_, webhook.id, [&](Status status) { gone.set_value(std::move(status)); });
  EXPECT_TRUE(gone.get_future().get());
  EXPECT_TRUE(left().empty());
  EXPECT_TRUE(list_webhooks(*home_, 10, 0).value().empty());
}

}  // namespace
}  // namespace trimtab::notify
