#include "registry/record_watch.h"

#include <map>
#include <mutex>
#include <utility>

namespace trimtab::registry {
namespace {

// The mutex is held while a watch runs: a book that is closing waits until it is no longer called.
struct Watches {
  std::mutex mutex;
  std::map<const store::Home*, RecordWatch> by_home;  // Guarded by mutex.
};

Watches& watches() {
  static Watches all;
  return all;
}

}  // namespace

void set_record_watch(const store::Home& home, RecordWatch watch) {
  const std::lock_guard lock(watches().mutex);
  watches().by_home[&home] = std::move(watch);
}

void remove_record_watch(const store::Home& home) {
  const std::lock_guard lock(watches().mutex);
  watches().by_home.erase(&home);
}

void tell_experiment_changed(const store::Home& home, std::int64_t experiment_id, bool is_deleted) {
  const std::lock_guard lock(watches().mutex);
  const auto found = watches().by_home.find(&home);
  if (found != watches().by_home.end()) found->second.experiment_changed(experiment_id, is_deleted);
}

void tell_runs_added(const store::Home& home) {
  const std::lock_guard lock(watches().mutex);
  const auto found = watches().by_home.find(&home);
  if (found != watches().by_home.end()) found->second.runs_added();
}

void tell_runs_removed(const store::Home& home, const std::vector<std::int64_t>& numbers) {
  const std::lock_guard lock(watches().mutex);
  const auto found = watches().by_home.find(&home);
  if (found != watches().by_home.end()) found->second.runs_removed(numbers);
}

}  // namespace trimtab::registry
