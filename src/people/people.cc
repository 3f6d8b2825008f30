#include "people/people.h"

#include <algorithm>
#include <cctype>
#include <future>
#include <utility>

#include "base/hash.h"
#include "base/id.h"
#include "base/log.h"
#include "people/access_token.h"
#include "store/audit.h"

namespace trimtab::people {
namespace {

constexpr std::size_t kNameMax = 128;
constexpr TimeUs kUseNotedEvery = base::kMinuteUs;

Status check_name(const std::string& name) {
  const bool is_fine =
      !name.empty() && name.size() <= kNameMax && std::all_of(name.begin(), name.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
               std::string_view("._@+-").find(c) != std::string_view::npos;
      });
  // The audit knows the owner's command line and the server itself by these.
  const bool is_taken = name == "cli" || name == "server";
  if (is_fine && !is_taken) return {};
  return fail(ErrorCode::invalid, "'" + name.substr(0, kNameMax) + "' is no name of a person or group",
              "use letters, digits and . _ @ + -, at most 128 of them");
}

Status needs_admin(const Roster& after) {
  if (after.has_admin()) return {};
  return fail(ErrorCode::conflict, "nobody would be left who may administer this server",
              "make somebody else admin first");
}

Status forget_credentials(store::Connection& connection, const std::string& person, bool only_sessions) {
  return connection.prepare("DELETE FROM credential WHERE person = ? AND (kind = 'session' OR ?)")
      .with(person, only_sessions ? 0 : 1)
      .run();
}

Status need_group(const Roster& roster, const std::string& name) {
  if (roster.groups.contains(name)) return {};
  return fail(ErrorCode::not_found, "there is no group '" + name + "'",
              "`trimtab user list` shows all groups");
}

Status write_role(store::Connection& connection, const Holder& holder, const std::string& scope, Role role) {
  const char* kind = holder.is_group ? "group" : "person";
  if (role == Role::none) {
    return connection.prepare("DELETE FROM role_grant WHERE holder_kind = ? AND holder = ? AND scope = ?")
        .with(kind, holder.name, scope)
        .run();
  }
  return connection
      .prepare("INSERT OR REPLACE INTO role_grant (holder_kind, holder, scope, role) VALUES (?, ?, ?, ?)")
      .with(kind, holder.name, scope, http::role_name(role))
      .run();
}

}  // namespace

struct People::Change {
  std::string action;
  std::string object;
  Json detail = Json::object();
  bool may_take_the_last_admin = false;
};

Result<std::unique_ptr<People>> People::open(store::Home& home, const base::Clock& clock) {
  std::shared_ptr<const Roster> roster;
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    roster = TRY(Roster::load(connection));
    return {};
  }));
  return std::unique_ptr<People>(new People(home, clock, std::move(roster)));
}

std::shared_ptr<const Roster> People::roster() const {
  const std::lock_guard lock(mutex_);
  return roster_;
}

// The work sees what the changes before it in its group have made, committed or not: it loads the roster
// again from the writer's own connection.
void People::change(std::string actor, Work work, Done done) {
  auto after = std::make_shared<std::shared_ptr<const Roster>>();
  home_.database().submit(
      [this, actor = std::move(actor), work = std::move(work),
       after](store::Connection& connection) -> Status {
        const std::shared_ptr<const Roster> before = TRY(Roster::load(connection));
        const Change change = TRY(work(connection, *before));
        *after = TRY(Roster::load(connection));
        if (change.may_take_the_last_admin && before->has_admin()) TRY(needs_admin(**after));
        return store::append_audit(connection, clock_.now(), actor, change.action, change.object,
                                   change.detail.dump());
      },
      [this, after, done = std::move(done)](const Status& status) {
        if (status) {
          const std::lock_guard lock(mutex_);
          roster_ = *after;
        }
        done(status);
      });
}

void People::add_person(std::string actor, std::string name, std::string password_hash, Role everywhere,
                        Done done) {
  change(
      std::move(actor),
      [this, name, password_hash, everywhere](store::Connection& connection,
                                              const Roster& roster) -> Result<Change> {
        TRY(check_name(name));
        if (roster.people.contains(name))
          return fail(ErrorCode::already_exists, "there is a person '" + name + "' already");
        TRY(connection
                .prepare("INSERT INTO person (name, password_hash, password_changed_at, created_at) VALUES "
                         "(?, ?, ?, ?)")
                .with(name, password_hash, clock_.now(), clock_.now())
                .run());
        Change made{"person.add", "person/" + name};
        if (everywhere != Role::none) {
          TRY(write_role(connection, {name, false}, "", everywhere));
          made.detail.set("role", http::role_name(everywhere));
        }
        return made;
      },
      std::move(done));
}

