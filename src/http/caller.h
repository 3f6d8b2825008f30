// Who asks, and who finds that out. This room knows that callers have roles in scopes, and neither what a
// scope is nor where people come from; while there is no Doorkeeper, nobody has to say who they are.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace trimtab::http {

struct Route;

// Each may all that those before it may.
enum class Role : std::uint8_t { none, viewer, editor, deployer, approver, admin };

// "viewer", …; "none".
std::string_view role_name(Role role);
std::optional<Role> find_role(std::string_view name);  // Nothing for "none", too.

// Immutable, so thread-safe.
class Caller {
 public:
  virtual ~Caller() = default;
  virtual const std::string& name() const = 0;
  // "" is the whole server: a role there holds in every scope.
  virtual Role role_in(std::string_view scope) const = 0;
  // What it could use at most, wherever: less than admin for a token that is good for some things only, and
  // none for one that is good in one scope only. Decides about what has no scope yet, and one's own things.
  virtual Role most() const = 0;
};

// What is known of a caller when the head of the request has been read: at most one of the three. None: the
// route is for anybody.
struct Admission {
  std::shared_ptr<const Caller> caller;
  std::optional<Reply> refusal;
  std::function<Admission()> proof;  // Slow (a password is hashed): to be run on a pool, once.
};

// Thread-safe.
class Doorkeeper {
 public:
  virtual ~Doorkeeper() = default;
  // On an io thread: quick, and without the disk. The proof, if there is one, needs the request no more.
  virtual Admission admit(const Request& request, const Route& route) = 0;
};

}  // namespace trimtab::http
