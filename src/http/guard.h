// What the server asks of every request before a handler sees it: whom the request was meant for, which page
// sent it, whether its caller may, and what the body claims to be. Each answer is a refusal or nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "http/route.h"
#include "http/server.h"

namespace trimtab::http {

// Immutable, so thread-safe.
class Guard {
 public:
  explicit Guard(const ServerOptions& options);

  // The Host header (against DNS rebinding), then Origin and Sec-Fetch-Site (against forged requests).
  std::optional<Reply> refuse_caller(const Request& request) const;
  // The token; for servers without a Doorkeeper.
  std::optional<Reply> refuse_without_token(const Request& request, const Route& route) const;
  // The content type of the body.
  static std::optional<Reply> refuse_type(const Request& request, const Route& route);

 private:
  bool is_own_name(std::string_view host_and_port) const;
  bool has_token(const Request& request) const;

  std::vector<std::string> names_;
  std::string token_;
  bool clock_is_manual_;
  bool answers_any_host_;
};

}  // namespace trimtab::http
