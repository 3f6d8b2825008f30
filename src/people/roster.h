// Who everybody is at one moment: an immutable picture of the people of a home, answered from memory.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "http/caller.h"
#include "store/connection.h"

namespace trimtab::people {

using http::Role;

struct Person {
  std::string name;
  std::string password_hash;  // "": no password to sign in with.
  TimeUs password_changed_at = 0;
  TimeUs created_at = 0;
  std::map<std::string, Role, std::less<>> own_roles;  // By scope.
  std::map<std::string, Role, std::less<>> roles;      // By scope; those of groups, too.
  std::vector<std::string> groups;

  // The greater of the role there and the role in the whole server.
  Role role_in(std::string_view scope) const;
  bool is_admin() const { return role_in("") == Role::admin; }
};

struct Group {
  std::vector<std::string> members;
  std::map<std::string, Role, std::less<>> roles;
};

// A token, or a browser's session.
struct Credential {
  std::string id;
  bool is_session = false;
  std::string label;
  Role role_max = Role::admin;
  std::string scope;        // Valid there alone; "": everywhere.
  std::string forgery_key;  // Of a session.
  TimeUs created_at = 0;
  std::optional<TimeUs> expires_at;
  std::optional<TimeUs> last_used_at;
  std::shared_ptr<const Person> person;

  bool is_over(TimeUs now) const { return expires_at && *expires_at <= now; }
};

struct Roster {
  std::map<std::string, std::shared_ptr<const Person>, std::less<>> people;
  std::map<std::string, Group, std::less<>> groups;
  std::unordered_map<std::string, std::shared_ptr<const Credential>>
      credentials;                                                        // By SHA-256 of the secret.
  std::map<std::pair<std::string, std::string>, std::string> identities;  // (issuer, subject) → name.

  // Errors: storage_broken.
  static Result<std::shared_ptr<const Roster>> load(store::Connection& connection);

  // Errors: not_found (did you mean).
  Result<std::shared_ptr<const Person>> find_person(std::string_view name) const;
  std::shared_ptr<const Credential> find_credential(std::string_view secret) const;  // Null: unknown.
  bool has_admin() const;
};

}  // namespace trimtab::people
