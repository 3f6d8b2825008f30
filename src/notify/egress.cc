#include "notify/egress.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <cstdint>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <optional>
#include <span>
#include <sys/socket.h>

#include "base/file.h"

namespace trimtab::notify {
namespace {

constexpr std::uint64_t kExceptionBytesMax = 64u << 10;
constexpr std::size_t kUrlBytesMax = 2048;

tl::unexpected<Error> invalid(std::string message, std::string hint = {}) {
  return fail(ErrorCode::invalid, std::move(message), std::move(hint));
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  return out;
}

struct Range4 {
  std::uint32_t first;
  int bits;
};
// IANA's special-purpose registry: what is not globally reachable, and multicast.
constexpr std::array kNotPublic4 = {Range4{0x00000000, 8},  Range4{0x0a000000, 8},  Range4{0x64400000, 10},
                                    Range4{0x7f000000, 8},  Range4{0xa9fe0000, 16}, Range4{0xac100000, 12},
                                    Range4{0xc0000000, 24}, Range4{0xc0000200, 24}, Range4{0xc0586300, 24},
                                    Range4{0xc0a80000, 16}, Range4{0xc6120000, 15}, Range4{0xc6336400, 24},
                                    Range4{0xcb007100, 24}, Range4{0xe0000000, 4},  Range4{0xf0000000, 4}};

bool is_public4(std::uint32_t address) {
  return std::none_of(kNotPublic4.begin(), kNotPublic4.end(),
                      [&](const Range4& range) { return (address ^ range.first) >> (32 - range.bits) == 0; });
}

std::uint32_t word(std::span<const unsigned char> bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 |
         bytes[3];
}

bool is_public6(const in6_addr& address) {
  const std::span<const unsigned char, 16> bytes(address.s6_addr);
  const std::uint32_t first = word(bytes.subspan(0, 4));
  const bool is_rest_zero = word(bytes.subspan(4, 4)) == 0;
  // IPv4 in disguise: mapped, NAT64, 6to4.
  if (first == 0 && is_rest_zero && word(bytes.subspan(8, 4)) == 0xffff)
    return is_public4(word(bytes.subspan(12, 4)));
  if (first == 0x0064ff9b && is_rest_zero && word(bytes.subspan(8, 4)) == 0)
    return is_public4(word(bytes.subspan(12, 4)));
  if (first >> 16 == 0x2002) return is_public4(word(bytes.subspan(2, 4)));
  // Of the rest only 2000::/3 is anybody's, without protocol assignments, Teredo and documentation.
  const bool is_assigned = first >> 29 == 1;
  const bool is_special = first >> 9 == 0x20010000u >> 9 || first == 0x20010db8 || first >> 12 == 0x3fff0;
  return is_assigned && !is_special;
}

// Only what is written as numbers, in any of the spellings that the system would take.
std::optional<std::string> literal_address(const std::string& host) {
  addrinfo wanted{};
  wanted.ai_flags = AI_NUMERICHOST;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &wanted, &found) != 0) return std::nullopt;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, ::freeaddrinfo);
  std::array<char, NI_MAXHOST> text{};
  if (::getnameinfo(found->ai_addr, found->ai_addrlen, text.data(), text.size(), nullptr, 0,
                    NI_NUMERICHOST) != 0)
    return std::nullopt;
  return std::string(text.data());
}

Status check_address(const Url& url, const std::string& address) {
  if (is_public_address(address)) return {};
  return invalid("Webhook URL must not resolve to a non-public IP address. '" + url.host + "' resolves to " +
                     address + ".",
                 "if it is meant, write '" + url.host + "' into the file 'egress' of the home");
}

}  // namespace

std::string Url::authority() const {
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (is_secure ? 443 : 80) ? name : name + ":" + std::to_string(port);
}

