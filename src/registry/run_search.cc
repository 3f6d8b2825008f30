#include "registry/run_search.h"

#include <algorithm>
#include <bit>
#include <optional>

#include "registry/filter_eval.h"
#include "registry/run_orders.h"
#include "registry/run_sorting.h"

namespace trimtab::registry {
namespace {

// Writes wait while a search looks through the columns, so it may not take for ever, whatever the filter is.
constexpr TimeUs kSearchUsMax = 2 * base::kSecondUs;
// To look at a run on a walk costs as much as to look at several in a scan, and a scan looks at all.
constexpr std::int64_t kRunsPerVisit = 16;
constexpr std::int64_t kRunsPerVainVisit = 128;
constexpr std::int64_t kFirstLook = 64;

// Which runs are asked for, the filter aside.
class AskedRuns {
 public:
  explicit AskedRuns(const RunSearch& search) : search_(search), experiments_(search.experiment_ids) {
    std::sort(experiments_.begin(), experiments_.end());
  }
  bool contains(const ScanRow& run) const {
    return (run.is_deleted ? search_.with_deleted : search_.with_active) &&
           std::binary_search(experiments_.begin(), experiments_.end(), run.experiment_id);
  }

 private:
  const RunSearch& search_;
  std::vector<std::int64_t> experiments_;
};

// All runs block by block through the filter.
Result<std::vector<std::uint32_t>> matching_places(const RunColumns& columns, const AskedRuns& asked,
                                                   FilterEval& filter) {
  std::vector<std::uint32_t> places;
  const TimeUs began = base::steady_now();
  for (std::uint32_t start = 0; start < columns.size(); start += kBlockRuns) {
    if (base::steady_now() - began > kSearchUsMax) {
      return fail(ErrorCode::deadline, "the search took longer than " + base::format_duration(kSearchUsMax),
                  "search fewer experiments, or ask for less in the filter");
    }
    RunBits bits{};
    const std::uint32_t count = std::min(kBlockRuns, columns.size() - start);
    for (std::uint32_t i = 0; i < count; ++i) {
      if (asked.contains(columns.scan_row(start + i))) bits[i / 64] |= std::uint64_t{1} << (i % 64);
    }
    filter.keep_matching(start / kBlockRuns, bits);
    for (std::uint32_t word = 0; word < bits.size(); ++word) {
      for (std::uint64_t rest = bits[word]; rest != 0; rest &= rest - 1) {
        places.push_back(start + word * 64 + static_cast<std::uint32_t>(std::countr_zero(rest)));
      }
    }
  }
  return places;
}

// Tells from the matches so far whether a walk is worth going on with. It looks after 64 visits, 128, 256, …,
// and expects as many matches a visit from then on as since its last look. A walk that meets none is soon
// given up.
class WalkForecast {
 public:
  WalkForecast(std::int64_t wanted, std::int64_t runs) : wanted_(wanted), runs_(runs) {}
  bool is_too_much(std::int64_t visits) const { return visits > runs_ / kRunsPerVisit; }
  // After each visit.
  bool is_hopeless(std::int64_t found) {
    if (++visits_ < next_look_) return false;
    const std::int64_t visits_since = visits_ - looked_at_;
    const std::int64_t found_since = found - found_before_;
    looked_at_ = visits_;
    next_look_ = visits_ * 2;
    found_before_ = found;
    if (found_since == 0 && next_look_ > runs_ / kRunsPerVainVisit) return true;
    return is_too_much(visits_ + (wanted_ - found) * visits_since / std::max<std::int64_t>(1, found_since));
  }

 private:
  const std::int64_t wanted_;
  const std::int64_t runs_;
  std::int64_t visits_ = 0;
  std::int64_t looked_at_ = 0;
  std::int64_t next_look_ = kFirstLook;
  std::int64_t found_before_ = 0;
};

// The matches from `start` to `end` from the front of a kept order. Nothing: to scan all runs costs less.
std::optional<std::vector<std::uint32_t>> walk(const RunColumns& columns, const AskedRuns& asked,
                                               FilterEval& filter, const std::vector<OrderTerm>& terms,
                                               std::int64_t start, std::int64_t end) {
  WalkForecast forecast(end, columns.size());
  if (forecast.is_too_much(end)) return std::nullopt;
  const std::shared_ptr<const KeptOrder> order = columns.orders().find(columns, terms);
  if (!order) return std::nullopt;
  std::vector<std::uint32_t> page;
  std::int64_t found = 0;
  bool has_given_up = false;
  order->walk(columns, [&](std::uint32_t place) {
    if (asked.contains(columns.scan_row(place)) && filter.matches(place)) {
      if (found >= start) page.push_back(place);
      if (++found == end) return false;
    }
    has_given_up = forecast.is_hopeless(found);
    return !has_given_up;
  });
  if (has_given_up) return std::nullopt;
  return page;
}

}  // namespace

Result<ParsedSearch> parse_search(const RunSearch& search) {
  ParsedSearch parsed;
  parsed.filter = TRY(parse_filter(search.filter, SearchSubject::runs));
  parsed.order = TRY(parse_order(search.order_by, SearchSubject::runs));
  return parsed;
}

Result<std::vector<std::uint32_t>> find_places(const RunColumns& columns, const RunSearch& search,
                                               const ParsedSearch& parsed) {
  const std::int64_t count = columns.size();
  if (search.offset < 0 || search.offset >= count || search.max_results < 0) {
    return std::vector<std::uint32_t>();
  }
  const std::int64_t end = search.offset + std::min(count, search.max_results) + 1;
  const AskedRuns asked(search);
  FilterEval filter(columns, parsed.filter);
  if (auto page = walk(columns, asked, filter, parsed.order, search.offset, end)) return std::move(*page);
  std::vector<std::uint32_t> places = TRY(matching_places(columns, asked, filter));
  sort_places(columns, parsed.order, static_cast<std::size_t>(end), places);
  places.erase(places.begin(),
               places.begin() + std::min(static_cast<std::ptrdiff_t>(places.size()), search.offset));
  return places;
}

}  // namespace trimtab::registry
