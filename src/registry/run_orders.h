// The orders that searches ask for again and again, each as a list of all runs that stays in order while runs
// change: a page is read from its front, which costs the same however many runs there are.
//
// An order consists of the places as they were last sorted and of those that have changed since. A write only
// notes the place, in a time that does not depend on the number of runs; the next search sorts what was
// noted, and merges it into the rest when it has become much. Sorting all runs for the first time costs as
// much as several looks through all of them, so an order is kept from its fifth search on, and of the orders
// asked for, the last eight are remembered: four bytes a run and order, and a bit.
//
// Thread safety: those who hold the columns still (a shared lock) may search beside each other; whoever notes
// changes is alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "registry/run_filter.h"

namespace trimtab::registry {

class RunColumns;

class KeptOrder {
 public:
  explicit KeptOrder(const std::vector<OrderTerm>& terms) : terms_(terms) {}
  const std::vector<OrderTerm>& terms() const { return terms_; }
  // Calls visit(place) for run after run, until it returns false.
  void walk(const RunColumns& columns, const std::function<bool(std::uint32_t)>& visit) const;

  // Counts a search; whether the order is now fit for walks.
  bool settle(const RunColumns& columns);
  void note(std::uint32_t place);

 private:
  void sort_all(const RunColumns& columns);
  void sort_changed(const RunColumns& columns);
  void merge_changed(const RunColumns& columns);

  std::vector<OrderTerm> terms_;
  std::size_t searches_ = 0;
  bool is_kept_ = false;
  bool is_settled_ = false;  // Whether changed_ is in order.
  std::vector<std::uint32_t> sorted_;
  // Places that changed, came or went since sorted_ was sorted. Those that went stand in is_changed_ alone.
  std::vector<std::uint32_t> changed_;
  std::vector<bool> is_changed_;  // By place; sorted_ is void where it is true.
};

class RunOrders {
 public:
  // Null: the order is not kept (yet). Valid as long as the columns are held still.
  std::shared_ptr<const KeptOrder> find(const RunColumns& columns, const std::vector<OrderTerm>& terms);
  // Under the term (field, key) the run is not what it was.
  void note(FilterField field, std::string_view key, std::uint32_t place);
  // The run was added or removed.
  void note_run(std::uint32_t place);

 private:
  std::mutex mutex_;                              // For those who search beside each other.
  std::vector<std::shared_ptr<KeptOrder>> kept_;  // The one asked for last comes first.
};

}  // namespace trimtab::registry
