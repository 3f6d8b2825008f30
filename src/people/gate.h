// Finds out who sends a request: by the home's own token, a personal access token, a session's cookie, or a
// name and password (MLflow's clients send these with every request, so a proof is remembered for a while).
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "http/caller.h"
#include "people/failed_logins.h"
#include "people/people.h"

namespace trimtab::people {

// Who a request comes from; what a token or session narrows is narrowed already.
class KnownCaller final : public http::Caller {
 public:
  explicit KnownCaller(std::shared_ptr<const Person> person) : person_(std::move(person)) {}
  explicit KnownCaller(std::shared_ptr<const Credential> credential)
      : person_(credential->person), credential_(std::move(credential)) {}

  const std::string& name() const override { return person_->name; }
  http::Role role_in(std::string_view scope) const override;
  http::Role most() const override;
  const Person& person() const { return *person_; }
  const Credential* credential() const { return credential_.get(); }  // Null: a password or the home's token.

 private:
  std::shared_ptr<const Person> person_;
  std::shared_ptr<const Credential> credential_;
};

// The names of the session's cookie: with "__Host-" browsers take it over TLS alone.
std::string session_cookie_name(bool is_tls);
// A cookie of the request, or "".
std::string_view cookie_of(const http::Request& request, std::string_view name);

// Thread-safe.
class Gate final : public http::Doorkeeper {
 public:
  // `people` outlives it. `home_token`: whoever has it is the command line of the home's owner, an admin.
  Gate(People& people, std::string home_token);

  http::Admission admit(const http::Request& request, const http::Route& route) override;

  // For signing in by hand; hashes, so it is for a pool. Errors: unauthenticated; with a refusal of 429 after
  // too many failures.
  http::Admission prove(const std::string& name, const std::string& password, const std::string& address);

 private:
  http::Admission by_bearer(std::string_view text);
  http::Admission by_basic(const http::Request& request, std::string_view text);
  http::Admission by_session(const http::Request& request, std::string_view secret);
  http::Admission refuse_guesser(const std::string& name, const std::string& address);
  http::Admission by_secret(std::string_view secret, const char* what);
  std::shared_ptr<const http::Caller> remembered(const std::string& key);

  struct Proof {
    std::string person;
    std::string password_hash;  // Another one now: the proof is worth nothing.
    TimeUs until = 0;
  };

  People& people_;
  const std::string home_token_;
  const std::shared_ptr<const http::Caller> owner_;
  const std::string salt_;  // Of this process: what is remembered is of no use elsewhere.
  FailedLogins failed_;
  std::mutex mutex_;
  std::unordered_map<std::string, Proof> proofs_;  // Guarded by mutex_.
};

}  // namespace trimtab::people
