#include "registry/run_book.h"

#include <algorithm>
#include <cmath>
#include <future>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "base/log.h"
#include "registry/book_state.h"
#include "registry/record_watch.h"
#include "registry/run_rows.h"
#include "registry/run_search.h"

namespace trimtab::registry {
namespace {

tl::unexpected<Error> no_run(std::string_view run_id) {
  return fail(ErrorCode::not_found, "Run with id=" + std::string(run_id) + " not found");
}

// A point's place on the axis of a curve: its step, or its time when nobody has counted steps.
using Axis = std::int64_t MetricPoint::*;

Axis axis_of(const std::vector<MetricPoint>& points) {
  const auto has_other_step = [&](const MetricPoint& point) { return point.step != points.front().step; };
  return std::any_of(points.begin(), points.end(), has_other_step) ? &MetricPoint::step
                                                                   : &MetricPoint::timestamp_ms;
}

// Of the points [from, to): the least and the greatest, in their order. NaN only where there is nothing else.
void append_extremes(const std::vector<MetricPoint>& points, std::size_t from, std::size_t to,
                     std::vector<MetricPoint>& out) {
  std::size_t least = from;
  std::size_t greatest = from;
  for (std::size_t i = from; i < to; ++i) {
    const double value = points[i].value;
    if (std::isnan(value)) continue;
    if (std::isnan(points[least].value) || value < points[least].value) least = i;
    if (std::isnan(points[greatest].value) || value > points[greatest].value) greatest = i;
  }
  out.push_back(points[std::min(least, greatest)]);
  if (least != greatest) out.push_back(points[std::max(least, greatest)]);
}

}  // namespace

std::optional<std::uint32_t> RunBook::State::place(std::int64_t number) {
  if (const auto found = columns.find_number(number)) return found;
  if (const Status loaded = load_new(); !loaded) {
    base::log_error("registry", "loading runs: " + base::render(loaded.error()));
  }
  return columns.find_number(number);
}

Status RunBook::State::load_new() {
  const std::uint32_t first = columns.size();
  TRY(home.database().read([this](store::Connection& connection) -> Status {
    loaded_through = TRY(load_runs(connection, loaded_through, clock.now(), columns));
    return {};
  }));
  read_leases(first);
  return {};
}

Result<RunFacts> RunBook::State::facts(std::int64_t number) const {
  const std::shared_lock guard(lock);
  const std::optional<std::uint32_t> place = columns.find_number(number);
  if (!place) return fail(ErrorCode::internal, "run number " + std::to_string(number) + " was not loaded");
  return columns.facts(*place);
}

RunBook::RunBook(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<RunBook>> RunBook::open(store::Home& home, const base::Clock& clock) {
  auto state = std::make_unique<State>(home, clock);
  TRY(state->load_new());
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    state->last_sequence = TRY(last_journal_sequence(connection));
    return {};
  }));
  RecordWatch watch;
  watch.experiment_changed = [book = state.get()](std::int64_t experiment_id, bool is_deleted) {
    const std::unique_lock guard(book->lock);
    for (std::uint32_t place = 0; place < book->columns.size(); ++place) {
      if (book->columns.run(place).experiment_id != experiment_id) continue;
      book->columns.set_deleted(place, is_deleted);
      book->read_lease(place);
    }
  };
  watch.runs_added = [book = state.get()] {
    const std::unique_lock guard(book->lock);
    if (const Status loaded = book->load_new(); !loaded) {
      base::log_error("registry", "loading runs: " + base::render(loaded.error()));
    }
  };
  watch.runs_removed = [book = state.get()](const std::vector<std::int64_t>& numbers) {
    const std::unique_lock guard(book->lock);
    for (const std::int64_t number : numbers) {
      if (const auto place = book->columns.find_number(number)) book->columns.remove(*place);
      book->leases.erase(number);
    }
  };
  set_record_watch(home, std::move(watch));
  state->sealer = std::thread([book = state.get()] { book->run_sealer(); });
  return std::unique_ptr<RunBook>(new RunBook(std::move(state)));
}

RunBook::~RunBook() {
  state_->stop_sealer();
  remove_record_watch(state_->home);
  // What was submitted refers to the book: behind this write, all of it is done.
  static_cast<void>(state_->home.database().write([](store::Connection&) -> Status { return {}; }));
}

Result<RunFacts> RunBook::find(std::string_view run_id) const {
  const std::shared_lock guard(state_->lock);
  const std::optional<std::uint32_t> place = state_->columns.find(run_id);
  if (!place) return no_run(run_id);
  return state_->columns.facts(*place);
}

Result<std::int64_t> RunBook::experiment_of(std::string_view run_id) const {
  const std::shared_lock guard(state_->lock);
  const std::optional<std::uint32_t> place = state_->columns.find(run_id);
  if (!place) return no_run(run_id);
  return state_->columns.run(*place).experiment_id;
}

Result<std::string> RunBook::find_json(std::string_view run_id) const {
  const std::shared_lock guard(state_->lock);
  const std::optional<std::uint32_t> place = state_->columns.find(run_id);
  if (!place) return no_run(run_id);
  return state_->columns.json(*place);
}