void People::remove_person(std::string actor, std::string name, Done done) {
  change(
      std::move(actor),
      [name](store::Connection& connection, const Roster& roster) -> Result<Change> {
        TRY(roster.find_person(name));
        for (const char* sql :
             {"DELETE FROM credential WHERE person = ?", "DELETE FROM group_member WHERE person = ?",
              "DELETE FROM identity WHERE person = ?",
              "DELETE FROM role_grant WHERE holder_kind = 'person' AND holder = ?",
              "DELETE FROM person WHERE name = ?"}) {
          TRY(connection.prepare(sql).with(name).run());
        }
        return Change{"person.remove", "person/" + name, Json::object(), true};
      },
      std::move(done));
}

void People::set_password(std::string actor, std::string name, std::string password_hash, Done done) {
  change(
      std::move(actor),
      [this, name, password_hash](store::Connection& connection, const Roster& roster) -> Result<Change> {
        TRY(roster.find_person(name));
        TRY(connection.prepare("UPDATE person SET password_hash = ?, password_changed_at = ? WHERE name = ?")
                .with(password_hash, clock_.now(), name)
                .run());
        TRY(forget_credentials(connection, name, true));
        return Change{"person.password", "person/" + name};
      },
      std::move(done));
}

void People::add_group(std::string actor, std::string name, Done done) {
  change(
      std::move(actor),
      [this, name](store::Connection& connection, const Roster& roster) -> Result<Change> {
        TRY(check_name(name));
        if (roster.groups.contains(name))
          return fail(ErrorCode::already_exists, "there is a group '" + name + "' already");
        TRY(connection.prepare("INSERT INTO person_group (name, created_at) VALUES (?, ?)")
                .with(name, clock_.now())
                .run());
        return Change{"group.add", "group/" + name};
      },
      std::move(done));
}

void People::remove_group(std::string actor, std::string name, Done done) {
  change(
      std::move(actor),
      [name](store::Connection& connection, const Roster& roster) -> Result<Change> {
        TRY(need_group(roster, name));
        for (const char* sql : {"DELETE FROM group_member WHERE group_name = ?",
                                "DELETE FROM role_grant WHERE holder_kind = 'group' AND holder = ?",
                                "DELETE FROM person_group WHERE name = ?"}) {
          TRY(connection.prepare(sql).with(name).run());
        }
        return Change{"group.remove", "group/" + name, Json::object(), true};
      },
      std::move(done));
}

void People::set_member(std::string actor, std::string group, std::string person, bool is_member, Done done) {
  change(
      std::move(actor),
      [group, person, is_member](store::Connection& connection, const Roster& roster) -> Result<Change> {
        TRY(need_group(roster, group));
        TRY(roster.find_person(person));
        TRY(connection
                .prepare(is_member ? "INSERT OR IGNORE INTO group_member (group_name, person) VALUES (?, ?)"
                                   : "DELETE FROM group_member WHERE group_name = ? AND person = ?")
                .with(group, person)
                .run());
        return Change{is_member ? "group.join" : "group.leave", "group/" + group,
                      Json::object({{"person", person}}), true};
      },
      std::move(done));
}

void People::set_role(std::string actor, Holder holder, std::string scope, Role role, Done done) {
  change(
      std::move(actor),
      [holder, scope, role](store::Connection& connection, const Roster& roster) -> Result<Change> {
        if (holder.is_group) TRY(need_group(roster, holder.name));
        if (!holder.is_group) TRY(roster.find_person(holder.name));
        TRY(write_role(connection, holder, scope, role));
        Change made{role == Role::none ? "role.revoke" : "role.grant",
                    (holder.is_group ? "group/" : "person/") + holder.name};
        made.detail.set("scope", scope.empty() ? "server" : scope).set("role", http::role_name(role));
        made.may_take_the_last_admin = true;
        return made;
      },
      std::move(done));
}

void People::rename_scope(std::string actor, std::string from, std::string to, Done done) {
  change(
      std::move(actor),
      [from, to](store::Connection& connection, const Roster&) -> Result<Change> {
        // What lies about under the new name belonged to something that is gone.
        for (const std::string& gone : {to, to.empty() ? from : std::string()}) {
          if (gone.empty()) continue;
          TRY(connection.prepare("DELETE FROM role_grant WHERE scope = ?").with(gone).run());
          TRY(connection.prepare("DELETE FROM credential WHERE scope = ?").with(gone).run());
        }
        TRY(connection.prepare("UPDATE role_grant SET scope = ? WHERE scope = ?").with(to, from).run());
        TRY(connection.prepare("UPDATE credential SET scope = ? WHERE scope = ?").with(to, from).run());
        return Change{to.empty() ? "scope.forget" : "scope.rename", from, Json::object({{"to", to}}), false};
      },
      std::move(done));
}

