#include "watch/watch_report.h"

#include <algorithm>
#include <cmath>

#include "base/diagnostics.h"
#include "watch/column_report.h"
#include "watch/estimates.h"

namespace trimtab::watch {
namespace {

constexpr TimeUs kWeek = 7 * base::kDayUs;
constexpr TimeUs kYear = 52 * kWeek;  // 364 days: the same weekday.
constexpr int kWeeks = 4;
constexpr double kZ95 = 1.959963984540054;
constexpr double kNearlyAll = 0.95;  // Labels of an hour that make it complete.

struct Reference {
  std::vector<std::vector<std::int64_t>> counts;  // Of each column.
  std::int64_t rows = 0;
  std::string says;
};

std::vector<std::vector<std::int64_t>> counts_of(const Baseline& baseline, const RowCounts& rows) {
  std::vector<std::vector<std::int64_t>> counts;
  for (std::size_t i = 0; i < baseline.columns.size(); ++i)
    counts.push_back(rows.of_column(baseline, static_cast<int>(i)));
  return counts;
}

std::string stretch(TimeUs from, TimeUs to) {
  return base::format_time(from) + " to " + base::format_time(to);
}

Reference reference_of_training(const Baseline& baseline) {
  Reference reference;
  for (const WatchedColumn& column : baseline.columns) reference.counts.push_back(column.reference);
  if (baseline.width > 0) {
    for (const std::int64_t count : baseline.columns.front().reference) reference.rows += count;
  }
  reference.says = "the rows that the version was trained on; of the prediction, those it was judged by";
  return reference;
}

Reference reference_of_season(const VersionWatch& version, TimeUs from, TimeUs to) {
  RowCounts rows;
  std::string weeks;
  const bool fits_week = to - from <= kWeek;
  for (int back = 1; fits_week && back <= kWeeks; ++back) {
    const RowCounts then = version.served.between(from - back * kWeek, to - back * kWeek);
    if (then.rows == 0) continue;
    weeks += (weeks.empty() ? "" : ", ") + std::to_string(back);
    rows.merge(then);
  }
  const RowCounts year = version.served.between(from - kYear, to - kYear);
  rows.merge(year);
  Reference reference;
  reference.counts = counts_of(*version.baseline, rows);
  reference.rows = rows.rows;
  if (!weeks.empty()) reference.says = "the same hours of the week, " + weeks + " weeks before";
  if (year.rows > 0)
    reference.says += (weeks.empty() ? "the same days " : ", and ") + std::string("364 days before");
  if (rows.rows == 0) {
    reference.says = fits_week ? "nothing: this version had not served a week before"
                               : "nothing: this version had not served 364 days before";
  }
  return reference;
}

Reference reference_for(const VersionWatch& version, Against against, TimeUs from, TimeUs to) {
  if (against == Against::baseline) return reference_of_training(*version.baseline);
  if (against == Against::season) return reference_of_season(version, from, to);
  const TimeUs before = from - (to - from);
  const RowCounts rows = version.served.between(before, from);
  return {counts_of(*version.baseline, rows), rows.rows, "the window before: " + stretch(before, from)};
}

// Earlier windows of the same length, each held against what it would have been held against.
std::vector<Compared> earlier_windows(const VersionWatch& version, const WatchQuery& query, TimeUs from) {
  std::vector<Compared> windows;
  const TimeUs first = version.served.earliest();
  for (int back = 1; back <= kEarlierWindows; ++back) {
    const TimeUs end = from - (back - 1) * query.window;
    if (end - query.window < first) break;
    Compared window;
    window.current = version.served.between(end - query.window, end);
    if (window.current.rows < kRowsMin) continue;
    window.reference = reference_for(version, query.against, end - query.window, end).counts;
    windows.push_back(std::move(window));
  }
  return windows;
}

Figure mean_figure(double sum, double squares, double rows) {
  Figure figure;
  if (rows < 1) {
    figure.reason = "no labels";
    return figure;
  }
  const double mean = sum / rows;
  const double variance = rows < 2 ? 0 : std::max(0.0, (squares / rows - mean * mean) * rows / (rows - 1));
  const double half = kZ95 * std::sqrt(variance / rows);
  figure.value = mean;
  figure.low = mean - half;
  figure.high = mean + half;
  return figure;
}

Json slice_json(const std::string& name, bool binary, const SliceSums& sums) {
  Json json =
      Json::object({{"name", name}, {"labels", static_cast<std::int64_t>(std::llround(sums.labels))}});
  if (binary) {
    json.set("brier", mean_figure(sums.square, sums.fourth, sums.labels).to_json());
    json.set("log_loss", sums.labels < 1 ? Json() : Json(sums.log_loss / sums.labels));
    json.set("rate", mean_figure(sums.truth, sums.truth, sums.labels).to_json());
    json.set("mean_score", sums.labels < 1 ? Json() : Json(sums.score / sums.labels));
  } else {
    json.set("mae", mean_figure(sums.error, sums.square, sums.labels).to_json());
    const Figure square = mean_figure(sums.square, sums.fourth, sums.labels);
    json.set("rmse", square.value ? Json(std::sqrt(*square.value)) : Json());
    json.set("bias", sums.labels < 1 ? Json() : Json((sums.score - sums.truth) / sums.labels));
  }
  return json;
}

Json realised_json(const VersionWatch& version, TimeUs from, TimeUs to, std::int64_t rows, TimeUs now) {
  const LabelledCounts counts = version.realised.between(from, to);
  const std::vector<Slice>& slices = version.realised.slices();
  const SliceSums all = counts.slices.empty() ? SliceSums() : counts.slices[0];
  Json json = Json::object({{"labels", static_cast<std::int64_t>(std::llround(all.labels))}});
  json.set("labelled_share",
           rows == 0 ? Json() : Json(std::min(1.0, all.labels / static_cast<double>(rows))));
  // The newest hour of which nearly everything is known, and how long ago that was.
  Json complete;
  Json age;
  for (auto hour = version.realised.hours().rbegin(); hour != version.realised.hours().rend(); ++hour) {
    const TimeUs end = hour->first + base::kHourUs;
    const std::int64_t served = version.served.between(hour->first, end).rows;
    if (hour->second.slices[0].labels < kNearlyAll * static_cast<double>(served)) continue;
    complete = base::format_time(end);
    age = static_cast<double>(std::max<TimeUs>(0, now - end)) / base::kSecondUs;
    break;
  }
  json.set("complete_until", std::move(complete)).set("label_age_s", std::move(age));
  if (version.baseline->binary) {
    const auto ordinary = static_cast<std::size_t>(version.baseline->prediction().bins.ordinary());
    const bool any = !counts.labels.empty();
    json.set("auc", any ? binned_auc(std::span(counts.truth).first(ordinary),
                                     std::span(counts.labels).first(ordinary))
                              .to_json()
                        : Figure{{}, 0, 0, "no labels"}.to_json());
  }
  json.set("overall", slice_json("all", version.baseline->binary, all));
  Json list = Json::array();
  for (std::size_t i = 0; i < slices.size() && i + 1 < counts.slices.size(); ++i) {
    if (counts.slices[i + 1].labels >= 1)
      list.push(slice_json(slices[i].name, version.baseline->binary, counts.slices[i + 1]));
  }
  return json.set("slices", std::move(list));
}

// Whether outcomes lie where the scores said, overall and slice by slice, since the version serves: an
// e-detector over days each, several slices taken together by e-BH.
Json calibration_json(const VersionWatch& version) {
  const std::vector<Slice>& slices = version.realised.slices();
  std::vector<OutcomeDetector> detectors(slices.size() + 1);
  std::vector<Wealth> day(detectors.size());
  std::optional<TimeUs> current;
  const auto close_day = [&] {
    for (std::size_t i = 0; i < detectors.size(); ++i) detectors[i].push(day[i]);
    day.assign(detectors.size(), {});
  };
  for (const auto& [hour, counts] : version.realised.hours()) {
    const TimeUs its_day = floor_to(hour, base::kDayUs);
    if (current && its_day != *current) close_day();
    current = its_day;
    for (std::size_t i = 0; i < counts.slices.size(); ++i) day[i].merge(counts.slices[i].wealth);
  }
  if (current) close_day();
  std::vector<double> log_e;
  // So scaled, e-BH asks 1/kAlarm times the number of slices of one that stands alone: while all slices are
  // right, the first false alarm of any comes on average no sooner than after 1/kAlarm days.
  for (const OutcomeDetector& detector : detectors)
    log_e.push_back(detector.log_value() + std::log(OutcomeDetector::kAlarm) - std::log(kFalseShare));
  const std::vector<bool> off = e_bh(log_e);
  Json list = Json::array();
  for (std::size_t i = 0; i < detectors.size(); ++i) {
    if (!off[i]) continue;
    Json json = Json::object({{"slice", i == 0 ? "all" : slices[i - 1].name}});
    json.set("truth_is", detectors[i].is_higher() ? "above the scores" : "below the scores");
    list.push(json.set("log_e", detectors[i].log_value()));
  }
  Json json =
      Json::object({{"days", detectors[0].batches()}, {"slices", static_cast<std::int64_t>(log_e.size())}});
  return json.set("tolerance", Wealth::kTolerance).set("off", std::move(list));
}

Json expected_json(const VersionWatch& version, const RowCounts& rows) {
  const Baseline& baseline = *version.baseline;
  if (!baseline.binary)
    return Json::object({{"mae", expect_error(baseline, rows.bins, rows.rows).to_json()}});
  const ExpectedPerformance expected =
      expect_binary(baseline, rows.of_column(baseline, baseline.prediction_index()));
  Json json = Json::object({{"auc", expected.auc.to_json()}, {"accuracy", expected.accuracy.to_json()}});
  return json.set("brier", expected.brier.to_json()).set("rate", expected.rate.to_json());
}

const char* name_of(Against against) {
  switch (against) {
    case Against::baseline:
      return "baseline";
    case Against::season:
      return "season";
    case Against::previous:
      return "previous";
  }
  return "";
}

}  // namespace

Result<WatchQuery> read_watch_query(const std::optional<std::string>& window,
                                    const std::optional<std::string>& against) {
  WatchQuery query;
  if (window) {
    query.window = TRY(base::parse_duration(*window));
    if (query.window < base::kMinuteUs || query.window > ServedCounts::kHoursKept) {
      return fail(ErrorCode::invalid, "a window of '" + *window + "' cannot be watched",
                  "ask for 1m to 400d, as in window=1d");
    }
  }
  if (!against) return query;
  for (const Against known : {Against::baseline, Against::season, Against::previous}) {
    if (*against != name_of(known)) continue;
    query.against = known;
    return query;
  }
  const std::string hint = base::did_you_mean(*against, {"baseline", "season", "previous"});
  return fail(ErrorCode::invalid, "there is no reference '" + *against + "'",
              hint.empty() ? "ask for baseline, season or previous" : hint);
}

Json watch_report(const VersionWatch& version, const WatchQuery& query, TimeUs now) {
  const TimeUs from = now - query.window;
  // The row of this very moment belongs to the window.
  const TimeUs to = now + 1;
  Compared compared;
  compared.current = version.served.between(from, to);
  Reference reference = reference_for(version, query.against, from, to - 1);
  compared.reference = std::move(reference.counts);
  const RowCounts& rows = compared.current;
  Json report = Json::object();
  report.set(
      "window",
      Json::object({{"from", base::format_time(from)}, {"to", base::format_time(now)}, {"rows", rows.rows}}));
  report.set(
      "reference",
      Json::object({{"kind", name_of(query.against)}, {"rows", reference.rows}, {"says", reference.says}}));
  const Json columns = report_columns(*version.baseline, compared, earlier_windows(version, query, from));
  report.set("columns", columns["columns"]).set("audit", columns["audit"]);
  report.set("expected", expected_json(version, rows));
  if (version.baseline->binary) {
    const std::vector<std::int64_t> scores =
        rows.of_column(*version.baseline, version.baseline->prediction_index());
    report.set("label_shift", label_shift(*version.baseline, scores).to_json());
    report.set("calibration", calibration_json(version));
  }
  report.set("realised", realised_json(version, from, to, rows.rows, now));
  const bool any = version.rows > 0;
  report.set("served_since", any ? Json(base::format_time(version.first)) : Json());
  report.set("last_row", any ? Json(base::format_time(version.last)) : Json());
  return report.set("counts_bytes", static_cast<std::int64_t>(version.served.bytes()));
}

}  // namespace trimtab::watch
