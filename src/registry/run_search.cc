#include "registry/run_search.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <string_view>

#include "registry/filter_eval.h"

namespace trimtab::registry {
namespace {

// Writes wait while a search looks through the columns, so it may not take for ever, whatever the filter is.
constexpr TimeUs kSearchUsMax = 2 * base::kSecondUs;

// What runs are put in order by. Values first, then NaN, then nothing, whatever the direction.
struct SortColumn {
  bool is_ascending = true;
  bool has_texts = false;
  std::vector<std::uint8_t> classes;  // 0: a value; 1: NaN; 2: none.
  std::vector<double> numbers;
  std::vector<std::string_view> texts;
};

// Runs of the asked experiments and lifecycle, block by block, through the filter.
Result<std::vector<std::uint32_t>> matching_places(const RunColumns& columns, const RunSearch& search,
                                                   const Filter& filter) {
  FilterEval eval(columns, filter);
  std::vector<std::int64_t> experiments = search.experiment_ids;
  std::sort(experiments.begin(), experiments.end());
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
      const ScanRow& run = columns.scan_row(start + i);
      if (!(run.is_deleted ? search.with_deleted : search.with_active)) continue;
      if (!std::binary_search(experiments.begin(), experiments.end(), run.experiment_id)) continue;
      bits[i / 64] |= std::uint64_t{1} << (i % 64);
    }
    eval.keep_matching(start / kBlockRuns, bits);
    for (std::uint32_t word = 0; word < bits.size(); ++word) {
      for (std::uint64_t rest = bits[word]; rest != 0; rest &= rest - 1) {
        places.push_back(start + word * 64 + static_cast<std::uint32_t>(std::countr_zero(rest)));
      }
    }
  }
  return places;
}

class RunOrder {
 public:
  RunOrder(const RunColumns& columns, const std::vector<OrderTerm>& order,
           const std::vector<std::uint32_t>& places)
      : columns_(columns), places_(places) {
    for (const OrderTerm& term : order) {
      sort_columns_.push_back(make(term));
      if (term.key == "start_time" && term.field == FilterField::number_attribute) has_start_ = true;
    }
  }

  // Of two indexes into `places`. Equal ones come newest first, then by id.
  bool operator()(std::uint32_t a, std::uint32_t b) const {
    for (const SortColumn& column : sort_columns_) {
      const int order = compare(column, a, b);
      if (order != 0) return order < 0;
    }
    const std::int64_t start_a = columns_.scan_row(places_[a]).start_ms;
    const std::int64_t start_b = columns_.scan_row(places_[b]).start_ms;
    if (!has_start_ && start_a != start_b) return start_a > start_b;
    return columns_.run(places_[a]).id < columns_.run(places_[b]).id;
  }

 private:
  static int compare(const SortColumn& column, std::uint32_t a, std::uint32_t b) {
    if (column.classes[a] != column.classes[b]) return column.classes[a] < column.classes[b] ? -1 : 1;
    if (column.classes[a] != 0) return 0;
    const int order = column.has_texts                        ? column.texts[a].compare(column.texts[b])
                      : column.numbers[a] < column.numbers[b] ? -1
                      : column.numbers[a] > column.numbers[b] ? 1
                                                              : 0;
    return column.is_ascending ? order : -order;
  }

  SortColumn make(const OrderTerm& term) {
    SortColumn column;
    column.is_ascending = term.is_ascending;
    column.classes.assign(places_.size(), 0);
    if (term.field == FilterField::metric) {
      fill_metric(column, term.key);
    } else if (term.field == FilterField::number_attribute) {
      fill_times(column, term.key == "end_time");
    } else {
      fill_texts(column, term);
    }
    return column;
  }

