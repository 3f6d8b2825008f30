#include "heal/naive_policy.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "heal/lesson.h"
#include "heal/population_shift.h"
#include "judge/metrics.h"

namespace trimtab::heal {
namespace {

constexpr double kShiftMax = 0.2;             // Of the population stability index: the folklore's threshold.
constexpr std::size_t kReferenceBatches = 6;  // What the first batches are held against.
constexpr std::size_t kLossesMin = 6;         // Batches without an alarm that make a mean and a deviation,
constexpr std::size_t kLossesMax = 30;        // and how many of them are remembered.

Verdict retrain(PolicyState& state, std::string hypothesis, Json evidence, TimeUs now) {
  Verdict verdict;
  verdict.treatment = Treatment::retrain;
  verdict.hypothesis = std::move(hypothesis);
  verdict.evidence = std::move(evidence);
  state.retrains.push_back(now);
  state.treating = true;
  return verdict;
}

// On the newest batches, `batch` among them, and promoted as it comes.
Verdict retrain_on_window(const PolicyOptions& options, PolicyState& state, const watch::LabelledBatch& batch,
                          std::string hypothesis, TimeUs now) {
  Verdict verdict =
      retrain(state, std::move(hypothesis), Json::object({{"window_batches", options.window_batches}}), now);
  const auto before = std::min(static_cast<std::size_t>(options.window_batches - 1), state.recent.size());
  verdict.train_from = before == 0 ? batch.number : state.recent[state.recent.size() - before].number;
  verdict.test_from = batch.end;
  verdict.gated = false;
  verdict.expected = "one training on the newest batches; it is promoted without gates";
  return verdict;
}

Verdict weigh_periodic(const PolicyOptions& options, PolicyState& state, const watch::LabelledBatch& batch,
                       TimeUs now) {
  if (!state.last_periodic) state.last_periodic = now;
  if (now - *state.last_periodic < options.period) return {};
  state.last_periodic = now;
  Json evidence = Json::object({{"period_days", static_cast<double>(options.period) / base::kDayUs}});
  Verdict verdict = retrain(state, "the period is over", std::move(evidence), now);
  verdict.test_from = start_of_newest(kTestBatchesMax, state, batch);
  verdict.expected = "one training; the candidate must pass every gate on the batches since " +
                     base::format_time(verdict.test_from);
  return verdict;
}

Verdict weigh_every_batches(const PolicyOptions& options, PolicyState& state,
                            const watch::LabelledBatch& batch, TimeUs now) {
  const std::int64_t seen = state.naive.int_or("batches") + 1;
  state.naive.set("batches", seen);
  if (seen % options.every_batches != 0) return {};
  return retrain_on_window(options, state, batch, "so many batches have come", now);
}

// The newest `count` batches with this one, oldest first.
std::vector<const watch::LabelledBatch*> newest(const PolicyState& state, const watch::LabelledBatch& batch,
                                                std::size_t count) {
  std::vector<const watch::LabelledBatch*> batches;
  const std::size_t before = std::min(count - 1, state.recent.size());
  for (std::size_t i = state.recent.size() - before; i < state.recent.size(); ++i) {
    batches.push_back(&state.recent[i]);
  }
  batches.push_back(&batch);
  return batches;
}

// The reference is what the last training of the policy learnt from; before the first, the first batches.
Verdict weigh_psi(const PolicyOptions& options, PolicyState& state, const watch::LabelledBatch& batch,
                  TimeUs now) {
  const PopulationReference reference = PopulationReference::from_json(state.naive["reference"]);
  const auto refer_to = [&](std::size_t count) {
    state.naive.set("reference", PopulationReference::of(newest(state, batch, count)).to_json());
  };
  if (reference.empty()) {
    if (state.recent.size() + 1 >= kReferenceBatches) refer_to(kReferenceBatches);
    return {};
  }
  const double shift = reference.shift_of(batch);
  if (shift <= kShiftMax) return {};
  refer_to(static_cast<std::size_t>(options.window_batches));
  Verdict verdict = retrain_on_window(options, state, batch, "the features have moved", now);
  verdict.evidence.set("psi", shift).set("psi_max", kShiftMax);
  return verdict;
}

double mean_brier(const watch::LabelledBatch& batch) {
  std::vector<double> losses;
  judge::row_losses(batch.truth, batch.served, losses);
  double sum = 0;
  for (const double loss : losses) sum += loss;
  return sum / static_cast<double>(losses.size());
}

// Batches before the last training count no longer: another version had answered them.
Verdict weigh_loss(const PolicyOptions& options, PolicyState& state, const watch::LabelledBatch& batch,
                   TimeUs now) {
  const double loss = mean_brier(batch);
  std::vector<double> known;
  if (state.naive["losses"].is_array()) {
    for (const Json& earlier : state.naive["losses"].as_array()) known.push_back(earlier.as_double());
  }
  double mean = 0, variance = 0;
  for (const double earlier : known) mean += earlier / static_cast<double>(known.size());
  for (const double earlier : known) {
    variance += (earlier - mean) * (earlier - mean) / static_cast<double>(known.size() - 1);
  }
  const double limit = mean + 3 * std::sqrt(variance);
  const bool alarms = known.size() >= kLossesMin && loss > limit;
  known.push_back(loss);
  if (known.size() > kLossesMax) known.erase(known.begin());
  if (alarms) known.clear();
  Json losses = Json::array();
  for (const double each : known) losses.push(each);
  state.naive.set("losses", std::move(losses));
  if (!alarms) return {};
  Verdict verdict = retrain_on_window(options, state, batch, "the loss is unusually high", now);
  verdict.evidence.set("loss", loss).set("loss_mean", mean).set("loss_max", limit);
  return verdict;
}

// The whole numbers behind a policy's name, each at least 1; nothing when they are something else.
std::vector<int> numbers_of(std::string_view text) {
  std::vector<int> numbers;
  while (true) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || number < 1) return {};
    numbers.push_back(number);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.empty()) return numbers;
    if (text.front() != ':') return {};
    text.remove_prefix(1);
  }
}

