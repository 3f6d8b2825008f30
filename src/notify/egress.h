// Where this program may send something that a user asked it to send. By default only to https and to
// addresses that are public: a webhook must not become a way into the network that the server stands in.
// The home's file "egress" lists the exceptions, a host or host:port a line; who may write it owns the home.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace trimtab::notify {

struct Url {
  bool is_secure = true;
  std::string host;  // Without brackets.
  int port = 0;
  std::string target;  // Path and query; begins with a slash.

  // "host:port" without the port that goes without saying.
  std::string authority() const;
};

// Errors: invalid, with MLflow's words where it has some: another scheme than http and https, no host, user
// and password, blanks and control characters.
Result<Url> parse_url(std::string_view text);

// Where bytes may be sent, which nothing can turn into another place any more.
struct Address {
  std::string text;  // "203.0.114.7" or "2001:4860::8"
  int port = 0;
};

class Egress {
 public:
  // An absent file allows nothing beyond the default. Errors: storage_broken.
  static Result<Egress> read(const std::filesystem::path& home_folder);

  // What can be said without asking anybody for an address. Errors: invalid (http, a literal address that is
  // not public, a name of this machine).
  Status check(const Url& url) const;
  // Asks for the host's addresses; each must be allowed. Blocks. Errors: invalid (as check, of what the name
  // stands for), busy (no address).
  Result<std::vector<Address>> resolve(const Url& url) const;

 private:
  bool is_exception(const Url& url) const;

  std::vector<std::string> exceptions_;
};

// Reachable from everywhere: neither of this machine nor of its networks, nor reserved; an IPv4 address in an
// IPv6 one counts as what it is.
bool is_public_address(std::string_view address);

}  // namespace trimtab::notify
