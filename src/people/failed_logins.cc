#include "people/failed_logins.h"

#include <algorithm>
#include <cstddef>

namespace trimtab::people {
namespace {

constexpr std::size_t kRemembered = 10'000;

std::string key_of(const std::string& name, const std::string& address) { return address + "\n" + name; }

}  // namespace

base::TimeUs FailedLogins::wait_of(const std::string& key, int limit, base::TimeUs now) const {
  const auto found = counts_.find(key);
  if (found == counts_.end() || found->second.failures < limit) return 0;
  return std::max<base::TimeUs>(0, found->second.since + kWindow - now);
}

base::TimeUs FailedLogins::wait(const std::string& name, const std::string& address, base::TimeUs now) const {
  const std::lock_guard lock(mutex_);
  return std::max(wait_of(key_of(name, address), kPerName, now), wait_of(address, kPerAddress, now));
}

void FailedLogins::count(const std::string& key, base::TimeUs now) {
  Count& count = counts_[key];
  if (now - count.since >= kWindow) count = {0, now};
  ++count.failures;
  if (counts_.size() <= kRemembered) return;
  const auto oldest = std::min_element(counts_.begin(), counts_.end(), [](const auto& a, const auto& b) {
    return a.second.since < b.second.since;
  });
  counts_.erase(oldest);
}

void FailedLogins::failed(const std::string& name, const std::string& address, base::TimeUs now) {
  const std::lock_guard lock(mutex_);
  count(key_of(name, address), now);
  count(address, now);
}

void FailedLogins::succeeded(const std::string& name, const std::string& address) {
  const std::lock_guard lock(mutex_);
  counts_.erase(key_of(name, address));
}

}  // namespace trimtab::people
