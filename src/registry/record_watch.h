// How a book of runs hears of what is written without it: an experiment that is deleted or restored takes its
// runs along, training registers runs of its own, and purging takes runs away.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "store/home.h"

namespace trimtab::registry {

struct RecordWatch {
  std::function<void(std::int64_t experiment_id, bool is_deleted)> experiment_changed;
  std::function<void()> runs_added;
  std::function<void(const std::vector<std::int64_t>& numbers)> runs_removed;
};

// One watch a home: set by RunBook::open, taken away by its end. Thread-safe.
void set_record_watch(const store::Home& home, RecordWatch watch);
void remove_record_watch(const store::Home& home);
// Called on the commit thread, when the change is durable. Without a watch they do nothing.
void tell_experiment_changed(const store::Home& home, std::int64_t experiment_id, bool is_deleted);
void tell_runs_added(const store::Home& home);
void tell_runs_removed(const store::Home& home, const std::vector<std::int64_t>& numbers);

}  // namespace trimtab::registry
