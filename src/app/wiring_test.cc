// A server from nothing: what it does before there is anything to serve, and what it asks of the machine.
#include "app/wiring.h"

#include <gtest/gtest.h>
#include <map>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "http/client.h"
#include "project/load.h"
#include "store/home.h"
#include "store/scratch_folder.h"

namespace trimtab::app {
namespace {

constexpr const char* kProject = R"(project: p
sources:
  rows: {read: rows.csv, time: at}
tables:
  t: {from: rows}
models:
  m: {from: t, task: binary, target: y > 0, features: [x]}
endpoints:
  late: {model: m}
)";

class Wiring : public testing::Test {
 protected:
  Result<std::unique_ptr<RunningServer>> start(std::optional<PredictPort> predict_port = {}) {
    ServerSettings settings;
    settings.predict_port = std::move(predict_port);
    settings.home = (folder_ / "home").string();
    settings.port = 0;
    settings.manual_clock_from = 0;
    std::vector<project::Project> projects;
    projects.push_back(TRY(project::parse(kProject, "p.yaml", folder_.path())));
    return RunningServer::start(settings, std::move(projects));
  }
  const store::ScratchFolder folder_;
};

TEST_F(Wiring, BeforeTheFirstApplyAServerSaysWhatToDo) {
  const auto server = start();
  ASSERT_TRUE(server) << base::render(server.error());
  http::Client client("127.0.0.1", (*server)->port());
  EXPECT_EQ(client.send("GET", "/readyz")->status, 200);
  const auto answer = client.send("POST", "/endpoints/late/invocations", R"({"instances":[{"x":1}]})");
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(
      answer->body,
      R"({"error":{"code":"busy","message":"no version serves here yet","hint":"run `trimtab apply`"}})");
}

TEST_F(Wiring, ASecondServerIsToldWhoOwnsTheHome) {
  const auto first = start();
  ASSERT_TRUE(first) << base::render(first.error());
  const auto second = start();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::home_locked);
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos);
}

TEST_F(Wiring, ServerRaisesTheLimitOfOpenFilesToWhatItMayBe) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit small{std::min<rlim_t>(256, before.rlim_max), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &small), 0);
  ASSERT_TRUE(start());
  rlimit after{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, before.rlim_max);
}

TEST_F(Wiring, TheManualClockStandsWhereItStoodBeforeARestart) {
  for (const char* to : {"2013-04-02", "2013-01-01"}) {  // It never goes back, not even over a restart.
    const auto server = start();
    ASSERT_TRUE(server) << base::render(server.error());
    http::Client client("127.0.0.1", (*server)->port());
    EXPECT_EQ(client.send("POST", "/api/v1/clock", std::string(R"({"to":")") + to + "\"}")->body,
              R"({"now":"2013-04-02T00:00:00Z"})");
  }
}

TEST_F(Wiring, ThePortForPredictionsHasTheContainersRoutesAndNoOther) {
  const auto server = start(PredictPort{0, true, {"/well", "/predict"}});
  ASSERT_TRUE(server) << base::render(server.error());
  http::Client client("127.0.0.1", (*server)->predict_port().value());
  EXPECT_EQ(client.send("GET", "/well")->body, "\n");
  EXPECT_EQ(client.send("GET", "/version")->body, TRIMTAB_VERSION);
  EXPECT_EQ(client.send("POST", "/predict", R"({"instances":[{"x":1}]})")->status, 503);
  EXPECT_EQ(client.send("GET", "/api/v1/endpoints")->status, 404);
}

// What predict_port_of makes of an environment.
std::string told(std::map<std::string, std::string> environment) {
  const Result<std::optional<PredictPort>> port = predict_port_of([&environment](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
  if (!port) return base::render(port.error());
  if (!*port) return "none";
  const PredictPort& found = **port;
  return std::to_string(found.port) + " " + found.contract.health_route + " " + found.contract.predict_route;
}

TEST(PredictPortOf, IsWhatThePlatformSays) {
  EXPECT_EQ(told({}), "none");
  EXPECT_EQ(told({{"AIP_HTTP_PORT", ""}, {"AIP_HEALTH_ROUTE", "/h"}}), "none");
  EXPECT_EQ(told({{"AIP_HTTP_PORT", "8080"}, {"AIP_HEALTH_ROUTE", "/h"}, {"AIP_PREDICT_ROUTE", "/p"}}),
            "8080 /h /p");
  EXPECT_EQ(told({{"SAGEMAKER_BIND_TO_PORT", "8081"}}), "8081  ");
  EXPECT_EQ(told({{"AIP_HTTP_PORT", "80a"}}),
            "error: AIP_HTTP_PORT is no port: '80a'\n   hint: set 1 to 65535");
  EXPECT_EQ(told({{"SAGEMAKER_BIND_TO_PORT", "65536"}}),
            "error: SAGEMAKER_BIND_TO_PORT is no port: '65536'\n   hint: set 1 to 65535");
  EXPECT_EQ(told({{"AIP_HTTP_PORT", "8080"}, {"AIP_PREDICT_ROUTE", "p"}}),
            "error: AIP_PREDICT_ROUTE is no path: 'p'\n   hint: begin it with a slash, or unset it");
}

}  // namespace
}  // namespace trimtab::app