bool read_period(std::string_view text, PolicyOptions& options) {
  const Result<TimeUs> period = base::parse_duration(std::string(text));
  if (!period) return false;
  options.kind = PolicyKind::periodic;
  options.period = *period;
  return true;
}

// A policy's name and its numbers: how many it wants to know, the window being optional.
struct NamedKind {
  std::string_view name;
  PolicyKind kind;
  std::size_t numbers_min, numbers_max;
};
constexpr NamedKind kNamedKinds[] = {
    {"declared", PolicyKind::declared, 0, 0},
    {"never", PolicyKind::never, 0, 0},
    {"every-batch", PolicyKind::every_batches, 0, 1},
    {"every-batches", PolicyKind::every_batches, 1, 2},
    {"psi", PolicyKind::psi, 0, 1},
    {"loss-3sigma", PolicyKind::loss_3sigma, 0, 1},
};

bool read_kind(std::string_view name, std::string_view rest, PolicyOptions& options) {
  const std::vector<int> numbers = numbers_of(rest);
  if (!rest.empty() && numbers.empty()) return false;
  for (const NamedKind& known : kNamedKinds) {
    if (known.name != name) continue;
    if (numbers.size() < known.numbers_min || numbers.size() > known.numbers_max) return false;
    if (name == "declared" && options.contract) return false;  // It has one anyway.
    options.kind = known.kind;
    if (known.numbers_min == 1) options.every_batches = numbers.front();
    if (numbers.size() > known.numbers_min) options.window_batches = numbers.back();
    return true;
  }
  return false;
}

}  // namespace

Result<PolicyOptions> parse_policy(std::string_view text) {
  constexpr std::string_view kContract = "contract+";
  PolicyOptions options;
  options.contract = text.starts_with(kContract);
  const std::string_view plain = text.substr(options.contract ? kContract.size() : 0);
  const std::size_t colon = plain.find(':');
  const std::string_view name = plain.substr(0, colon);
  const std::string_view rest = colon == std::string_view::npos ? "" : plain.substr(colon + 1);
  const bool known = colon == std::string_view::npos || !rest.empty();
  if (known && (name == "every" ? read_period(rest, options) : read_kind(name, rest, options)))
    return options;
  return fail(ErrorCode::invalid, "'" + std::string(text) + "' is no policy",
              "declared, never, every:7d, every-batch:12, every-batches:5:12, psi:12, loss-3sigma:12, or "
              "contract+ before one of these");
}

Verdict weigh_naive(const PolicyOptions& options, PolicyState& state, const watch::LabelledBatch& batch,
                    TimeUs now) {
  switch (options.kind) {
    case PolicyKind::periodic:
      return weigh_periodic(options, state, batch, now);
    case PolicyKind::every_batches:
      return weigh_every_batches(options, state, batch, now);
    case PolicyKind::psi:
      return weigh_psi(options, state, batch, now);
    case PolicyKind::loss_3sigma:
      return weigh_loss(options, state, batch, now);
    case PolicyKind::declared:
    case PolicyKind::never:
      break;
  }
  return {};
}

}  // namespace trimtab::heal
