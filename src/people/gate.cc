#include "people/gate.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/base64.h"
#include "base/hash.h"
#include "base/id.h"
#include "http/percent.h"
#include "http/route.h"
#include "people/access_token.h"
#include "people/password.h"

namespace trimtab::people {
namespace {

using http::Admission;

constexpr TimeUs kProofLasts = 5 * base::kMinuteUs;
constexpr std::size_t kProofsMax = 4096;
constexpr std::string_view kForgeryHeader = "x-trimtab-csrf";

Admission refuse(ErrorCode code, const std::string& message, const std::string& hint, int status = 0) {
  Admission admission;
  // In MLflow's words, too: its clients look for these.
  const std::string_view mlflow_code =
      status == 429 ? "REQUEST_LIMIT_EXCEEDED" : base::error_row(code).mlflow_code;
  Json error = Json::object({{"code", base::error_row(code).name}, {"message", message}, {"hint", hint}});
  Json body = Json::object(
      {{"error", std::move(error)}, {"error_code", mlflow_code}, {"message", message + "; " + hint}});
  admission.refusal = http::Reply::json(body, status != 0 ? status : base::error_row(code).http_status);
  admission.refusal->error = std::make_shared<const Error>(Error{code, message, hint, std::nullopt, nullptr});
  // Browsers would ask with a window of their own if they were told of Basic.
  if (code == ErrorCode::unauthenticated)
    admission.refusal->headers.emplace_back("WWW-Authenticate", "Bearer");
  return admission;
}

Admission refuse_unknown(std::string message) {
  return refuse(ErrorCode::unauthenticated, std::move(message),
                "send 'Authorization: Bearer <token>' with a token of `trimtab user token NAME`, or set "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD");
}

Admission let_in(std::shared_ptr<const http::Caller> caller) {
  Admission admission;
  admission.caller = std::move(caller);
  return admission;
}

// What follows the scheme's name, or nothing when it is another scheme.
std::optional<std::string_view> after_scheme(std::string_view value, std::string_view scheme) {
  if (value.size() <= scheme.size() || value[scheme.size()] != ' ') return std::nullopt;
  if (!http::equal_without_case(value.substr(0, scheme.size()), scheme)) return std::nullopt;
  return value.substr(scheme.size() + 1);
}

bool changes_things(std::string_view method) { return method != "GET" && method != "HEAD"; }

bool has_secret_in_query(std::string_view query) {
  return query.find("token=trimtab_") != std::string_view::npos;
}

std::shared_ptr<const http::Caller> owner_of_the_home() {
  auto owner = std::make_shared<Person>();
  owner->name = "cli";
  owner->roles[""] = Role::admin;
  return std::make_shared<KnownCaller>(std::shared_ptr<const Person>(std::move(owner)));
}

}  // namespace

http::Role KnownCaller::role_in(std::string_view scope) const {
  const Role role = person_->role_in(scope);
  if (credential_ == nullptr) return role;
  if (!credential_->scope.empty() && credential_->scope != scope) return Role::none;
  return std::min(role, credential_->role_max);
}

http::Role KnownCaller::most() const {
  if (credential_ == nullptr) return Role::admin;
  return credential_->scope.empty() ? credential_->role_max : Role::none;
}

std::string session_cookie_name(bool is_tls) { return is_tls ? "__Host-trimtab" : "trimtab"; }

std::string_view cookie_of(const http::Request& request, std::string_view name) {
  for (const auto& [header, value] : request.headers) {
    if (!http::equal_without_case(header, "cookie")) continue;
    for (std::string_view rest = value; !rest.empty();) {
      const std::size_t end = std::min(rest.find(';'), rest.size());
      std::string_view pair = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      while (pair.starts_with(' ')) pair.remove_prefix(1);
      if (pair.starts_with(name) && pair.substr(name.size()).starts_with('='))
        return pair.substr(name.size() + 1);
    }
  }
  return {};
}

Gate::Gate(People& people, std::string home_token)
    : people_(people),
      home_token_(std::move(home_token)),
      owner_(owner_of_the_home()),
      salt_(base::random_hex(32)) {}

Admission Gate::admit(const http::Request& request, const http::Route& route) {
  const std::string_view sent = request.header("authorization");
  if (has_secret_in_query(request.query)) {
    return refuse(ErrorCode::unauthenticated, "a token does not belong into an address: addresses are logged",
                  "revoke it, and send a new one in the header Authorization");
  }
  Admission admission;
  if (const auto text = after_scheme(sent, "bearer")) {
    admission = by_bearer(*text);
  } else if (const auto pair = after_scheme(sent, "basic")) {
    admission = by_basic(request, *pair);
  } else if (!sent.empty()) {
    admission = refuse_unknown("the header Authorization has no scheme that is known here");
  } else {
    std::string_view secret = cookie_of(request, session_cookie_name(true));
    if (secret.empty()) secret = cookie_of(request, session_cookie_name(false));
    if (!secret.empty()) admission = by_session(request, secret);
  }
  if (route.is_for_anybody) return admission.caller ? admission : Admission{};
  if (admission.caller || admission.refusal || admission.proof) return admission;
  return refuse_unknown(std::string(request.method) + " " + route.path + " is for people who are signed in");
}

Admission Gate::by_bearer(std::string_view text) {
  if (base::equal_in_constant_time(text, home_token_)) return let_in(owner_);
  if (!is_access_token(text)) return refuse_unknown("the token is none of this server's");
  return by_secret(text, "token");
}

Admission Gate::by_secret(std::string_view secret, const char* what) {
  const std::shared_ptr<const Credential> known = people_.roster()->find_credential(secret);
  if (known == nullptr) return refuse_unknown("the " + std::string(what) + " is unknown, or was revoked");
  if (known->is_over(people_.clock().now()))
    return refuse_unknown("the " + std::string(what) + " has expired");
  people_.note_use(base::sha256(secret), *known);
  return let_in(std::make_shared<KnownCaller>(known));
}

Admission Gate::by_session(const http::Request& request, std::string_view secret) {
  const std::shared_ptr<const Credential> known = people_.roster()->find_credential(secret);
  if (known == nullptr || !known->is_session || known->is_over(people_.clock().now()))
    return refuse_unknown("the session is over");
  if (changes_things(request.method) &&
      !base::equal_in_constant_time(request.header(kForgeryHeader), known->forgery_key)) {
    return refuse(ErrorCode::forbidden, "a change by a session needs the session's own key",
                  "send the header X-Trimtab-CSRF with the 'csrf' of GET /api/v1/session");
  }
  return by_secret(secret, "session");
}

std::shared_ptr<const http::Caller> Gate::remembered(const std::string& key) {
  Proof proof;
  {
    const std::lock_guard lock(mutex_);
    const auto found = proofs_.find(key);
    if (found == proofs_.end()) return nullptr;
    proof = found->second;
    if (proof.until <= base::steady_now()) {
      proofs_.erase(found);
      return nullptr;
    }
  }
  const auto roster = people_.roster();
  const auto person = roster->people.find(proof.person);
  if (person == roster->people.end() || person->second->password_hash != proof.password_hash) return nullptr;
  return std::make_shared<KnownCaller>(person->second);
}

Admission Gate::by_basic(const http::Request& request, std::string_view text) {
  const std::optional<std::string> pair = base::from_base64(text);
  const std::size_t colon = pair ? pair->find(':') : std::string::npos;
  if (colon == std::string::npos)
    return refuse_unknown("the header Authorization holds no name and password");
  std::string name = pair->substr(0, colon);
  std::string password = pair->substr(colon + 1);
  if (password.empty()) return refuse_unknown("the password is empty");
  // A token may stand where a client knows of passwords alone.
  if (is_access_token(password)) return by_secret(password, "token");
  const std::string key = base::sha256(salt_ + name + '\0' + password);
  if (auto caller = remembered(key)) return let_in(std::move(caller));
  Admission admission = refuse_guesser(name, std::string(request.peer));
  if (admission.refusal) return admission;
  admission.proof = [this, name = std::move(name), password = std::move(password),
                     address = std::string(request.peer)] { return prove(name, password, address); };
  return admission;
}

Admission Gate::refuse_guesser(const std::string& name, const std::string& address) {
  Admission admission;
  const TimeUs wait = failed_.wait(name, address, base::steady_now());
  if (wait == 0) return admission;
  const std::string seconds = std::to_string(wait / base::kSecondUs + 1);
  admission =
      refuse(ErrorCode::busy, "too many wrong passwords", "try again in " + seconds + " seconds", 429);
  admission.refusal->headers.emplace_back("Retry-After", seconds);
  return admission;
}

Admission Gate::prove(const std::string& name, const std::string& password, const std::string& address) {
  if (Admission refused = refuse_guesser(name, address); refused.refusal) return refused;
  const TimeUs now = base::steady_now();
  const auto roster = people_.roster();
  const auto person = roster->people.find(name);
  const bool is_known = person != roster->people.end();
  if (!is_password(password, is_known ? person->second->password_hash : std::string())) {
    failed_.failed(name, address, now);
    return refuse_unknown("the name or the password is wrong");
  }
  failed_.succeeded(name, address);
  const std::lock_guard lock(mutex_);
  if (proofs_.size() >= kProofsMax) proofs_.clear();
  proofs_[base::sha256(salt_ + name + '\0' + password)] = {name, person->second->password_hash,
                                                           now + kProofLasts};
  return let_in(std::make_shared<KnownCaller>(person->second));
}

}  // namespace trimtab::people