void People::add_credential(std::string actor, NewCredential wanted, bool is_session, DoneSecret done) {
  auto secret = std::make_shared<Secret>();
  secret->text = is_session ? base::random_hex(32) : make_access_token();
  secret->id = base::random_id();
  if (is_session) secret->forgery_key = base::random_hex(16);
  change(
      std::move(actor),
      [this, wanted, is_session, secret](store::Connection& connection,
                                         const Roster& roster) -> Result<Change> {
        TRY(roster.find_person(wanted.person));
        const TimeUs now = clock_.now();
        if (wanted.lasts) secret->expires_at = now + *wanted.lasts;
        TRY(connection.prepare("DELETE FROM credential WHERE kind = 'session' AND expires_at <= ?")
                .with(now)
                .run());
        store::Statement row = connection.prepare(
            "INSERT INTO credential (id, kind, sha256, person, label, role_max, scope, forgery_key, "
            "created_at, "
            "expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        row.with(secret->id, is_session ? "session" : "token", base::sha256(secret->text), wanted.person,
                 wanted.label, http::role_name(wanted.role_max), wanted.scope, secret->forgery_key, now);
        secret->expires_at ? row.bind(9, *secret->expires_at) : row.bind_null(9);
        TRY(row.run());
        Change made{is_session ? "session.open" : "token.add", "person/" + wanted.person};
        made.detail.set("id", secret->id).set("label", wanted.label);
        return made;
      },
      [secret, done = std::move(done)](const Status& status) {
        if (!status) return done(fail(status.error()));
        done(*secret);
      });
}

void People::add_token(std::string actor, NewCredential wanted, DoneSecret done) {
  add_credential(std::move(actor), std::move(wanted), false, std::move(done));
}

void People::open_session(std::string actor, NewCredential wanted, DoneSecret done) {
  add_credential(std::move(actor), std::move(wanted), true, std::move(done));
}

void People::end_credential(std::string actor, std::string id, Done done) {
  change(
      std::move(actor),
      [id](store::Connection& connection, const Roster& roster) -> Result<Change> {
        for (const auto& [sha256, credential] : roster.credentials) {
          if (credential->id != id) continue;
          TRY(connection.prepare("DELETE FROM credential WHERE id = ?").with(id).run());
          Change made{credential->is_session ? "session.close" : "token.revoke",
                      "person/" + credential->person->name};
          made.detail.set("id", id).set("label", credential->label);
          return made;
        }
        return fail(ErrorCode::not_found, "there is no token '" + id + "'",
                    "`trimtab user list` shows all tokens");
      },
      std::move(done));
}

void People::note_use(const std::string& secret_sha256, const Credential& credential) {
  const TimeUs now = clock_.now();
  {
    const std::lock_guard lock(uses_mutex_);
    TimeUs& noted = uses_.try_emplace(credential.id, credential.last_used_at.value_or(0)).first->second;
    if (now - noted < kUseNotedEvery) return;
    noted = now;
  }
  home_.database().submit(
      [secret_sha256, now](store::Connection& connection) {
        return connection.prepare("UPDATE credential SET last_used_at = ? WHERE sha256 = ?")
            .with(now, secret_sha256)
            .run();
      },
      [](const Status& status) {
        if (!status) base::log_warning("people", "a token's use was not noted: " + status.error().message);
      });
}

void People::meet(std::string issuer, std::string subject, std::string name,
                  std::function<void(Result<std::string>)> done) {
  auto known_as = std::make_shared<std::string>();
  change(
      "sign-in",
      [this, issuer, subject, name, known_as](store::Connection& connection,
                                              const Roster& roster) -> Result<Change> {
        const auto known = roster.identities.find({issuer, subject});
        if (known != roster.identities.end()) {
          *known_as = known->second;
          return Change{"person.sign_in", "person/" + *known_as};
        }
        *known_as = check_name(name) && !roster.people.contains(name) ? name : subject;
        TRY(check_name(*known_as));
        TRY(connection
                .prepare("INSERT INTO person (name, password_hash, password_changed_at, created_at) VALUES "
                         "(?, '', ?, ?)")
                .with(*known_as, clock_.now(), clock_.now())
                .run());
        TRY(connection.prepare("INSERT INTO identity (issuer, subject, person) VALUES (?, ?, ?)")
                .with(issuer, subject, *known_as)
                .run());
        return Change{"person.add", "person/" + *known_as,
                      Json::object({{"issuer", issuer}, {"subject", subject}})};
      },
      [known_as, done = std::move(done)](const Status& status) {
        if (!status) return done(fail(status.error()));
        done(*known_as);
      });
}

Status wait_for(const std::function<void(People::Done)>& change) {
  auto answer = std::make_shared<std::promise<Status>>();
  std::future<Status> answered = answer->get_future();
  change([answer](Status status) { answer->set_value(std::move(status)); });
  return answered.get();
}

Result<Secret> wait_for_secret(const std::function<void(People::DoneSecret)>& change) {
  auto answer = std::make_shared<std::promise<Result<Secret>>>();
  std::future<Result<Secret>> answered = answer->get_future();
  change([answer](Result<Secret> secret) { answer->set_value(std::move(secret)); });
  return answered.get();
}

}  // namespace trimtab::people
