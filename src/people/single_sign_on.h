// Signing in at an identity provider: OpenID Connect's code flow with PKCE. Asks the provider over the
// network, so everything but its making is for a thread that may wait.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"

namespace trimtab::people {

struct ProviderOptions {
  std::string issuer;  // "https://login.example.com/realm"; http is for this machine alone.
  std::string client_id;
  std::string client_secret;  // "": a public client.
  std::string own_url;        // "https://ml.example.com:7700": where browsers reach this server.
};

struct SignedOn {
  std::string issuer;
  std::string subject;
  std::string name;  // What the provider calls the person.
};

// Thread-safe.
class SingleSignOn {
 public:
  // `clock` says whether a token has expired. Errors: invalid (an address that is none, http elsewhere).
  static Result<std::unique_ptr<SingleSignOn>> make(ProviderOptions options, const base::Clock& clock);

  struct Begun {
    std::string go_to;   // The provider's page.
    std::string binder;  // For a cookie: only the browser that began may finish.
  };
  // Errors: busy, deadline (the provider does not answer), malformed.
  Result<Begun> begin();
  // Errors: unauthenticated (a state that is unknown, used or too old; an answer that is not for us), and
  // begin's.
  Result<SignedOn> finish(const std::string& code, const std::string& state, const std::string& binder);

 private:
  struct Waiting {
    std::string binder, nonce, verifier;
    base::TimeUs until = 0;
  };

  SingleSignOn(ProviderOptions options, const base::Clock& clock)
      : options_(std::move(options)), clock_(clock) {}
  Result<Json> provider();
  Result<Json> key_of(const std::string& key_id);
  Result<std::string> redeem(const std::string& code, const std::string& verifier);
  Result<SignedOn> check_token(const std::string& token, const std::string& nonce);
  std::string callback() const { return options_.own_url + "/api/v1/oidc/callback"; }

  const ProviderOptions options_;
  const base::Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, Waiting> waiting_;  // Guarded by mutex_: by state.
  std::optional<Json> provider_;            // Guarded by mutex_: what it says of itself.
  Json keys_;                               // Guarded by mutex_.
  base::TimeUs provider_until_ = 0;         // Guarded by mutex_.
  base::TimeUs keys_from_ = 0;              // Guarded by mutex_: when the keys were fetched; 0: never.
};

}  // namespace trimtab::people
