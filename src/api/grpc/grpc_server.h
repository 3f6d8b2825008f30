// The Open Inference Protocol over gRPC, on a port of its own. The same endpoints, limits and words as over
// HTTP; only the framing is another.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "api/access_rules.h"
#include "api/server_rooms.h"
#include "base/clock.h"
#include "base/result.h"
#include "http/caller.h"

namespace trimtab::api {

struct GrpcOptions {
  std::string host = "127.0.0.1";
  int port = 0;  // 0: any free one.
  std::uint64_t message_bytes_max = 16u << 20;
  int threads_max = 4;
  // While people have to sign in: the metadata `authorization` is what the header is over HTTP, and who may
  // use the same call there may use it here. Null: nobody has to.
  std::shared_ptr<http::Doorkeeper> doorkeeper = nullptr;
  AccessRooms* access = nullptr;
};

class GrpcServer {
 public:
  // `rooms` outlives it. Errors: address_in_use (names the address).
  static Result<std::unique_ptr<GrpcServer>> start(const GrpcOptions& options, const ServerRooms& rooms,
                                                   const std::string& version);
  ~GrpcServer();  // stop().

  int port() const;
  // Takes no more calls, lets those in flight finish (at most `drain`).
  void stop(base::TimeUs drain = 5 * base::kSecondUs);

 private:
  struct State;
  explicit GrpcServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::api
