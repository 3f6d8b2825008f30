// What a RunBook holds, for the files that carry it out: writes, reads, sealing.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "registry/fair_lock.h"
#include "registry/run_book.h"
#include "registry/run_columns.h"
#include "store/home.h"

namespace trimtab::registry {

struct RunBook::State {
  State(store::Home& of_home, const base::Clock& of_clock) : home(of_home), clock(of_clock) {}

  // Submits `work`, which fills `Change`; `apply` takes the change into the columns, under the lock and in
  // the order of the commits. `done` is told last.
  template <class Change>
  void write(std::shared_ptr<Change> change, Done done) {
    home.database().submit([change](store::Connection& connection) { return change->write(connection); },
                           [this, change, done = std::move(done)](Status status) {
                             if (status) {
                               const std::unique_lock guard(lock);
                               change->apply(*this);
                             }
                             done(std::move(status));
                           });
  }
  // The same for a write that answers with the run as it then is.
  template <class Change>
  void write_run(std::shared_ptr<Change> change, DoneRun done) {
    const Change* made = change.get();
    write<Change>(std::move(change), [this, made, done = std::move(done)](Status status) {
      if (!status) return done(fail(status.error()));
      done(facts(made->run));
    });
  }

  // The place of a run that the database has; a run that was written beside the book is loaded first.
  // Nothing: loading failed, which the log tells. On the commit thread, under the lock.
  std::optional<std::uint32_t> place(std::int64_t number);
  // Loads the runs that were written beside the book. On the commit thread, under the lock.
  Status load_new();
  Result<RunFacts> facts(std::int64_t number) const;

  // Sealing; see metric_seal.cc. Wakes the sealer when the run has ended or its tail is long; under the lock.
  void seal_when_long(std::uint32_t place);
  void run_sealer();
  void stop_sealer();
  // Seals the tails that are due, or all of them, and waits until that is durable.
  Status seal(bool all);
  Status seal_tails(const std::vector<std::uint32_t>& places);

  // Leases; see run_leases.cc. All of these under the lock.
  void read_lease(std::uint32_t place);  // After the run was added, or its tags or its status changed.
  void read_leases(std::uint32_t from);  // Of all runs whose place is `from` or greater.
  void beat(std::int64_t run);           // The run was written to.

  store::Home& home;
  const base::Clock& clock;

  struct Lease {
    TimeUs period = 0;
    TimeUs last_beat = 0;
  };
  std::map<std::int64_t, Lease> leases;  // Of running runs, by number. Guarded by lock.

  mutable FairLock lock;
  RunColumns columns;  // Guarded by lock; written on the commit thread alone.
  // Of the commit thread. Runs up to this number are in the columns.
  std::int64_t loaded_through = 0;
  // Of the commit thread. Rows of the journal are deleted by their sequence, so while the book is open none
  // is given twice; SQLite by itself gives that of a deleted last row again.
  std::int64_t last_sequence = 0;

  std::mutex pass_mutex;  // One pass of sealing at a time.
  // Points that were sealed since free memory was given back. Guarded by pass_mutex.
  std::size_t points_let_go = 0;
  std::mutex sealer_mutex;
  std::condition_variable sealer_wakes;
  bool seal_soon = false;  // Guarded by sealer_mutex.
  bool closing = false;    // Guarded by sealer_mutex.
  std::thread sealer;
};

}  // namespace trimtab::registry
