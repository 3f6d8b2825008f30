#include "judge/gates.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "judge/fairness.h"

namespace trimtab::judge {
namespace {

using project::Gate;

constexpr std::string_view kFlips = "flips";
constexpr double kCalledPositive = 0.5;
constexpr double kWilson = 1.96;  // Standard errors of a 95 % interval.
constexpr std::string_view kVerdictNames[] = {"pass", "fail", "unknown", "pending"};

// Four digits are what a person compares; the exact figure is in the result's own fields.
std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

// "champion 0.701 - 0.005"
std::string champion_text(double champion, double delta) {
  std::string text = "champion " + short_number(champion);
  if (delta != 0) text += (delta > 0 ? " + " : " - ") + short_number(std::abs(delta));
  return text;
}

GateResult unknown(const Gate& gate, std::string detail, Measure measured = {}) {
  GateResult result;
  result.gate = gate.text;
  result.measured = std::move(measured);
  result.detail = std::move(detail);
  return result;
}

GateResult decided(const Gate& gate, Measure measured, double threshold, std::string detail) {
  GateResult result = unknown(gate, std::move(detail), std::move(measured));
  result.threshold = threshold;
  const double value = *result.measured.value;
  const bool met = gate.at_least ? value >= threshold : value <= threshold;
  result.verdict = met ? Verdict::pass : Verdict::fail;
  return result;
}

GateResult no_champion_yet(const Gate& gate, Measure measured) {
  GateResult result = unknown(gate, "no champion yet", std::move(measured));
  result.verdict = Verdict::pass;
  return result;
}

// A person's word is asked for when the others have decided.
GateResult not_asked_yet(const Gate& gate) {
  Measure measured;
  measured.value = 0;
  GateResult result = unknown(gate, "", std::move(measured));
  result.threshold = gate.threshold;
  result.verdict = Verdict::pending;
  return result;
}

// Decides one gate on one set of rows.
GateResult decide(const Gate& gate, const Judged& rows) {
  Measure measured;
  if (gate.metric == kFlips) {
    if (rows.champion.empty()) return no_champion_yet(gate, {});
    measured = flip_rate(rows.candidate, rows.champion);
    if (!measured.value) return unknown(gate, measured.reason, measured);
    const std::string detail = "of " + std::to_string(rows.candidate.size()) + " rows";
    return decided(gate, std::move(measured), gate.threshold, detail);
  }
  const auto given = rows.given.find(gate.metric);
  if (given != rows.given.end()) {
    measured = given->second;
  } else {
    Result<Measure> computed = measure(gate.metric, rows.truth, rows.candidate);
    if (!computed)
      return unknown(gate, gate.metric + " is not computed from scores, and no figure was given");
    measured = *computed;
  }
  if (gate.against_champion && rows.champion.empty()) return no_champion_yet(gate, std::move(measured));
  if (!measured.value)
    return unknown(gate, measured.reason.empty() ? "no figure" : measured.reason, measured);
  if (!gate.against_champion) {
    std::string detail = measured.reason;
    return decided(gate, std::move(measured), gate.threshold, std::move(detail));
  }
  if (given != rows.given.end()) {
    return unknown(gate, "the champion's " + gate.metric + " is not known here", std::move(measured));
  }
  const Measure champion = measure(gate.metric, rows.truth, rows.champion).value_or(Measure{});
  if (!champion.value) return unknown(gate, "of the champion: " + champion.reason, std::move(measured));
  const double threshold = *champion.value + gate.threshold;
  return decided(gate, std::move(measured), threshold, champion_text(*champion.value, gate.threshold));
}

// The rows of one level, copied together because measures want them side by side.
struct Slice {
  std::vector<double> truth, candidate, champion;
};

// By level; std::map, so that of equally bad slices the same one is always named.
std::map<std::string_view, Slice> slices_of(const std::vector<std::string>& levels, const Judged& judged) {
  CHECK(levels.size() == judged.truth.size());
  std::map<std::string_view, Slice> slices;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    Slice& slice = slices[levels[i]];
    slice.truth.push_back(judged.truth[i]);
    slice.candidate.push_back(judged.candidate[i]);
    if (!judged.champion.empty()) slice.champion.push_back(judged.champion[i]);
  }
  return slices;
}

double room_to_threshold(const Gate& gate, const GateResult& result) {
  const double room = *result.measured.value - *result.threshold;
  return gate.at_least ? room : -room;
}

GateResult decide_slices(const Gate& gate, const Judged& judged) {
  if (judged.given.contains(gate.metric)) return unknown(gate, gate.metric + " is not known by slice");
  if (gate.against_champion && judged.champion.empty()) return no_champion_yet(gate, {});
  const auto levels = judged.slice_levels.find(gate.slice);
  if (levels == judged.slice_levels.end()) return unknown(gate, "no levels of " + gate.slice + " are known");

  std::optional<GateResult> worst;
  std::string why_not =
      "no slice of " + gate.slice + " has " + std::to_string(judged.slice_rows_min) + " rows";
  for (const auto& [level, slice] : slices_of(levels->second, judged)) {
    if (std::ssize(slice.truth) < judged.slice_rows_min) continue;
    Judged rows;
    rows.binary = judged.binary;
    rows.truth = slice.truth;
    rows.candidate = slice.candidate;
    rows.champion = slice.champion;
    GateResult result = decide(gate, rows);
    const std::string name = "slice " + gate.slice + " = " + std::string(level);
    if (!result.threshold) {
      why_not = name + ": " + result.detail;
      continue;
    }
    if (worst && room_to_threshold(gate, *worst) <= room_to_threshold(gate, result)) continue;
    result.detail = result.detail.empty() ? name : name + ": " + result.detail;
    worst = std::move(result);
  }
  return worst ? *std::move(worst) : unknown(gate, why_not);
}

GateResult decide_fairness(const Gate& gate, const Judged& judged) {
  const auto levels = judged.slice_levels.find(gate.slice);
  if (levels == judged.slice_levels.end()) return unknown(gate, "no levels of " + gate.slice + " are known");
  GroupMeasure found =
      measure_groups(gate.metric, judged.truth, judged.candidate, levels->second, judged.slice_rows_min);
  if (!found.measure.value) return unknown(gate, found.measure.reason, found.measure);
  return decided(gate, std::move(found.measure), gate.threshold, gate.slice + ": " + found.groups);
}

}  // namespace

