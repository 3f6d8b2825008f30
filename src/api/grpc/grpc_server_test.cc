// What clients see is tested with theirs (tests/clients/scoring_clients.py); here is what they do not see.
#include "api/grpc/grpc_server.h"

#include <gtest/gtest.h>

#include "api/served_project.h"

namespace trimtab::api {
namespace {

TEST(GrpcServer, APortThatSomethingElseHasIsRefused) {
  ServedProject world;
  const auto first = GrpcServer::start({}, world.rooms(), "0.0.0");
  ASSERT_TRUE(first);
  const int port = (*first)->port();
  EXPECT_GT(port, 0);
  const auto second = GrpcServer::start({.port = port}, world.rooms(), "0.0.0");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::address_in_use);
  EXPECT_EQ(second.error().message, "gRPC cannot listen at 127.0.0.1:" + std::to_string(port));
  EXPECT_EQ(second.error().hint, "another program may have the port; choose one with --grpc-port");
  (*first)->stop();
  (*first)->stop();
  EXPECT_TRUE(GrpcServer::start({.port = port}, world.rooms(), "0.0.0")) << "it is free again";
}

}  // namespace
}  // namespace trimtab::api
