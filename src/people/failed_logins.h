// How often somebody has lately given a wrong password, by the name and by the address it came from.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "base/clock.h"

namespace trimtab::people {

// Thread-safe. Remembers a bounded number of names and addresses: when there are more, the oldest go.
class FailedLogins {
 public:
  static constexpr int kPerName = 10;      // From one address.
  static constexpr int kPerAddress = 100;  // With whatever names.
  static constexpr base::TimeUs kWindow = 5 * base::kMinuteUs;

  // 0: may be tried; else how long to wait.
  base::TimeUs wait(const std::string& name, const std::string& address, base::TimeUs now) const;
  void failed(const std::string& name, const std::string& address, base::TimeUs now);
  void succeeded(const std::string& name, const std::string& address);

 private:
  struct Count {
    int failures = 0;
    base::TimeUs since = 0;
  };
  base::TimeUs wait_of(const std::string& key, int limit, base::TimeUs now) const;
  void count(const std::string& key, base::TimeUs now);

  mutable std::mutex mutex_;
  std::map<std::string, Count> counts_;
};

}  // namespace trimtab::people