Result<Url> parse_url(std::string_view text) {
  const bool is_clean =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f && c != '\\'; });
  const std::size_t colon = text.find("://");
  const std::string scheme = lower(text.substr(0, std::min(colon, text.find(':'))));
  if (colon == std::string_view::npos || (scheme != "https" && scheme != "http")) {
    return invalid("Invalid webhook URL scheme: '" +
                   (text.find(':') == std::string_view::npos ? "" : scheme) +
                   "'. Allowed schemes are: https.");
  }
  if (!is_clean || text.size() > kUrlBytesMax) {
    return invalid("Invalid webhook URL: it holds blanks or other characters than ASCII, or is longer than " +
                   std::to_string(kUrlBytesMax));
  }
  Url url;
  url.is_secure = scheme == "https";
  std::string_view rest = text.substr(colon + 3);
  const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view place = rest.substr(0, end);
  rest.remove_prefix(end);
  rest = rest.substr(0, rest.find('#'));
  url.target = rest.starts_with('/') ? std::string(rest) : "/" + std::string(rest);
  if (place.find('@') != std::string_view::npos) {
    return invalid("Invalid webhook URL: it holds a user's name", "use a secret to sign what is sent");
  }
  const bool is_bracketed = place.starts_with('[');
  const std::size_t close = is_bracketed ? place.find(']') : std::min(place.find(':'), place.size());
  if (close == std::string_view::npos) return invalid("Invalid webhook URL: its host's '[' is never closed");
  url.host = lower(place.substr(is_bracketed ? 1 : 0, close - (is_bracketed ? 1 : 0)));
  if (url.host.empty()) return invalid("Webhook URL must include a hostname: '" + std::string(text) + "'");
  place.remove_prefix(std::min(close + (is_bracketed ? 1 : 0), place.size()));
  url.port = url.is_secure ? 443 : 80;
  if (place.empty()) return url;
  const std::string_view digits = place.substr(1);
  const auto [last, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), url.port);
  const bool is_port = place.front() == ':' && failed == std::errc() &&
                       last == digits.data() + digits.size() && url.port > 0 && url.port < 65536;
  if (!is_port) return invalid("Invalid webhook URL: its port is no number from 1 to 65535");
  return url;
}

Result<Egress> Egress::read(const std::filesystem::path& home_folder) {
  Egress egress;
  const Result<std::string> text = base::read_file(home_folder / "egress", kExceptionBytesMax);
  if (!text && text.error().code == ErrorCode::not_found) return egress;
  if (!text) return fail(text.error());
  for (std::string_view rest = *text; !rest.empty();) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    line = line.substr(0, line.find('#'));
    while (!line.empty() && std::string_view(" \t\r").find(line.back()) != std::string_view::npos)
      line.remove_suffix(1);
    if (!line.empty()) egress.exceptions_.push_back(lower(line));
  }
  return egress;
}

bool Egress::is_exception(const Url& url) const {
  const std::string name = url.host.find(':') == std::string::npos ? url.host : "[" + url.host + "]";
  return std::any_of(exceptions_.begin(), exceptions_.end(), [&](const std::string& allowed) {
    return allowed == name || allowed == name + ":" + std::to_string(url.port);
  });
}

Status Egress::check(const Url& url) const {
  if (is_exception(url)) return {};
  if (!url.is_secure) {
    return invalid("Invalid webhook URL scheme: 'http'. Allowed schemes are: https.",
                   "use https, or write '" + url.host + "' into the file 'egress' of the home");
  }
  const bool is_own_name =
      url.host == "localhost" || url.host.ends_with(".localhost") || url.host.ends_with(".");
  if (is_own_name) return check_address(url, "127.0.0.1");
  const std::optional<std::string> literal = literal_address(url.host);
  return literal ? check_address(url, *literal) : Status();
}

Result<std::vector<Address>> Egress::resolve(const Url& url) const {
  TRY(check(url));
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(url.host.c_str(), nullptr, &wanted, &found);
  if (failed != 0) {
    return fail(ErrorCode::busy,
                "Cannot resolve Webhook URL hostname '" + url.host + "': " + ::gai_strerror(failed));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, ::freeaddrinfo);
  std::vector<Address> addresses;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(one->ai_addr, one->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) !=
        0)
      continue;
    // One private address among public ones is refused as well: a name is not a lottery.
    if (!is_exception(url)) TRY(check_address(url, text.data()));
    addresses.push_back({text.data(), url.port});
  }
  return addresses;
}

bool is_public_address(std::string_view address) {
  const std::string text(address);
  in_addr four{};
  if (::inet_pton(AF_INET, text.c_str(), &four) == 1) return is_public4(ntohl(four.s_addr));
  in6_addr six{};
  // With a zone ("fe80::1%eth0") it belongs to one network.
  return ::inet_pton(AF_INET6, text.c_str(), &six) == 1 && is_public6(six);
}

}  // namespace trimtab::notify
