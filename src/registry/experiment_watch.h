// How a book of runs hears that an experiment was deleted or restored: that is written without the book, and
// the experiment's runs go with it.
#pragma once

#include <cstdint>
#include <functional>

#include "store/home.h"

namespace trimtab::registry {

using ExperimentWatch = std::function<void(std::int64_t experiment_id, bool is_deleted)>;

// One watch a home: set by RunBook::open, taken away by its end. An empty watch takes it away. Thread-safe.
void watch_experiments(const store::Home& home, ExperimentWatch watch);
// Called on the commit thread, when the change is durable. Without a watch it does nothing.
void tell_experiment_watch(const store::Home& home, std::int64_t experiment_id, bool is_deleted);

}  // namespace trimtab::registry