  void fill_metric(SortColumn& column, const std::string& key) const {
    column.numbers.resize(places_.size());
    const std::optional<std::uint32_t> id = columns_.texts().find(key);
    const ValueColumn* values = id ? columns_.column(*id) : nullptr;
    const ValueBlock* block = nullptr;
    std::uint32_t block_number = ~0U;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      // Places are in order, so the block of the last one is often that of this one.
      if (values != nullptr && places_[i] / kBlockRuns != block_number) {
        block_number = places_[i] / kBlockRuns;
        block = values->block(block_number);
      }
      const double* value = block == nullptr ? nullptr : block->find(places_[i] % kBlockRuns);
      column.classes[i] = value == nullptr ? 2 : std::isnan(*value) ? 1 : 0;
      if (value != nullptr) column.numbers[i] = *value;
    }
  }

  void fill_times(SortColumn& column, bool is_end) const {
    column.numbers.resize(places_.size());
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const HeldRun& run = columns_.run(places_[i]);
      const std::int64_t time = is_end ? run.end_ms : run.start_ms;
      column.classes[i] = is_end && time == HeldRun::kNoEnd ? 2 : 0;
      column.numbers[i] = static_cast<double>(time);
    }
  }

  void fill_texts(SortColumn& column, const OrderTerm& term) {
    column.has_texts = true;
    column.texts.resize(places_.size());
    const std::optional<std::uint32_t> key = columns_.texts().find(term.key);
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const HeldRun& run = columns_.run(places_[i]);
      if (term.field == FilterField::text_attribute) {
        column.texts[i] = attribute(run, term.key);
        continue;
      }
      const std::vector<TextPair>& pairs = term.field == FilterField::param ? run.params : run.tags;
      const auto found = std::find_if(pairs.begin(), pairs.end(),
                                      [&](const TextPair& pair) { return key && pair.key == *key; });
      column.classes[i] = found == pairs.end() ? 2 : 0;
      if (found != pairs.end()) column.texts[i] = columns_.texts().text(found->value);
    }
  }

  std::string_view attribute(const HeldRun& run, const std::string& key) {
    if (key == "run_id") return run.id;
    if (key == "run_name") return columns_.texts().text(run.name);
    if (key == "user_id") return columns_.texts().text(run.user_id);
    if (key == "status") return status_name(run.status);
    return made_.emplace_back(columns_.artifact_uri(run));
  }

  const RunColumns& columns_;
  const std::vector<std::uint32_t>& places_;
  std::vector<SortColumn> sort_columns_;
  std::deque<std::string> made_;  // Texts that are computed and kept nowhere else.
  bool has_start_ = false;
};

}  // namespace

Result<ParsedSearch> parse_search(const RunSearch& search) {
  ParsedSearch parsed;
  parsed.filter = TRY(parse_filter(search.filter, SearchSubject::runs));
  parsed.order = TRY(parse_order(search.order_by, SearchSubject::runs));
  return parsed;
}

Result<std::vector<std::uint32_t>> find_places(const RunColumns& columns, const RunSearch& search,
                                               const ParsedSearch& parsed) {
  const std::vector<std::uint32_t> places = TRY(matching_places(columns, search, parsed.filter));
  const auto count = static_cast<std::int64_t>(places.size());
  if (search.offset < 0 || search.offset >= count || search.max_results < 0) {
    return std::vector<std::uint32_t>();
  }
  const std::int64_t end = std::min(count, search.offset + std::min(count, search.max_results) + 1);
  std::vector<std::uint32_t> indexes(places.size());
  std::iota(indexes.begin(), indexes.end(), 0U);
  const RunOrder order(columns, parsed.order, places);
  const auto comes_before = [&order](std::uint32_t a, std::uint32_t b) { return order(a, b); };
  // A heap is quick for the first few; for most of them it is slower than sorting all.
  if (end > count / 4) {
    std::sort(indexes.begin(), indexes.end(), comes_before);
  } else {
    std::partial_sort(indexes.begin(), indexes.begin() + end, indexes.end(), comes_before);
  }
  std::vector<std::uint32_t> page;
  for (std::int64_t i = search.offset; i < end; ++i)
    page.push_back(places[indexes[static_cast<std::size_t>(i)]]);
  return page;
}

}  // namespace trimtab::registry
