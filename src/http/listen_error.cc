#include "http/listen_error.h"

#include <string>

namespace trimtab::http {
namespace {

std::string address_text(const ServerOptions& options) {
  const bool is_ipv6 = options.host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + options.host + "]" : options.host) + ":" + std::to_string(options.port);
}

}  // namespace

Error listen_error(const ServerOptions& options, const std::error_code& error) {
  if (error == std::errc::address_in_use) {
    return {ErrorCode::address_in_use, "the address " + address_text(options) + " is in use",
            "stop the other program or pass --port 0 for any free port", std::nullopt, nullptr};
  }
  const bool is_callers = error == std::errc::address_not_available || error == std::errc::permission_denied;
  return {is_callers ? ErrorCode::invalid : ErrorCode::internal,
          "cannot listen at " + address_text(options) + ": " + error.message(),
          {},
          std::nullopt,
          nullptr};
}

}  // namespace trimtab::http
