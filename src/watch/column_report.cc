#include "watch/column_report.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "watch/binned_drift.h"
#include "watch/chances.h"
#include "watch/many_tests.h"

namespace trimtab::watch {
namespace {

constexpr int kTermsMax = 100'000;  // Of a tail; what is left of it by then is nothing.

std::int64_t total(const std::vector<std::int64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

double share(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

double log_choose(double n, double k) {
  return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1);
}

// ln P(at least `hits` of the `hits + before` rows fall among the `rows` new ones and not among the
// `rows_before` old ones) by chance: Fisher's exact test, one-sided.
double log_fisher(std::int64_t hits, std::int64_t rows, std::int64_t before, std::int64_t rows_before) {
  const auto n = static_cast<double>(rows);
  const auto m = static_cast<double>(rows_before);
  const auto all = static_cast<double>(hits + before);
  const double base = log_choose(n + m, all);
  double most = -INFINITY;
  double sum = 0;
  const std::int64_t end = std::min(hits + before, rows);
  for (std::int64_t k = hits; k <= end && k - hits < kTermsMax; ++k) {
    const auto x = static_cast<double>(k);
    if (all - x > m) continue;
    const double term = log_choose(n, x) + log_choose(m, all - x) - base;
    if (term < most - 40) break;
    sum = term > most ? sum * std::exp(most - term) + 1 : sum + std::exp(term - most);
    most = std::max(most, term);
  }
  return std::min(0.0, most + std::log(sum));
}

// One thing that the door of the endpoint looks at: a share of the rows that should not have risen.
struct AuditItem {
  std::string column;
  std::string what;  // nulls, unseen, outside
  std::int64_t hits = 0, rows = 0, before = 0, rows_before = 0;
  double log_p = 0;
};

// How far beyond chance a column lies from its reference.
double excess_of(const BinnedDrift& drift) { return drift.psi.value - drift.psi.expected; }

struct Usual {
  std::vector<double> excess;  // Of the earlier windows, rising.

  double highest() const { return excess.empty() ? 0 : excess.back(); }
  double median() const { return excess.empty() ? 0 : excess[excess.size() / 2]; }
  bool is_known() const { return excess.size() >= static_cast<std::size_t>(kEarlierWindowsMin); }
};

std::string bin_name(const WatchedColumn& column, std::size_t bin) {
  if (bin == static_cast<std::size_t>(column.bins.null_bin())) return "null";
  if (bin == static_cast<std::size_t>(column.bins.unseen_bin())) return "unseen";
  if (!column.bins.is_ordered())
    return bin < column.levels.size() ? column.levels[bin] : "other known values";
  const std::span<const double> edges = column.bins.edges();
  if (edges.empty()) return "any";
  const auto text = [](double value) { return Json(value).dump(); };
  if (bin == 0) return "below " + text(edges.front());
  if (bin >= edges.size()) return "above " + text(std::nextafter(edges.back(), -INFINITY));
  return text(edges[bin - 1]) + " to " +
         text(bin + 1 == edges.size() ? std::nextafter(edges[bin], -INFINITY) : edges[bin]);
}

// The value whose share changed most.
Json largest_change(const WatchedColumn& column, const std::vector<std::int64_t>& reference,
                    const std::vector<std::int64_t>& current) {
  const std::int64_t m = total(reference);
  const std::int64_t n = total(current);
  std::size_t at = 0;
  double most = -1;
  for (std::size_t bin = 0; bin < current.size(); ++bin) {
    const double change = std::abs(share(current[bin], n) - share(reference[bin], m));
    if (change <= most) continue;
    most = change;
    at = bin;
  }
  Json json = Json::object({{"value", bin_name(column, at)}});
  return json.set("reference", share(reference[at], m)).set("now", share(current[at], n));
}

// One column on its way to its verdict.
struct ColumnView {
  const WatchedColumn& column;
  std::vector<std::int64_t> current;
  const std::vector<std::int64_t>& reference;
  BinnedDrift drift;
  Usual usual;
  double mean = 0;
  bool is_measured = false;
  bool is_constant = false;  // All rows of both sides lie in one bin.
};

bool lie_in_one_bin(const std::vector<std::int64_t>& reference, const std::vector<std::int64_t>& current) {
  int filled = 0;
  for (std::size_t bin = 0; bin < current.size(); ++bin) filled += reference[bin] + current[bin] > 0 ? 1 : 0;
  return filled == 1;
}

ColumnView view_column(const Baseline& baseline, const Compared& now, const std::vector<Compared>& earlier,
                       std::size_t index) {
  const WatchedColumn& column = baseline.columns[index];
  ColumnView view{
      column, now.current.of_column(baseline, static_cast<int>(index)), now.reference[index], {}, {}};
  view.drift = binned_drift(column.bins, view.reference, view.current, column.scale);
  const bool has_rows = view.drift.current_rows >= kRowsMin && view.drift.reference_rows >= kRowsMin;
  view.is_measured = !column.is_withheld && view.drift.bins >= 2 && has_rows;
  view.is_constant = has_rows && lie_in_one_bin(view.reference, view.current);
  const auto null_bin = static_cast<std::ptrdiff_t>(column.bins.ordinary());
  const std::int64_t numbers =
      std::accumulate(view.current.begin(), view.current.begin() + null_bin, std::int64_t{0});
  if (numbers > 0 && !now.current.sums.empty())
    view.mean = column.mean + column.scale * now.current.sums[2 * index] / static_cast<double>(numbers);
  for (const Compared& window : earlier) {
    const BinnedDrift then =
        quadratic_drift(window.reference[index], window.current.of_column(baseline, static_cast<int>(index)));
    if (then.bins >= 2 && then.current_rows >= kRowsMin) view.usual.excess.push_back(excess_of(then));
  }
  std::sort(view.usual.excess.begin(), view.usual.excess.end());
  return view;
}

std::string verdict_of(const ColumnView& view, bool is_beyond_chance) {
  if (view.column.is_withheld) return "withheld";
  if (view.is_constant) return "same";
  if (!view.is_measured) return "too_few";
  if (!is_beyond_chance) return "same";
  return view.usual.is_known() && excess_of(view.drift) <= view.usual.highest() ? "usual" : "moved";
}

Json column_json(const ColumnView& view, const std::string& verdict) {
  Json json = Json::object({{"name", view.column.name}, {"verdict", verdict}});
  json.set("rows", view.drift.current_rows).set("reference_rows", view.drift.reference_rows);
  if (!view.is_measured) return json;
  json.set("bins", view.drift.bins).set("p", std::exp(view.drift.log_p));
  json.set("statistics", view.drift.to_json());
  Json usual;
  if (view.usual.is_known()) {
    usual = Json::object({{"windows", static_cast<std::int64_t>(view.usual.excess.size())}});
    usual.set("median", view.usual.median()).set("highest", view.usual.highest());
  }
  json.set("excess", excess_of(view.drift)).set("usual", std::move(usual));
  if (view.column.bins.is_ordered()) json.set("mean", view.mean).set("reference_mean", view.column.mean);
  return json.set("largest", largest_change(view.column, view.reference, view.current));
}

void audit_column(const ColumnView& view, std::vector<AuditItem>& items) {
  const auto at = [](const std::vector<std::int64_t>& counts, int bin) {
    return counts[static_cast<std::size_t>(bin)];
  };
  const ColumnBins& bins = view.column.bins;
  const std::int64_t rows = total(view.current);
  const std::int64_t rows_before = total(view.reference);
  if (view.column.is_withheld) return;
  if (view.column.kind == ColumnKind::unusualness || rows == 0 || rows_before == 0) return;
  const auto add = [&](const char* what, std::int64_t hits, std::int64_t before) {
    if (hits == 0) return;
    items.push_back({view.column.name, what, hits, rows, before, rows_before,
                     log_fisher(hits, rows, before, rows_before)});
  };
  add("nulls", at(view.current, bins.null_bin()), at(view.reference, bins.null_bin()));
  add("unseen", at(view.current, bins.unseen_bin()), at(view.reference, bins.unseen_bin()));
  if (!bins.is_ordered() || bins.ordinary() < 3) return;
  const int last = bins.ordinary() - 1;
  // The least and the greatest row of training lie on the border of what is called inside, so two of its rows
  // count as outside: by chance alone a new row is as likely to lie there as one of them.
  add("outside", at(view.current, 0) + at(view.current, last),
      at(view.reference, 0) + at(view.reference, last) + 2);
}

Json audit_json(const std::vector<AuditItem>& items) {
  std::vector<double> log_e;
  for (const AuditItem& item : items) log_e.push_back(log_e_of(item.log_p));
  const std::vector<bool> risen = e_bh(log_e);
  Json list = Json::array();
  for (std::size_t i = 0; i < items.size(); ++i) {
    const AuditItem& item = items[i];
    Json json = Json::object({{"column", item.column}, {"what", item.what}});
    json.set("rows", item.hits).set("share", share(item.hits, item.rows));
    json.set("reference", share(item.what == "outside" ? item.before - 2 : item.before, item.rows_before));
    list.push(json.set("p", std::exp(item.log_p)).set("verdict", risen[i] ? "risen" : "same"));
  }
  return list;
}

}  // namespace

Json report_columns(const Baseline& baseline, const Compared& now, const std::vector<Compared>& earlier) {
  std::vector<ColumnView> views;
  std::vector<double> log_e;
  std::vector<AuditItem> audit;
  for (std::size_t i = 0; i < baseline.columns.size(); ++i) {
    views.push_back(view_column(baseline, now, earlier, i));
    log_e.push_back(views.back().is_measured ? log_e_of(views.back().drift.log_p) : -INFINITY);
    audit_column(views.back(), audit);
  }
  const std::vector<bool> beyond = e_bh(log_e);
  Json columns = Json::array();
  for (std::size_t i = 0; i < views.size(); ++i)
    columns.push(column_json(views[i], verdict_of(views[i], beyond[i])));
  return Json::object({{"columns", std::move(columns)}, {"audit", audit_json(audit)}});
}

}  // namespace trimtab::watch
