#include "registry/experiment_watch.h"

#include <map>
#include <mutex>
#include <utility>

namespace trimtab::registry {
namespace {

struct Watches {
  std::mutex mutex;
  std::map<const store::Home*, ExperimentWatch> by_home;  // Guarded by mutex.
};

Watches& watches() {
  static Watches all;
  return all;
}

}  // namespace

void watch_experiments(const store::Home& home, ExperimentWatch watch) {
  const std::lock_guard lock(watches().mutex);
  if (watch) {
    watches().by_home[&home] = std::move(watch);
  } else {
    watches().by_home.erase(&home);
  }
}

void tell_experiment_watch(const store::Home& home, std::int64_t experiment_id, bool is_deleted) {
  // Held while the watch runs: a book that is closing waits until it is no longer called.
  const std::lock_guard lock(watches().mutex);
  const auto found = watches().by_home.find(&home);
  if (found != watches().by_home.end()) found->second(experiment_id, is_deleted);
}

}  // namespace trimtab::registry
