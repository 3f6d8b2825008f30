#include "registry/run_sorting.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace trimtab::registry {

SortTerm::SortTerm(const RunColumns& columns, const OrderTerm& term)
    : columns_(columns), term_(term), key_(columns.texts().find(term.key)) {
  has_texts_ = term.field != FilterField::metric && term.field != FilterField::number_attribute;
  if (term.field == FilterField::metric && key_) values_ = columns.column(*key_);
}

SortKey SortTerm::key(std::uint32_t place) {
  const HeldRun& run = columns_.run(place);
  switch (term_.field) {
    case FilterField::metric:
      return metric_key(place);
    case FilterField::number_attribute:
      return time_key(run);
    case FilterField::text_attribute:
      return {SortKey::Kind::value, 0, attribute(run)};
    default:
      return pair_key(term_.field == FilterField::param ? run.params : run.tags);
  }
}

int SortTerm::compare(const SortKey& a, const SortKey& b) const {
  if (a.kind != b.kind) return a.kind < b.kind ? -1 : 1;
  if (a.kind != SortKey::Kind::value) return 0;
  const int order = has_texts_            ? a.text.compare(b.text)
                    : a.number < b.number ? -1
                    : a.number > b.number ? 1
                                          : 0;
  return term_.is_ascending ? order : -order;
}

SortKey SortTerm::metric_key(std::uint32_t place) {
  if (values_ != nullptr && place / kBlockRuns != block_number_) {
    block_number_ = place / kBlockRuns;
    block_ = values_->block(block_number_);
  }
  const double* value = block_ == nullptr ? nullptr : block_->find(place % kBlockRuns);
  if (value == nullptr) return {SortKey::Kind::none, 0, {}};
  return {std::isnan(*value) ? SortKey::Kind::nan : SortKey::Kind::value, *value, {}};
}

SortKey SortTerm::time_key(const HeldRun& run) const {
  const bool is_end = term_.key == "end_time";
  const std::int64_t time = is_end ? run.end_ms : run.start_ms;
  const bool is_none = is_end && time == HeldRun::kNoEnd;
  return {is_none ? SortKey::Kind::none : SortKey::Kind::value, static_cast<double>(time), {}};
}

SortKey SortTerm::pair_key(const std::vector<TextPair>& pairs) const {
  const auto found = std::find_if(pairs.begin(), pairs.end(),
                                  [&](const TextPair& pair) { return key_ && pair.key == *key_; });
  if (found == pairs.end()) return {SortKey::Kind::none, 0, {}};
  return {SortKey::Kind::value, 0, columns_.texts().text(found->value)};
}

std::string_view SortTerm::attribute(const HeldRun& run) {
  if (term_.key == "run_id") return run.id;
  if (term_.key == "run_name") return columns_.texts().text(run.name);
  if (term_.key == "user_id") return columns_.texts().text(run.user_id);
  if (term_.key == "status") return status_name(run.status);
  return made_.emplace_back(columns_.artifact_uri(run));
}

RunComparison::RunComparison(const RunColumns& columns, const std::vector<OrderTerm>& order)
    : columns_(columns) {
  terms_.reserve(order.size());
  for (const OrderTerm& term : order) {
    terms_.emplace_back(columns, term);
    if (term.key == "start_time" && term.field == FilterField::number_attribute) has_start_ = true;
  }
}

bool RunComparison::comes_before(std::uint32_t a, std::uint32_t b) {
  for (SortTerm& term : terms_) {
    const int order = term.compare(term.key(a), term.key(b));
    if (order != 0) return order < 0;
  }
  return breaks_tie(a, b);
}

bool RunComparison::breaks_tie(std::uint32_t a, std::uint32_t b) const {
  const std::int64_t start_a = columns_.scan_row(a).start_ms;
  const std::int64_t start_b = columns_.scan_row(b).start_ms;
  if (!has_start_ && start_a != start_b) return start_a > start_b;
  return columns_.run(a).id < columns_.run(b).id;
}

void sort_places(const RunColumns& columns, const std::vector<OrderTerm>& order, std::size_t count,
                 std::vector<std::uint32_t>& places) {
  RunComparison runs(columns, order);
  // The keys are read once each, not once a comparison.
  std::vector<std::vector<SortKey>> keys;
  for (SortTerm& term : runs.terms()) {
    std::vector<SortKey>& column = keys.emplace_back();
    column.reserve(places.size());
    for (const std::uint32_t place : places) column.push_back(term.key(place));
  }
  const auto comes_before = [&](std::uint32_t a, std::uint32_t b) {
    for (std::size_t term = 0; term < keys.size(); ++term) {
      const int result = runs.terms()[term].compare(keys[term][a], keys[term][b]);
      if (result != 0) return result < 0;
    }
    return runs.breaks_tie(places[a], places[b]);
  };
  std::vector<std::uint32_t> indexes(places.size());
  std::iota(indexes.begin(), indexes.end(), 0U);
  count = std::min(count, indexes.size());
  // A heap is quick for the first few; for most of them it is slower than sorting all.
  if (count > indexes.size() / 4) {
    std::sort(indexes.begin(), indexes.end(), comes_before);
  } else {
    std::partial_sort(indexes.begin(), indexes.begin() + static_cast<std::ptrdiff_t>(count), indexes.end(),
                      comes_before);
  }
  indexes.resize(count);
  for (std::uint32_t& index : indexes) index = places[index];
  places = std::move(indexes);
}

}  // namespace trimtab::registry
