#include "people/single_sign_on.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/signature.h"
#include "http/client.h"
#include "http/percent.h"

namespace trimtab::people {
namespace {

constexpr base::TimeUs kPatience = 10 * base::kSecondUs;
constexpr base::TimeUs kBegunLasts = 10 * base::kMinuteUs;
constexpr std::size_t kBegunMax = 10'000;
constexpr base::TimeUs kProviderLasts = base::kHourUs;
constexpr base::TimeUs kKeysAtMostEvery = 30 * base::kSecondUs;
constexpr std::int64_t kSkewS = 60;

struct Place {
  bool is_tls = true;
  std::string host;
  int port = 443;
  std::string path;
};

bool is_this_machine(const std::string& host) {
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

Result<Place> read_url(const std::string& url) {
  const auto refuse = [&](const char* why) {
    return fail(ErrorCode::invalid,
                "'" + http::shown(url) + "' is no address of an identity provider: " + why,
                "as in https://login.example.com/realm");
  };
  Place place;
  place.is_tls = url.starts_with("https://");
  if (!place.is_tls && !url.starts_with("http://")) return refuse("it has no scheme");
  const std::size_t begin = url.find("//") + 2;
  const std::size_t slash = std::min(url.find_first_of("/?", begin), url.size());
  const std::string host_and_port = url.substr(begin, slash - begin);
  place.path = url.substr(slash);
  const std::size_t bracket = host_and_port.find(']');
  const std::size_t colon = host_and_port.find(':', bracket == std::string::npos ? 0 : bracket);
  place.host = host_and_port.substr(0, colon);
  place.port = place.is_tls ? 443 : 80;
  if (colon != std::string::npos) {
    const char* end = host_and_port.data() + host_and_port.size();
    const auto [stop, wrong] = std::from_chars(host_and_port.data() + colon + 1, end, place.port);
    if (wrong != std::errc() || stop != end) return refuse("its port is none");
  }
  if (place.host.empty() || url.find_first_of(" \r\n@") != std::string::npos)
    return refuse("its host is none");
  if (!place.is_tls && !is_this_machine(place.host)) return refuse("secrets would travel in the clear");
  return place;
}

// Percent encoding of a form and of a query.
std::string encoded(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain =
        byte < 128 && (std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_' || c == '~');
    if (plain) out += c;
    if (!plain) out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return out;
}

std::string form(const std::vector<std::pair<std::string_view, std::string_view>>& values) {
  std::string text;
  for (const auto& [name, value] : values) {
    text.append(text.empty() ? "" : "&").append(name).append("=").append(encoded(value));
  }
  return text;
}

Result<Json> ask_provider(const std::string& url, const std::string& body = {},
                          const std::string& credentials = {}) {
  const Place place = TRY(read_url(url));
  http::Client client(place.host, place.port, kPatience);
  if (place.is_tls) client.set_tls({});
  client.set_header("Accept", "application/json");
  if (!credentials.empty()) client.set_header("Authorization", "Basic " + base::to_base64(credentials));
  const http::ClientReply reply =
      TRY(client.send(body.empty() ? "GET" : "POST", place.path, body, "application/x-www-form-urlencoded"));
  const Result<Json> json = base::parse_json(reply.body);
  if (reply.status == 200 && json) return *json;
  const std::string why = json ? json->text_or("error_description", json->text_or("error")) : "";
  return fail(ErrorCode::unauthenticated, "the identity provider answered " + std::to_string(reply.status) +
                                              (why.empty() ? "" : ": " + http::shown(why)));
}

tl::unexpected<Error> not_for_us(const std::string& why) {
  return fail(ErrorCode::unauthenticated, "the identity provider's token is refused: " + why,
              "sign in again");
}

bool is_meant_for(const Json& audience, const std::string& client) {
  if (audience.is_string()) return audience.as_string() == client;
  if (!audience.is_array()) return false;
  return std::any_of(audience.as_array().begin(), audience.as_array().end(),
                     [&](const Json& one) { return one.is_string() && one.as_string() == client; });
}

Result<Json> json_part(std::string_view text) {
  const std::optional<std::string> bytes = base::from_base64_url(text);
  if (!bytes) return not_for_us("it is no token");
  Result<Json> json = base::parse_json(*bytes);
  if (!json || !json->is_object()) return not_for_us("it is no token");
  return json;
}

}  // namespace

Result<std::unique_ptr<SingleSignOn>> SingleSignOn::make(ProviderOptions options, const base::Clock& clock) {
  TRY(read_url(options.issuer));
  while (options.own_url.ends_with('/')) options.own_url.pop_back();
  TRY(read_url(options.own_url));
  if (options.client_id.empty())
    return fail(ErrorCode::invalid, "the identity provider's client id is missing");
  return std::unique_ptr<SingleSignOn>(new SingleSignOn(std::move(options), clock));
}

Result<Json> SingleSignOn::provider() {
  {
    const std::lock_guard lock(mutex_);
    if (provider_ && base::steady_now() < provider_until_) return *provider_;
  }
  std::string url = options_.issuer;
  if (url.ends_with('/')) url.pop_back();
  Json said = TRY(ask_provider(url + "/.well-known/openid-configuration"));
  if (said.text_or("issuer") != options_.issuer)
    return not_for_us("it calls itself '" + http::shown(said.text_or("issuer")) + "'");
  const std::lock_guard lock(mutex_);
  provider_ = said;
  provider_until_ = base::steady_now() + kProviderLasts;
  return said;
}

Result<SingleSignOn::Begun> SingleSignOn::begin() {
  const Json said = TRY(provider());
  Waiting waiting{base::random_hex(16), base::random_hex(16), base::random_hex(32),
                  base::steady_now() + kBegunLasts};
  const std::string state = base::random_hex(16);
  const std::string challenge = [&] {
    const std::string hex = base::sha256(waiting.verifier);
    std::string bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2)
      bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    return base::to_base64_url(bytes);
  }();
  const std::string page = said.text_or("authorization_endpoint");
  TRY(read_url(page));
  Begun begun;
  begun.binder = waiting.binder;
  begun.go_to = page + (page.find('?') == std::string::npos ? "?" : "&") +
                form({{"response_type", "code"},
                      {"client_id", options_.client_id},
                      {"redirect_uri", callback()},
                      {"scope", "openid profile email"},
                      {"state", state},
                      {"nonce", waiting.nonce},
                      {"code_challenge", challenge},
                      {"code_challenge_method", "S256"}});
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= kBegunMax)
    std::erase_if(waiting_, [](const auto& entry) { return entry.second.until < base::steady_now(); });
  if (waiting_.size() >= kBegunMax)
    return fail(ErrorCode::busy, "too many people are signing in", "try again in a moment");
  waiting_.emplace(state, std::move(waiting));
  return begun;
}

Result<SignedOn> SingleSignOn::finish(const std::string& code, const std::string& state,
                                      const std::string& binder) {
  Waiting waiting;
  {
    const std::lock_guard lock(mutex_);
    const auto found = waiting_.find(state);
    if (found == waiting_.end()) return not_for_us("nobody began to sign in like that, or it is over");
    waiting = std::move(found->second);
    waiting_.erase(found);
  }
  if (waiting.until < base::steady_now()) return not_for_us("signing in took longer than ten minutes");
  if (!base::equal_in_constant_time(waiting.binder, binder))
    return not_for_us("another browser began to sign in");
  return check_token(TRY(redeem(code, waiting.verifier)), waiting.nonce);
}

Result<std::string> SingleSignOn::redeem(const std::string& code, const std::string& verifier) {
  const Json said = TRY(provider());
  std::string body = form({{"grant_type", "authorization_code"},
                           {"code", code},
                           {"redirect_uri", callback()},
                           {"code_verifier", verifier},
                           {"client_id", options_.client_id}});
  std::string credentials;
  if (!options_.client_secret.empty())
    credentials = encoded(options_.client_id) + ":" + encoded(options_.client_secret);
  const Json tokens = TRY(ask_provider(said.text_or("token_endpoint"), body, credentials));
  const std::string token = tokens.text_or("id_token");
  if (token.empty()) return not_for_us("there is none");
  return token;
}

// Keys change: one that is unknown is asked for again, but not all the time.
Result<Json> SingleSignOn::key_of(const std::string& key_id) {
  const auto known = [&]() -> std::optional<Json> {
    const std::lock_guard lock(mutex_);
    if (!keys_.is_array()) return std::nullopt;
    for (const Json& key : keys_.as_array()) {
      if (key.text_or("kid") == key_id && key.text_or("use", "sig") == "sig") return key;
    }
    return std::nullopt;
  };
  if (const auto key = known()) return *key;
  {
    const std::lock_guard lock(mutex_);
    if (keys_from_ != 0 && base::steady_now() - keys_from_ < kKeysAtMostEvery)
      return not_for_us("its key is none of the provider's");
    keys_from_ = base::steady_now();
  }
  const Json fetched = TRY(ask_provider(TRY(provider()).text_or("jwks_uri")));
  {
    const std::lock_guard lock(mutex_);
    keys_ = fetched["keys"];
  }
  if (const auto key = known()) return *key;
  return not_for_us("its key is none of the provider's");
}

Result<SignedOn> SingleSignOn::check_token(const std::string& token, const std::string& nonce) {
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string::npos ? first : token.find('.', first + 1);
  if (second == std::string::npos) return not_for_us("it is no token");
  const Json head = TRY(json_part(std::string_view(token).substr(0, first)));
  const Json said = TRY(json_part(std::string_view(token).substr(first + 1, second - first - 1)));
  const std::string algorithm = head.text_or("alg");
  // Before any key is looked at: "none" and the algorithms of shared secrets are no proof.
  if (algorithm != "RS256" && algorithm != "ES256")
    return not_for_us("its algorithm '" + http::shown(algorithm) + "' is not RS256 or ES256");
  const std::optional<std::string> signature =
      base::from_base64_url(std::string_view(token).substr(second + 1));
  if (!signature) return not_for_us("it is no token");
  TRY(base::check_signature(algorithm, TRY(key_of(head.text_or("kid"))),
                            std::string_view(token).substr(0, second), *signature));
  const std::int64_t now = clock_.now() / base::kSecondUs;
  if (said.text_or("iss") != options_.issuer) return not_for_us("another provider issued it");
  if (!is_meant_for(said["aud"], options_.client_id)) return not_for_us("it is meant for somebody else");
  if (said["aud"].is_array() && said["aud"].as_array().size() > 1 &&
      said.text_or("azp") != options_.client_id)
    return not_for_us("it was given to somebody else");
  if (!said["exp"].is_int() || said["exp"].as_int() + kSkewS < now) return not_for_us("it has expired");
  if (said["iat"].is_int() && said["iat"].as_int() - kSkewS > now) return not_for_us("it is from the future");
  if (!base::equal_in_constant_time(said.text_or("nonce"), nonce))
    return not_for_us("it answers another question");
  if (said.text_or("sub").empty()) return not_for_us("it names nobody");
  const std::string name = said.text_or("preferred_username", said.text_or("email", said.text_or("sub")));
  return SignedOn{options_.issuer, said.text_or("sub"), name};
}

}  // namespace trimtab::people
