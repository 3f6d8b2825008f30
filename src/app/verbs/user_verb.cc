// People, groups, passwords and tokens, and the roles they have.
#include <iostream>

#include "app/verbs/people_desk.h"
#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "base/diagnostics.h"

namespace trimtab::app {
namespace {

// A line of a list: "name   role in where, …".
std::string roles_text(const Json& roles) {
  std::string text;
  for (const Json& role : roles.as_array()) {
    text += (text.empty() ? "" : ", ") + role.text_or("role") + " of " + role.text_or("scope");
  }
  return text.empty() ? "no role" : text;
}

std::string padded(const std::string& name) {
  return name + std::string(name.size() < 20 ? 20 - name.size() : 1, ' ');
}

std::string list_text(const Json& report) {
  std::string text;
  for (const Json& person : report["people"].as_array()) {
    text += padded(person.text_or("name")) + roles_text(person["roles"]);
    for (const Json& group : person["groups"].as_array()) text += ", in group " + group.as_string();
    text += "\n";
  }
  for (const Json& group : report["groups"].as_array())
    text += padded("group " + group.text_or("name")) + roles_text(group["roles"]) + "\n";
  for (const Json& token : report["tokens"].as_array()) {
    text += "token " + token.text_or("id") + "  " + token.text_or("person") + ", " + token.text_or("label") +
            ", at most " + token.text_or("role_max") + " of " + token.text_or("scope") + ", expires " +
            token.text_or("expires", "never") + ", last used " + token.text_or("last_used", "never") + "\n";
  }
  return text.empty() ? "There is nobody yet. `trimtab user add NAME` adds somebody.\n" : text;
}

Json scope_json(const Arguments& arguments) {
  Json json = Json::object();
  if (!arguments.in_project.empty()) json.set("project", arguments.in_project);
  if (!arguments.in_model.empty()) json.set("model", arguments.in_model);
  return json;
}

Result<std::string> read_password() {
  std::string line;
  if (!std::getline(std::cin, line) || line.empty())
    return fail(ErrorCode::invalid, "there is no password on standard input");
  return line;
}

// What a word of `trimtab user` does.
struct Order {
  std::string method;
  std::string path;
  Json body;
  std::string said;  // On success.
};

struct Words {
  const std::vector<std::string>& all;
  std::string step(std::size_t at) const { return as_path_step(all[at]); }
};

Result<Order> person_order(const Arguments& arguments, const Words& words) {
  const std::string& what = words.all[0];
  const std::string path = "/api/v1/people/" + words.step(1);
  Json body = Json::object();
  if (what == "add") body.set("name", words.all[1]);
  if (what == "add" && !arguments.role.empty()) body.set("role", arguments.role);
  if (arguments.password_stdin) body.set("password", TRY(read_password()));
  if (what == "add") return Order{"POST", "/api/v1/people", body, words.all[1] + " is added."};
  if (what == "remove") return Order{"DELETE", path, nullptr, words.all[1] + " is gone."};
  if (what == "password")
    return Order{"POST", path + "/password", body, words.all[1] + " has another password."};
  body = scope_json(arguments);
  if (!arguments.role.empty()) body.set("role", arguments.role);
  body.set("label", arguments.label).set("lasts", arguments.lasts);
  return Order{"POST", path + "/tokens", body, "This token is shown once:"};
}

Result<Order> group_order(const Words& words) {
  const std::string& what = words.all[0];
  if (what == "group")
    return Order{"POST", "/api/v1/groups", Json::object({{"name", words.all[1]}}), "Made."};
  if (what == "ungroup") return Order{"DELETE", "/api/v1/groups/" + words.step(1), nullptr, "It is gone."};
  const std::string path = "/api/v1/groups/" + words.step(1) + "/members/" + words.step(2);
  return Order{what == "join" ? "PUT" : "DELETE", path, nullptr, "Done."};
}

Result<Order> user_order(const Arguments& arguments) {
  const Words words{arguments.words};
  const std::string what = words.all.empty() ? "" : words.all[0];
  if (what == "list" && words.all.size() == 1) return Order{"GET", "/api/v1/people", nullptr, ""};
  if (words.all.size() == 2) {
    if (what == "add" || what == "remove" || what == "password" || what == "token")
      return person_order(arguments, words);
    if (what == "revoke")
      return Order{"DELETE", "/api/v1/tokens/" + words.step(1), nullptr, "It is revoked."};
    if (what == "group" || what == "ungroup") return group_order(words);
  }
  if (words.all.size() == 3 && (what == "join" || what == "leave")) return group_order(words);
  std::string hint = base::did_you_mean(
      what, {"list", "add", "remove", "password", "token", "revoke", "group", "ungroup", "join", "leave"});
  return fail(ErrorCode::invalid, "`trimtab user` does not understand this",
              hint.empty() ? "`trimtab help user` shows what it takes" : std::move(hint));
}

Status carry_out(const Arguments& arguments, const Order& order) {
  PeopleDesk desk = TRY(PeopleDesk::open(arguments));
  const Json report = TRY(desk.order(order.method, order.path, order.body));
  std::string text = order.said.empty() ? list_text(report) : order.said + "\n";
  for (const char* secret : {"password", "token"}) {
    if (report.find(secret) != nullptr && !order.said.empty())
      text += std::string(secret) + ": " + report.text_or(secret) + "\n";
  }
  print_report(arguments, text, report);
  return {};
}

}  // namespace

Status user_verb(const Arguments& arguments) { return carry_out(arguments, TRY(user_order(arguments))); }

Status role_verb(const Arguments& arguments) {
  const std::vector<std::string>& words = arguments.words;
  const std::string what = words.empty() ? "" : words[0];
  if (what == "list" && words.size() == 1)
    return carry_out(arguments, Order{"GET", "/api/v1/people", nullptr, ""});
  const bool grants = what == "grant" && words.size() == 3;
  if (!grants && !(what == "revoke" && words.size() == 2)) {
    return fail(ErrorCode::invalid, "`trimtab role` does not understand this",
                "as in `trimtab role grant anna editor --in flights`; `trimtab help role` tells more");
  }
  Json body = scope_json(arguments);
  body.set(arguments.is_group ? "group" : "person", words[1]).set("role", grants ? words[2] : "none");
  return carry_out(arguments, Order{"POST", "/api/v1/roles", body, "Done."});
}

}  // namespace trimtab::app
