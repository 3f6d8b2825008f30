#include "registry/run_orders.h"

#include <algorithm>
#include <utility>

#include "registry/run_columns.h"
#include "registry/run_sorting.h"

namespace trimtab::registry {
namespace {

constexpr std::size_t kOrdersMax = 8;
// Each write looks through the terms of all orders.
constexpr std::size_t kKeptTermsMax = 4;
constexpr std::size_t kKeyBytesMax = 1'000;
// The searches that cost together what sorting all runs costs.
constexpr std::size_t kSearchesBefore = 4;
// They are sorted whenever one of them has changed; merging them reads all places.
constexpr std::size_t kChangedMax = 256;

// The URIs of artifacts are made anew for each comparison. No key of a run is longer than kKeyBytesMax.
bool can_be_kept(const std::vector<OrderTerm>& terms) {
  const auto is_odd = [](const OrderTerm& term) {
    const bool is_uri = term.field == FilterField::text_attribute && term.key == "artifact_uri";
    return is_uri || term.key.size() > kKeyBytesMax;
  };
  return terms.size() <= kKeptTermsMax && std::none_of(terms.begin(), terms.end(), is_odd);
}

}  // namespace

void KeptOrder::walk(const RunColumns& columns, const std::function<bool(std::uint32_t)>& visit) const {
  RunComparison runs(columns, terms_);
  auto changed = changed_.begin();
  for (const std::uint32_t place : sorted_) {
    if (is_changed_[place]) continue;
    for (; changed != changed_.end() && runs.comes_before(*changed, place); ++changed) {
      if (!visit(*changed)) return;
    }
    if (!visit(place)) return;
  }
  for (; changed != changed_.end(); ++changed) {
    if (!visit(*changed)) return;
  }
}

bool KeptOrder::settle(const RunColumns& columns) {
  if (!is_kept_) {
    if (++searches_ <= kSearchesBefore) return false;
    sort_all(columns);
  }
  if (!is_settled_) sort_changed(columns);
  return true;
}

void KeptOrder::note(std::uint32_t place) {
  if (!is_kept_) return;
  is_settled_ = false;
  if (place >= is_changed_.size()) is_changed_.resize(place + 1);
  if (is_changed_[place]) return;
  is_changed_[place] = true;
  changed_.push_back(place);
}

void KeptOrder::sort_all(const RunColumns& columns) {
  is_kept_ = true;
  for (std::uint32_t place = 0; place < columns.size(); ++place) note(place);
}

void KeptOrder::sort_changed(const RunColumns& columns) {
  const bool is_much = changed_.size() > kChangedMax;
  std::erase_if(changed_, [&](std::uint32_t place) { return columns.run(place).id.empty(); });
  sort_places(columns, terms_, changed_.size(), changed_);
  if (is_much) merge_changed(columns);
  is_settled_ = true;
}

void KeptOrder::merge_changed(const RunColumns& columns) {
  std::erase_if(sorted_, [this](std::uint32_t place) { return is_changed_[place]; });
  RunComparison runs(columns, terms_);
  const auto comes_before = [&runs](std::uint32_t a, std::uint32_t b) { return runs.comes_before(a, b); };
  std::vector<std::uint32_t> merged;
  merged.reserve(sorted_.size() + changed_.size());
  auto from = sorted_.begin();
  for (const std::uint32_t place : changed_) {
    const auto to = std::upper_bound(from, sorted_.end(), place, comes_before);
    merged.insert(merged.end(), from, to);
    merged.push_back(place);
    from = to;
  }
  merged.insert(merged.end(), from, sorted_.end());
  sorted_ = std::move(merged);
  changed_ = {};
  is_changed_.assign(columns.size(), false);
}

std::shared_ptr<const KeptOrder> RunOrders::find(const RunColumns& columns,
                                                 const std::vector<OrderTerm>& terms) {
  if (!can_be_kept(terms)) return nullptr;
  const std::lock_guard guard(mutex_);
  auto at =
      std::find_if(kept_.begin(), kept_.end(), [&](const auto& order) { return order->terms() == terms; });
  if (at == kept_.end()) {
    if (kept_.size() == kOrdersMax) kept_.pop_back();
    at = kept_.insert(kept_.end(), std::make_shared<KeptOrder>(terms));
  }
  std::rotate(kept_.begin(), at, at + 1);
  return kept_.front()->settle(columns) ? kept_.front() : nullptr;
}

void RunOrders::note(FilterField field, std::string_view key, std::uint32_t place) {
  for (const std::shared_ptr<KeptOrder>& order : kept_) {
    const std::vector<OrderTerm>& terms = order->terms();
    const auto is_meant = [&](const OrderTerm& term) { return term.field == field && term.key == key; };
    if (std::any_of(terms.begin(), terms.end(), is_meant)) order->note(place);
  }
}

void RunOrders::note_run(std::uint32_t place) {
  for (const std::shared_ptr<KeptOrder>& order : kept_) order->note(place);
}

}  // namespace trimtab::registry
