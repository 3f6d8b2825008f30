#include "people/roster.h"

#include <algorithm>
#include <utility>

#include "base/diagnostics.h"
#include "base/hash.h"

namespace trimtab::people {
namespace {

using People = std::map<std::string, Person, std::less<>>;

Role kept_role(const std::string& name) { return http::find_role(name).value_or(Role::none); }

void raise(std::map<std::string, Role, std::less<>>& roles, const std::string& scope, Role role) {
  Role& known = roles[scope];
  known = std::max(known, role);
}

Result<People> load_people(store::Connection& connection) {
  People people;
  store::Statement row = connection.prepare(
      "SELECT name, password_hash, password_changed_at, created_at FROM person ORDER BY name");
  while (TRY(row.step())) {
    Person person;
    person.name = row.text(0);
    person.password_hash = row.text(1);
    person.password_changed_at = row.integer(2);
    person.created_at = row.integer(3);
    people.emplace(person.name, std::move(person));
  }
  return people;
}

Status load_groups(store::Connection& connection, Roster& roster, People& people) {
  store::Statement group = connection.prepare("SELECT name FROM person_group");
  while (TRY(group.step())) roster.groups.emplace(group.text(0), Group{});
  store::Statement member =
      connection.prepare("SELECT group_name, person FROM group_member ORDER BY group_name, person");
  while (TRY(member.step())) {
    roster.groups[member.text(0)].members.push_back(member.text(1));
    people[member.text(1)].groups.push_back(member.text(0));
  }
  return {};
}

Status load_roles(store::Connection& connection, Roster& roster, People& people) {
  store::Statement row = connection.prepare("SELECT holder_kind, holder, scope, role FROM role_grant");
  while (TRY(row.step())) {
    const std::string holder = row.text(1);
    const std::string scope = row.text(2);
    const Role role = kept_role(row.text(3));
    if (row.text(0) == "group") {
      roster.groups[holder].roles[scope] = role;
      for (const std::string& member : roster.groups[holder].members)
        raise(people[member].roles, scope, role);
    } else {
      people[holder].own_roles[scope] = role;
      raise(people[holder].roles, scope, role);
    }
  }
  return {};
}

std::optional<TimeUs> time_or_none(const store::Statement& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return row.integer(column);
}

Status load_credentials(store::Connection& connection, Roster& roster) {
  store::Statement row = connection.prepare(
      "SELECT sha256, id, kind, person, label, role_max, scope, forgery_key, created_at, expires_at, "
      "last_used_at FROM credential");
  while (TRY(row.step())) {
    auto credential = std::make_shared<Credential>();
    credential->id = row.text(1);
    credential->is_session = row.text(2) == "session";
    credential->person = roster.people[row.text(3)];
    credential->label = row.text(4);
    credential->role_max = kept_role(row.text(5));
    credential->scope = row.text(6);
    credential->forgery_key = row.text(7);
    credential->created_at = row.integer(8);
    credential->expires_at = time_or_none(row, 9);
    credential->last_used_at = time_or_none(row, 10);
    roster.credentials.emplace(row.text(0), std::move(credential));
  }
  store::Statement identity = connection.prepare("SELECT issuer, subject, person FROM identity");
  while (TRY(identity.step())) {
    roster.identities.emplace(std::pair(identity.text(0), identity.text(1)), identity.text(2));
  }
  return {};
}

}  // namespace

Role Person::role_in(std::string_view scope) const {
  const auto role_at = [&](std::string_view place) {
    const auto found = roles.find(place);
    return found == roles.end() ? Role::none : found->second;
  };
  return scope.empty() ? role_at("") : std::max(role_at(""), role_at(scope));
}

Result<std::shared_ptr<const Roster>> Roster::load(store::Connection& connection) {
  auto roster = std::make_shared<Roster>();
  People people = TRY(load_people(connection));
  TRY(load_groups(connection, *roster, people));
  TRY(load_roles(connection, *roster, people));
  for (auto& [name, person] : people) {
    roster->people.emplace(name, std::make_shared<const Person>(std::move(person)));
  }
  TRY(load_credentials(connection, *roster));
  return std::shared_ptr<const Roster>(std::move(roster));
}

Result<std::shared_ptr<const Person>> Roster::find_person(std::string_view name) const {
  if (const auto found = people.find(name); found != people.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [known, person] : people) names.push_back(known);
  std::string hint = base::did_you_mean(std::string(name), names);
  if (hint.empty()) hint = "`trimtab user list` shows everybody";
  return fail(ErrorCode::not_found, "there is no person '" + std::string(name) + "'", std::move(hint));
}

std::shared_ptr<const Credential> Roster::find_credential(std::string_view secret) const {
  const auto found = credentials.find(base::sha256(secret));
  return found == credentials.end() ? nullptr : found->second;
}

bool Roster::has_admin() const {
  return std::any_of(people.begin(), people.end(),
                     [](const auto& entry) { return entry.second->is_admin(); });
}

}  // namespace trimtab::people