Result<RunPage> RunBook::search(const RunSearch& search) const {
  const ParsedSearch parsed = TRY(parse_search(search));
  std::vector<std::uint32_t> places;
  {
    const std::shared_lock guard(state_->lock);
    places = TRY(find_places(state_->columns, search, parsed));
  }
  RunPage page;
  const auto max_results = static_cast<std::size_t>(std::max<std::int64_t>(0, search.max_results));
  page.has_more = places.size() > max_results;
  if (page.has_more) places.resize(max_results);
  page.runs.reserve(places.size());
  // Runs never leave their places. A large page lets the commit thread pass now and then.
  constexpr std::size_t kRunsAtOnce = 256;
  for (std::size_t start = 0; start < places.size(); start += kRunsAtOnce) {
    const std::shared_lock guard(state_->lock);
    const std::size_t end = std::min(places.size(), start + kRunsAtOnce);
    for (std::size_t i = start; i < end; ++i) {
      // Removed since it was found.
      if (!state_->columns.run(places[i]).id.empty()) page.runs.push_back(state_->columns.facts(places[i]));
    }
  }
  return page;
}

Result<HistoryPage> RunBook::history(std::string_view run_id, std::string_view key, std::int64_t max_results,
                                     std::int64_t offset) const {
  std::vector<MetricCell> cells;
  std::int64_t number = 0;
  bool has_blocks = false;
  {
    // The tail first: what is sealed meanwhile is then seen twice at worst, and never not at all.
    const std::shared_lock guard(state_->lock);
    const std::optional<std::uint32_t> place = state_->columns.find(run_id);
    if (!place) return no_run(run_id);
    const HeldRun& run = state_->columns.run(*place);
    number = run.number;
    has_blocks = run.has_blocks;
    const std::optional<std::uint32_t> id = state_->columns.texts().find(key);
    if (run.tail && id) {
      for (const MetricCell& cell : run.tail->points) {
        if (cell.key == *id) cells.push_back(cell);
      }
    }
  }
  for (MetricCell& cell : cells) cell.key = 0;
  if (has_blocks) {
    std::vector<MetricCell> sealed;
    TRY(state_->home.database().read([&](store::Connection& connection) {
      sealed.clear();
      return load_blocks(connection, number, key, 0, sealed);
    }));
    sealed.insert(sealed.end(), cells.begin(), cells.end());
    cells = std::move(sealed);
  }
  if (!std::is_sorted(cells.begin(), cells.end(), earlier_in_history)) {
    std::stable_sort(cells.begin(), cells.end(), earlier_in_history);
  }
  // A request that was sent again, before or after sealing, shows once.
  cells.erase(std::unique(cells.begin(), cells.end(), same_point), cells.end());
  const auto count = static_cast<std::int64_t>(cells.size());
  const std::int64_t start = std::clamp<std::int64_t>(offset, 0, count);
  const std::int64_t end = max_results > 0 ? std::min(count, start + std::min(max_results, count)) : count;
  HistoryPage page;
  page.has_more = end < count;
  page.points.reserve(static_cast<std::size_t>(end - start));
  for (std::int64_t i = start; i < end; ++i) {
    const MetricCell& cell = cells[static_cast<std::size_t>(i)];
    page.points.push_back({std::string(key), cell.value, cell.timestamp_ms, cell.step});
  }
  return page;
}

Result<std::vector<MetricPoint>> RunBook::sampled_history(std::string_view run_id, std::string_view key,
                                                          std::int64_t max_points) const {
  std::vector<MetricPoint> points = TRY(history(run_id, key, 0, 0)).points;
  if (max_points < 2) return fail(ErrorCode::invalid, "max_points must be 2 or more");
  if (static_cast<std::int64_t>(points.size()) <= max_points) return points;
  const Axis axis = axis_of(points);
  std::stable_sort(points.begin(), points.end(),
                   [axis](const MetricPoint& a, const MetricPoint& b) { return a.*axis < b.*axis; });
  const double first = static_cast<double>(points.front().*axis);
  const double span = static_cast<double>(points.back().*axis) - first + 1;
  const std::int64_t stretches = max_points / 2;
  const auto stretch_of = [&](const MetricPoint& point) {
    return static_cast<std::int64_t>((static_cast<double>(point.*axis) - first) / span *
                                     static_cast<double>(stretches));
  };
  std::vector<MetricPoint> sampled;
  for (std::size_t from = 0; from < points.size();) {
    std::size_t to = from + 1;
    while (to < points.size() && stretch_of(points[to]) == stretch_of(points[from])) ++to;
    append_extremes(points, from, to, sampled);
    from = to;
  }
  return sampled;
}

Status RunBook::catch_up() {
  std::promise<Status> caught_up;
  // On the commit thread, between two groups: nothing is written meanwhile.
  state_->home.database().submit([](store::Connection&) -> Status { return {}; },
                                 [&](Status status) {
                                   if (status) {
                                     const std::unique_lock guard(state_->lock);
                                     status = state_->load_new();
                                   }
                                   caught_up.set_value(std::move(status));
                                 });
  return caught_up.get_future().get();
}

Status RunBook::seal_now() { return state_->seal(true); }

}  // namespace trimtab::registry
