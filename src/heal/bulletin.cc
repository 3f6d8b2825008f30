#include "heal/bulletin.h"

#include <cstdlib>
#include <utility>

#include "base/log.h"
#include "notify/outbox.h"

namespace trimtab::heal {
namespace {

constexpr std::string_view kEnvironment = "env:";

// "env:NAME" stands for what the variable holds, so that an address that is a secret is in no file.
std::string value_of(const std::string& text) {
  if (!text.starts_with(kEnvironment)) return text;
  const std::string name = text.substr(kEnvironment.size());
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) base::log_warning("heal", "nobody is told: the variable " + name + " is not set");
  return value == nullptr ? "" : value;
}

std::string secret_of(const std::string& name) {
  return name.empty() ? "" : value_of(std::string(kEnvironment) + name);
}

}  // namespace

Status tell(store::Connection& connection, const project::Heal& heal, const Bulletin& bulletin, TimeUs now) {
  if (!heal.notify) return {};
  Json data = Json::object({{"endpoint", bulletin.endpoint}, {"incident", bulletin.incident}});
  data.set("summary", bulletin.summary).set("detail", bulletin.detail);
  const notify::Event event{"incident", bulletin.action, std::move(data)};
  const project::Notify& notify = *heal.notify;
  if (!notify.webhook.empty()) {
    const std::string url = value_of(notify.webhook);
    const std::string secret = secret_of(notify.secret_env);
    // What cannot be signed is not sent: whoever checks signatures would take it for a forgery.
    const bool is_signed = notify.secret_env.empty() || !secret.empty();
    if (!url.empty() && is_signed) TRY(notify::announce_to(connection, now, {url, secret}, event));
  }
  if (notify.email.empty()) return {};
  return notify::announce_to(connection, now, {"smtp://" + notify.smtp + "/" + notify.email, ""}, event);
}

}  // namespace trimtab::heal
