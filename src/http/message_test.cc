#include "http/message.h"

#include <gtest/gtest.h>

namespace trimtab::http {
namespace {

TEST(Request, FindsTheFirstHeaderWhateverItsCase) {
  Request request;
  request.headers = {{"Accept", "a"}, {"ACCEPT", "b"}, {"X-Empty", ""}};
  EXPECT_EQ(request.header("accept"), "a");
  EXPECT_EQ(request.header("x-empty"), "");
  EXPECT_EQ(request.header("absent"), "");
}

TEST(Request, DecodesQueryValues) {
  Request request;
  request.query = "a=1&b=x%20y+z&empty=&flag&a=2&n%61me=%3D%26&=lonely";
  EXPECT_EQ(*request.query_value("a"), "1");
  EXPECT_EQ(*request.query_value("b"), "x y z");
  EXPECT_EQ(*request.query_value("empty"), "");
  EXPECT_EQ(*request.query_value("flag"), "");
  EXPECT_EQ(*request.query_value("name"), "=&");
  EXPECT_EQ(*request.query_value("absent"), std::nullopt);
}

TEST(Request, RefusesQueryValuesThatAreNoText) {
  Request request;
  for (const char* bad : {"a=%", "a=%f", "%=1&a=1", "a=%FF", "a=%00"}) {
    request.query = bad;
    const auto value = request.query_value("a");
    ASSERT_FALSE(value) << bad;
    EXPECT_EQ(value.error().code, ErrorCode::malformed);
  }
}

TEST(ErrorReply, HasTheNativeBodyAndTheTablesStatus) {
  const Reply reply = error_reply({ErrorCode::not_found, "no endpoint 'lete'", "did you mean 'late'?",
                                   SourceRange{"trimtab.yaml", 3, 7}, nullptr});
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(reply.content_type, "application/json");
  EXPECT_EQ(reply.body,
            R"({"error":{"code":"not_found","message":"no endpoint 'lete'","hint":"did you mean 'late'?",)"
            R"("where":{"file":"trimtab.yaml","line":3,"column":7}}})");
}

TEST(ErrorReply, LeavesOutWhatIsUnknownAndJoinsCauses) {
  Error cause{ErrorCode::storage_full, "the disk is full", {}, std::nullopt, nullptr};
  const Reply reply = error_reply(base::wrap(std::move(cause), "cannot keep the labels"));
  EXPECT_EQ(reply.status, 507);
  EXPECT_EQ(reply.body,
            R"({"error":{"code":"storage_full","message":"cannot keep the labels: the disk is full"}})");
  EXPECT_EQ(error_reply({ErrorCode::unsupported, "m", {}, std::nullopt, nullptr}, 415).status, 415);
}

TEST(ErrorReply, TellsClientsWhatToDoInHeaders) {
  const std::vector<std::pair<std::string, std::string>> retry = {{"Retry-After", "1"}};
  EXPECT_EQ(error_reply({ErrorCode::busy, "m", {}, std::nullopt, nullptr}).headers, retry);
  const std::vector<std::pair<std::string, std::string>> login = {{"WWW-Authenticate", "Bearer"}};
  EXPECT_EQ(error_reply({ErrorCode::unauthenticated, "m", {}, std::nullopt, nullptr}).headers, login);
}

TEST(ReplyPromise, DeliversExactlyOnce) {
  std::vector<std::string> sent;
  ReplyPromise promise([&](Reply reply) { sent.push_back(reply.body); });
  ReplyPromise copy = promise;
  promise.send(Reply::text("first"));
  copy.send(Reply::text("second"));
  EXPECT_EQ(sent, std::vector<std::string>{"first"});
}

TEST(ReplyPromise, AnswersForOneThatWasDropped) {
  Reply sent;
  {
    const ReplyPromise promise([&](Reply reply) { sent = std::move(reply); });
  }
  EXPECT_EQ(sent.status, 500);
  EXPECT_EQ(sent.body,
            R"({"error":{"code":"internal","message":"the request was dropped without an answer"}})");
}

}  // namespace
}  // namespace trimtab::http
