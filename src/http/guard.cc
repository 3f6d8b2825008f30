#include "http/guard.h"

#include <algorithm>

#include "base/id.h"
#include "http/percent.h"

namespace trimtab::http {
namespace {

Reply refuse(ErrorCode code, std::string message, std::string hint, int status = 0) {
  return error_reply({code, std::move(message), std::move(hint), std::nullopt, nullptr}, status);
}

bool is_port(std::string_view text) {
  return text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// "name:port", "[::1]:port" or either without port; nothing when what follows the name is no port.
std::optional<std::string_view> name_of(std::string_view host) {
  const std::size_t bracket = host.find(']');
  const std::size_t colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon == std::string_view::npos) return host;
  if (!is_port(host.substr(colon + 1))) return std::nullopt;
  return host.substr(0, colon);
}

std::string_view media_type(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
  return type;
}

// The host of "http://host:port"; nothing for any other scheme and for "null".
std::optional<std::string_view> host_of_origin(std::string_view origin) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (equal_without_case(origin.substr(0, scheme.size()), scheme)) return origin.substr(scheme.size());
  }
  return std::nullopt;
}

bool may_carry_a_body(std::string_view method) {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

}  // namespace

Guard::Guard(const ServerOptions& options)
    : names_(options.hosts_allowed),
      token_(options.token),
      clock_is_manual_(options.clock_is_manual),
      answers_any_host_(options.answers_any_host) {
  const bool is_ipv6 = options.host.find(':') != std::string::npos;
  names_.push_back(is_ipv6 ? "[" + options.host + "]" : options.host);
  for (const char* own : {"127.0.0.1", "localhost", "[::1]"}) names_.emplace_back(own);
}

bool Guard::is_own_name(std::string_view host_and_port) const {
  const std::optional<std::string_view> name = name_of(host_and_port);
  return name && std::any_of(names_.begin(), names_.end(),
                             [&](const std::string& own) { return equal_without_case(own, *name); });
}

std::optional<Reply> Guard::refuse_caller(const Request& request) const {
  std::string_view host;
  std::string_view origin;
  std::string_view site;
  int hosts = 0;
  int origins = 0;
  for (const auto& [name, value] : request.headers) {
    if (name.size() == 4 && equal_without_case(name, "host")) host = value, ++hosts;
    if (name.size() == 6 && equal_without_case(name, "origin")) origin = value, ++origins;
    if (name.size() == 14 && equal_without_case(name, "sec-fetch-site")) site = value;
  }
  if (hosts != 1) {
    return refuse(ErrorCode::malformed,
                  "a request needs exactly one Host header; this one has " + std::to_string(hosts), {});
  }
  if (!answers_any_host_ && !is_own_name(host)) {
    return refuse(
        ErrorCode::forbidden,
        "the Host header '" + shown(host) + "' is not one of this server's names (a DNS rebinding guard)",
        "start the server with --allow-host " + shown(name_of(host).value_or(host)) +
            " if it should answer to that name");
  }
  if (request.method == "GET" || request.method == "HEAD") return std::nullopt;
  if (origins > 0) {
    const std::optional<std::string_view> from = host_of_origin(origin);
    if (origins > 1 || !from || !is_own_name(*from)) {
      return refuse(ErrorCode::forbidden,
                    "a " + std::string(request.method) + " from the origin '" + shown(origin) +
                        "' is refused: only pages of this server may change things",
                    "start the server with --allow-host and the page's host name if you trust that page");
    }
  }
  if (!site.empty() && !equal_without_case(site, "same-origin") && !equal_without_case(site, "none")) {
    return refuse(ErrorCode::forbidden,
                  "a " + std::string(request.method) + " with Sec-Fetch-Site '" + shown(site) +
                      "' is refused: only pages of this server may change things",
                  "open the page from this server's own address");
  }
  return std::nullopt;
}

bool Guard::has_token(const Request& request) const {
  constexpr std::string_view kScheme = "Bearer ";
  std::string_view value = request.header("authorization");
  if (token_.empty() || !equal_without_case(value.substr(0, kScheme.size()), kScheme)) return false;
  return base::equal_in_constant_time(value.substr(kScheme.size()), token_);
}

std::optional<Reply> Guard::refuse_without_token(const Request& request, const Route& route) const {
  const bool free = route.permission == Permission::open ||
                    (route.permission == Permission::clock && clock_is_manual_ && request.from_loopback);
  if (free || has_token(request)) return std::nullopt;
  const bool sent = !request.header("authorization").empty();
  return refuse(ErrorCode::unauthenticated,
                std::string(request.method) + " " + route.path +
                    (sent ? ": the token is not this home's" : " needs this home's token"),
                "send the header 'Authorization: Bearer <token>' with the text of the file .trimtab/token");
}

std::optional<Reply> Guard::refuse_type(const Request& request, const Route& route) {
  const std::string_view type = media_type(request.header("content-type"));
  if (type.empty() || !may_carry_a_body(request.method)) return std::nullopt;
  const bool taken =
      std::any_of(route.content_types.begin(), route.content_types.end(),
                  [&](std::string_view known) { return known == "*/*" || equal_without_case(known, type); });
  if (taken) return std::nullopt;
  std::string wanted;
  for (const std::string& known : route.content_types) wanted += (wanted.empty() ? "" : " or ") + known;
  return refuse(
      ErrorCode::unsupported, "a body of type '" + shown(type) + "' is not taken here; send it as " + wanted,
      "set the header 'Content-Type: " + (route.content_types.empty() ? "" : route.content_types[0]) + "'",
      415);
}

}  // namespace trimtab::http