std::string_view verdict_name(Verdict verdict) { return kVerdictNames[static_cast<std::size_t>(verdict)]; }

Json GateResult::to_json() const {
  Json json =
      Json::object({{"gate", gate}, {"verdict", verdict_name(verdict)}, {"measured", measured.to_json()}});
  if (threshold) json.set("threshold", *threshold);
  if (!detail.empty()) json.set("detail", detail);
  return json;
}

Result<GateResult> GateResult::from_json(const Json& json) {
  GateResult result;
  const std::string name = json.text_or("verdict");
  const auto* found = std::find(std::begin(kVerdictNames), std::end(kVerdictNames), name);
  if (found == std::end(kVerdictNames))
    return fail(ErrorCode::invalid, "'" + name + "' is no verdict of a gate");
  result.verdict = static_cast<Verdict>(found - std::begin(kVerdictNames));
  result.gate = json.text_or("gate");
  result.detail = json.text_or("detail");
  result.measured = TRY(Measure::from_json(json["measured"]));
  const Json& threshold = json["threshold"];
  if (threshold.is_number()) result.threshold = threshold.as_double();
  return result;
}

Measure flip_rate(std::span<const double> candidate, std::span<const double> champion) {
  CHECK(candidate.size() == champion.size());
  Measure measured;
  if (candidate.empty()) {
    measured.reason = "there are no rows";
    return measured;
  }
  std::size_t flips = 0;
  for (std::size_t i = 0; i < candidate.size(); ++i) {
    if (std::isnan(candidate[i]) || std::isnan(champion[i])) {
      measured.reason = "row " + std::to_string(i) + " has no score";
      return measured;
    }
    flips += (candidate[i] >= kCalledPositive) != (champion[i] >= kCalledPositive) ? 1 : 0;
  }
  const auto rows = static_cast<double>(candidate.size());
  const double share = static_cast<double>(flips) / rows;
  const double z2 = kWilson * kWilson;
  const double middle = share + z2 / (2 * rows);
  const double spread = kWilson * std::sqrt(share * (1 - share) / rows + z2 / (4 * rows * rows));
  measured.value = share;
  measured.low = std::max(0.0, (middle - spread) / (1 + z2 / rows));
  measured.high = std::min(1.0, (middle + spread) / (1 + z2 / rows));
  return measured;
}

std::vector<GateResult> evaluate_gates(const std::vector<Gate>& gates, const Judged& judged) {
  CHECK(judged.candidate.size() == judged.truth.size());
  CHECK(judged.champion.empty() || judged.champion.size() == judged.truth.size());
  std::vector<GateResult> results;
  for (const Gate& gate : gates) {
    results.push_back(gate.metric == project::kApprovals ? not_asked_yet(gate)
                      : gate.fairness                    ? decide_fairness(gate, judged)
                      : gate.slice.empty()               ? decide(gate, judged)
                                                         : decide_slices(gate, judged));
  }
  return results;
}

GateResult gain_gate(const PairedDifference& gain, double standard_errors) {
  GateResult result;
  result.gate = "better than the champion";
  result.measured.value = gain.mean;
  result.measured.low = gain.mean - standard_errors * gain.standard_error;
  result.measured.high = gain.mean + standard_errors * gain.standard_error;
  result.threshold = 0;
  result.verdict = *result.measured.low > 0 ? Verdict::pass : Verdict::fail;
  result.detail = "by its loss on " + std::to_string(gain.rows) + " rows";
  return result;
}

bool waits_for_approval(const std::vector<GateResult>& results) {
  const auto is_open = [](const GateResult& result) { return result.verdict == Verdict::pending; };
  const auto may_pass = [&](const GateResult& result) {
    return result.verdict == Verdict::pass || is_open(result);
  };
  return std::any_of(results.begin(), results.end(), is_open) &&
         std::all_of(results.begin(), results.end(), may_pass);
}

bool all_pass(const std::vector<GateResult>& results) {
  return std::all_of(results.begin(), results.end(),
                     [](const GateResult& result) { return result.verdict == Verdict::pass; });
}

}  // namespace trimtab::judge
