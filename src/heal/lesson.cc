#include "heal/lesson.h"

#include <algorithm>
#include <utility>

namespace trimtab::heal {
namespace {

// How many standard errors of the paired difference a gain must be: to promote on evidence of a change, and
// to put a version in place that has learnt the same change from more rows.
constexpr double kGainOfChange = 1.64;
constexpr double kGainOfMore = 0.5;
constexpr std::int64_t kWholeBatchesMin = 4;  // Without damage, since a change: then they are enough.

// As many batches as can show the gain that the evidence promises.
std::int64_t test_batches(const EvidenceCusum& learnable) {
  int count = 1;
  while (count < kTestBatchesMax && learnable.sum_of_newest(count) < kTestLog) ++count;
  return count;
}

// In order of time, those that overlap or touch as one.
std::vector<features::TimeSpan> together(std::vector<features::TimeSpan> spans) {
  std::sort(spans.begin(), spans.end(), [](const auto& a, const auto& b) { return a.from < b.from; });
  std::vector<features::TimeSpan> all;
  for (const features::TimeSpan& span : spans) {
    if (!all.empty() && span.from <= all.back().until) {
      all.back().until = std::max(all.back().until, span.until);
    } else {
      all.push_back(span);
    }
  }
  return all;
}

// Batches since the change outside of these spans.
std::int64_t batches_outside(const std::vector<features::TimeSpan>& spans, TimeUs change,
                             const PolicyState& state, const watch::LabelledBatch& batch) {
  const TimeUs length = std::max<TimeUs>(1, state.batch_length);
  std::int64_t count = (batch.end - change) / length;
  for (const features::TimeSpan& span : spans) {
    const TimeUs from = std::max(span.from, change), until = std::min(span.until, batch.end);
    if (until > from) count -= (until - from) / length;
  }
  return std::max<std::int64_t>(count, 0);
}

// What a training after the change leaves out: batches of repaired rows, too, when there are enough others.
// The source's own files bring them as broken as they were.
std::vector<features::TimeSpan> spans_left_out(TimeUs change, const PolicyState& state,
                                               const watch::LabelledBatch& batch) {
  std::vector<features::TimeSpan> all = state.left_out;
  all.insert(all.end(), state.damaged.begin(), state.damaged.end());
  all = together(std::move(all));
  return batches_outside(all, change, state, batch) >= kWholeBatchesMin ? all : together(state.left_out);
}

}  // namespace

bool is_within(const std::vector<features::TimeSpan>& spans, const watch::LabelledBatch& batch) {
  return std::any_of(spans.begin(), spans.end(), [&batch](const auto& span) {
    return batch.number >= span.from && batch.number < span.until;
  });
}

Json spans_json(const std::vector<features::TimeSpan>& spans) {
  Json json = Json::array();
  for (const features::TimeSpan& span : spans) {
    json.push(Json::object({{"from", span.from}, {"until", span.until}}));
  }
  return json;
}

std::vector<features::TimeSpan> spans_from(const Json& json) {
  std::vector<features::TimeSpan> spans;
  if (!json.is_array()) return spans;
  for (const Json& span : json.as_array()) spans.push_back({span.int_or("from"), span.int_or("until")});
  return spans;
}

TimeUs start_of_newest(std::int64_t count, const PolicyState& state, const watch::LabelledBatch& batch,
                       const std::vector<features::TimeSpan>& left_out) {
  TimeUs start = batch.number;
  if (!is_within(left_out, batch)) --count;
  for (auto earlier = state.recent.rbegin(); earlier != state.recent.rend() && count > 0; ++earlier) {
    start = earlier->number;
    if (!is_within(left_out, *earlier)) --count;
  }
  return start;
}

TimeUs rise_of_evidence(const PolicyState& state, const watch::LabelledBatch& batch) {
  if (state.learnable.since() > 0) return state.learnable.since();
  return state.recent.empty() ? batch.number : state.recent.front().number;
}

std::int64_t batches_to_learn(TimeUs change, const PolicyState& state, const watch::LabelledBatch& batch) {
  return batches_outside(spans_left_out(change, state, batch), change, state, batch);
}

void set_lesson(Verdict& verdict, const PolicyState& state, const watch::LabelledBatch& batch,
                std::vector<TimeUs> changes, bool refits) {
  verdict.left_out = spans_left_out(changes.back(), state, batch);
  verdict.batches = batches_outside(verdict.left_out, changes.back(), state, batch);
  verdict.changes = std::move(changes);
  verdict.refits = refits;
  verdict.gain_se = refits ? kGainOfMore : kGainOfChange;
  const std::int64_t tested = refits ? std::clamp<std::int64_t>(verdict.batches / 4, 1, kTestBatchesMax)
                                     : test_batches(state.learnable);
  verdict.test_from = start_of_newest(tested, state, batch, verdict.left_out);
}

}  // namespace trimtab::heal
