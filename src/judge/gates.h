// The one list of conditions that a version must meet before it may answer. Each result carries its value,
// its interval, the threshold and the verdict, so that a person can see how close it was.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "judge/metrics.h"
#include "project/project.h"

namespace trimtab::judge {

// pending: people have not decided yet.
enum class Verdict : std::uint8_t { pass, fail, unknown, pending };
std::string_view verdict_name(Verdict verdict);

struct GateResult {
  std::string gate;  // As declared.
  Measure measured;  // Worst slice for slice gates; its level is in `detail`.
  std::optional<double> threshold;
  Verdict verdict = Verdict::unknown;
  std::string detail;  // "champion 0.701 - 0.005", "slice origin = LGA", or why it is unknown.

  Json to_json() const;
  static Result<GateResult> from_json(const Json& json);
};

// What is judged: scores of the candidate (and of the champion, when there is one) on the same test rows.
struct Judged {
  bool binary = true;
  std::span<const double> truth;
  std::span<const double> candidate;
  std::span<const double> champion;                              // Empty: no champion yet.
  std::map<std::string, std::vector<std::string>> slice_levels;  // Column → level of each row.
  int slice_rows_min = 50;                                       // Smaller slices are not judged.
  std::map<std::string, Measure> given;  // Figures of the candidate that are taken elsewhere, such as p99_ms.
};

// flips: the share of the rows whose answer, yes from 0.5 on, is another than the champion's; with Wilson's
// interval. Without rows there is no value.
Measure flip_rate(std::span<const double> candidate, std::span<const double> champion);

// One result a gate, in order. A gate against a champion, and one of flips, passes when there is none yet. A
// gate whose figure cannot be computed is unknown, and unknown does not pass. A slice gate is decided by the
// slice with the least room to its threshold (a champion is measured on the same slice); slices that are too
// small, or whose figure is undefined, are left out, and when all are, the gate is unknown.
std::vector<GateResult> evaluate_gates(const std::vector<project::Gate>& gates, const Judged& judged);
// What heals besides what is declared: the candidate's loss must be below the champion's by more than so many
// standard errors of the paired difference (1.64: one-sided 5 %).
GateResult gain_gate(const PairedDifference& gain, double standard_errors);
bool all_pass(const std::vector<GateResult>& results);
// Every gate but the one that people decide has passed.
bool waits_for_approval(const std::vector<GateResult>& results);

}  // namespace trimtab::judge
