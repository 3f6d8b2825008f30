#include "heal/naive_policy.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

namespace trimtab::heal {
namespace {

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
  verdict.test_from = test_start(state, batch);
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

}  // namespace

Result<PolicyOptions> parse_policy(std::string_view text) {
  const auto unknown = [text] {
    return fail(ErrorCode::invalid, "'" + std::string(text) + "' is no policy",
                "declared, never, every:7d, every-batch:12, or every-batches:5:12");
  };
  PolicyOptions options;
  if (text == "declared") return options;
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const std::string_view rest = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  if (text == "never") {
    options.kind = PolicyKind::never;
    return options;
  }
  if (name == "every") {
    const Result<TimeUs> period = base::parse_duration(std::string(rest));
    if (!period) return unknown();
    options.kind = PolicyKind::periodic;
    options.period = *period;
    return options;
  }
  std::vector<int> numbers = numbers_of(rest);
  if (name == "every-batch") numbers.insert(numbers.begin(), 1);
  if ((name != "every-batch" && name != "every-batches") || numbers.size() != 2) return unknown();
  options.kind = PolicyKind::every_batches;
  options.every_batches = numbers[0];
  options.window_batches = numbers[1];
  return options;
}

Verdict weigh_naive(const PolicyOptions& options, PolicyState& state, const watch::LabelledBatch& batch,
                    TimeUs now) {
  switch (options.kind) {
    case PolicyKind::periodic:
      return weigh_periodic(options, state, batch, now);
    case PolicyKind::every_batches:
      return weigh_every_batches(options, state, batch, now);
    case PolicyKind::declared:
    case PolicyKind::never:
      break;
  }
  return {};
}

}  // namespace trimtab::heal
