// The people of a home: who they are, what they may do, what they sign in with. Every change and its audit
// row are one transaction; reads are answered from memory, and show a change once it is durable.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "people/roster.h"
#include "store/home.h"

namespace trimtab::people {

// A person, or a group of people.
struct Holder {
  std::string name;
  bool is_group = false;
};

struct NewCredential {
  std::string person;
  std::string label;
  Role role_max = Role::admin;
  std::string scope;
  std::optional<TimeUs> lasts;  // Nothing: for ever.
};

// What somebody is given once: the secret is kept nowhere.
struct Secret {
  std::string text;
  std::string id;
  std::string forgery_key;  // Of a session.
  std::optional<TimeUs> expires_at;
};

// Thread-safe. `actor` is who makes the change, for the audit. `done` is called once, on the commit thread
// after the fsync, when roster() shows the change already; it must be quick.
class People {
 public:
  using Done = std::function<void(Status)>;
  using DoneSecret = std::function<void(Result<Secret>)>;

  // Errors: storage_broken.
  static Result<std::unique_ptr<People>> open(store::Home& home, const base::Clock& clock);

  std::shared_ptr<const Roster> roster() const;
  const base::Clock& clock() const { return clock_; }

  // An empty hash: who signs in elsewhere, or with tokens alone. Errors: invalid (a name with other
  // characters than letters, digits and . _ @ + -, or over 128 of them), already_exists.
  void add_person(std::string actor, std::string name, std::string password_hash, Role everywhere, Done done);
  // With roles, tokens and sessions. Errors: not_found; conflict (the last admin).
  void remove_person(std::string actor, std::string name, Done done);
  // Ends the person's sessions. Errors: not_found.
  void set_password(std::string actor, std::string name, std::string password_hash, Done done);

  void add_group(std::string actor, std::string name, Done done);
  void remove_group(std::string actor, std::string name, Done done);
  void set_member(std::string actor, std::string group, std::string person, bool is_member, Done done);

  // Role::none takes the role away. Errors: not_found (the holder); conflict (the last admin).
  void set_role(std::string actor, Holder holder, std::string scope, Role role, Done done);

  // What was `from` is called `to` now; "": it is gone, with the roles in it and the tokens for it.
  void rename_scope(std::string actor, std::string from, std::string to, Done done);

  void add_token(std::string actor, NewCredential wanted, DoneSecret done);
  void open_session(std::string actor, NewCredential wanted, DoneSecret done);
  // By its id. Errors: not_found.
  void end_credential(std::string actor, std::string id, Done done);
  // Notes that it was used; once a minute at most, and nobody waits for that.
  void note_use(const std::string& secret_sha256, const Credential& credential);

  // The person who signs in elsewhere as `subject`; a new one gets `name` or, when that is taken, the
  // subject. No roles come with it.
  void meet(std::string issuer, std::string subject, std::string name,
            std::function<void(Result<std::string>)> done);

 private:
  struct Change;  // What the audit says of it.
  using Work = std::function<Result<Change>(store::Connection&, const Roster&)>;

  People(store::Home& home, const base::Clock& clock, std::shared_ptr<const Roster> roster)
      : home_(home), clock_(clock), roster_(std::move(roster)) {}
  void change(std::string actor, Work work, Done done);
  void add_credential(std::string actor, NewCredential wanted, bool is_session, DoneSecret done);

  store::Home& home_;
  const base::Clock& clock_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Roster> roster_;  // Guarded by mutex_.
  std::mutex uses_mutex_;
  std::map<std::string, TimeUs> uses_;  // Guarded by uses_mutex_: when the use of a credential was noted.
};

// Waits for a change; for threads that may wait.
Status wait_for(const std::function<void(People::Done)>& change);
Result<Secret> wait_for_secret(const std::function<void(People::DoneSecret)>& change);

}  // namespace trimtab::people
