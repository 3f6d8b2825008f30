#include "registry/filter_eval.h"

#include <algorithm>
#include <bit>

namespace trimtab::registry {
namespace {

// Calls visit(place) for each run whose bit is set.
template <class Visit>
void each_bit(const RunBits& bits, const Visit& visit) {
  for (std::uint32_t word = 0; word < bits.size(); ++word) {
    for (std::uint64_t rest = bits[word]; rest != 0; rest &= rest - 1) {
      visit(word * 64 + static_cast<std::uint32_t>(std::countr_zero(rest)));
    }
  }
}

void set_bit(RunBits& bits, std::uint32_t place) { bits[place / 64] |= std::uint64_t{1} << (place % 64); }

// A byte a text of the pool, for each of them.
constexpr int kRememberingMax = 8;

// Metrics are scanned in columns, attributes lie in the run, texts and links must be fetched.
int cost(const FilterTerm& term) {
  switch (term.field) {
    case FilterField::metric:
      return 0;
    case FilterField::number_attribute:
    case FilterField::text_attribute:
      return 1;
    case FilterField::param:
    case FilterField::tag:
      return 2;
    default:
      return 3;
  }
}

bool is_equality(FilterOperator comparison) {
  return comparison == FilterOperator::equal || comparison == FilterOperator::not_equal;
}

}  // namespace

bool compare_numbers(FilterOperator comparison, double a, double b) {
  switch (comparison) {
    case FilterOperator::equal:
      return a == b;
    case FilterOperator::not_equal:
      return a != b;
    case FilterOperator::less:
      return a < b;
    case FilterOperator::less_equal:
      return a <= b;
    case FilterOperator::greater:
      return a > b;
    default:
      return a >= b;
  }
}

FilterEval::FilterEval(const RunColumns& columns, const Filter& filter) : columns_(columns), filter_(filter) {
  int remembering = 0;
  for (const FilterTerm& term : filter.terms) {
    BoundTerm& bound = terms_.emplace_back();
    bound.term = &term;
    bound.key = columns.texts().find(term.key);
    if (term.field == FilterField::metric && bound.key) bound.column = columns.column(*bound.key);
    if (term.texts.empty()) continue;
    if (is_equality(term.comparison)) bound.value = columns.texts().find(term.texts.front());
    const bool ignores_case = term.comparison == FilterOperator::ilike;
    if (ignores_case || term.comparison == FilterOperator::like) {
      bound.pattern = LikePattern(term.texts.front(), ignores_case);
      // Terms beyond the first few compute each time what they could remember.
      if (++remembering <= kRememberingMax) bound.known.assign(columns.texts().size(), -1);
    }
  }
  const auto is_either = [](const FilterStep& step) { return step.kind == FilterStep::Kind::either; };
  if (std::any_of(filter.steps.begin(), filter.steps.end(), is_either)) return;
  for (std::uint32_t term = 0; term < terms_.size(); ++term) conjunction_.push_back(term);
  std::stable_sort(conjunction_.begin(), conjunction_.end(), [&](std::uint32_t a, std::uint32_t b) {
    return cost(filter.terms[a]) < cost(filter.terms[b]);
  });
}

void FilterEval::keep_matching(std::uint32_t number, RunBits& bits) {
  if (filter_.steps.empty()) return;
  if (!conjunction_.empty()) {
    // Each term looks only at what the ones before it have left.
    for (const std::uint32_t term : conjunction_) {
      const RunBits matching = match(terms_[term], number, bits);
      for (std::size_t word = 0; word < bits.size(); ++word) bits[word] &= matching[word];
    }
    return;
  }
  std::vector<RunBits> stack;
  for (const FilterStep& step : filter_.steps) {
    if (step.kind == FilterStep::Kind::term) {
      stack.push_back(match(terms_[step.term], number, bits));
      continue;
    }
    const RunBits right = stack.back();
    stack.pop_back();
    for (std::size_t word = 0; word < right.size(); ++word) {
      std::uint64_t& left = stack.back()[word];
      left = step.kind == FilterStep::Kind::both ? left & right[word] : left | right[word];
    }
  }
  for (std::size_t word = 0; word < bits.size(); ++word) bits[word] &= stack.back()[word];
}

bool FilterEval::matches(std::uint32_t place) {
  if (filter_.steps.empty()) return true;
  if (!conjunction_.empty()) {
    return std::all_of(conjunction_.begin(), conjunction_.end(),
                       [&](std::uint32_t term) { return matches_term(terms_[term], place); });
  }
  truths_.clear();
  for (const FilterStep& step : filter_.steps) {
    if (step.kind == FilterStep::Kind::term) {
      truths_.push_back(matches_term(terms_[step.term], place));
      continue;
    }
    const bool right = truths_.back();
    truths_.pop_back();
    const bool left = truths_.back();
    truths_.back() = step.kind == FilterStep::Kind::both ? left && right : left || right;
  }
  return truths_.back();
}

RunBits FilterEval::match(BoundTerm& bound, std::uint32_t number, const RunBits& candidates) const {
  if (bound.term->field == FilterField::metric) return match_metric(bound, number);
  RunBits matching{};
  each_bit(candidates, [&](std::uint32_t place) {
    if (matches_run(bound, columns_.run(number * kBlockRuns + place))) set_bit(matching, place);
  });
  return matching;
}

RunBits FilterEval::match_metric(const BoundTerm& bound, std::uint32_t number) const {
  RunBits matching{};
  const ValueBlock* block = bound.column == nullptr ? nullptr : bound.column->block(number);
  if (block == nullptr) return matching;
  block->each([&](std::uint32_t place, double value) {
    if (compare_numbers(bound.term->comparison, value, bound.term->number)) set_bit(matching, place);
  });
  return matching;
}

bool FilterEval::matches_term(BoundTerm& bound, std::uint32_t place) const {
  if (bound.term->field != FilterField::metric) return matches_run(bound, columns_.run(place));
  const double* value = bound.column == nullptr ? nullptr : bound.column->find(place);
  return value != nullptr && compare_numbers(bound.term->comparison, *value, bound.term->number);
}

bool FilterEval::matches_run(BoundTerm& bound, const HeldRun& run) const {
  switch (bound.term->field) {
    case FilterField::param:
      return matches_pair(bound, run.params);
    case FilterField::tag:
      return matches_pair(bound, run.tags);
    case FilterField::dataset:
      return matches_dataset(bound, run);
    default:
      return matches_attribute(bound, run);
  }
}

bool FilterEval::matches_pair(BoundTerm& bound, const std::vector<TextPair>& pairs) const {
  const auto found = std::find_if(pairs.begin(), pairs.end(),
                                  [&](const TextPair& pair) { return bound.key && pair.key == *bound.key; });
  const FilterOperator comparison = bound.term->comparison;
  if (comparison == FilterOperator::is_null) return found == pairs.end();
  if (found == pairs.end()) return false;
  return comparison == FilterOperator::is_not_null || matches_text_id(bound, found->value);
}

bool FilterEval::matches_text_id(BoundTerm& bound, std::uint32_t text) const {
  const bool is_equal = bound.value == text;
  if (bound.term->comparison == FilterOperator::equal) return is_equal;
  if (bound.term->comparison == FilterOperator::not_equal) return !is_equal;
  if (bound.known.empty()) return matches_text(bound, columns_.texts().text(text));
  std::int8_t& known = bound.known[text];
  if (known < 0) known = matches_text(bound, columns_.texts().text(text)) ? 1 : 0;
  return known == 1;
}

bool FilterEval::matches_text(const BoundTerm& bound, std::string_view text) const {
  const std::vector<std::string>& texts = bound.term->texts;
  switch (bound.term->comparison) {
    case FilterOperator::equal:
      return text == texts.front();
    case FilterOperator::not_equal:
      return text != texts.front();
    case FilterOperator::in:
      return std::find(texts.begin(), texts.end(), text) != texts.end();
    case FilterOperator::not_in:
      return std::find(texts.begin(), texts.end(), text) == texts.end();
    default:
      return bound.pattern.matches(text);
  }
}

bool FilterEval::matches_attribute(BoundTerm& bound, const HeldRun& run) const {
  const FilterTerm& term = *bound.term;
  if (term.key == "start_time") {
    return compare_numbers(term.comparison, static_cast<double>(run.start_ms), term.number);
  }
  if (term.key == "end_time") {
    return run.end_ms != HeldRun::kNoEnd &&
           compare_numbers(term.comparison, static_cast<double>(run.end_ms), term.number);
  }
  if (term.key == "status") return matches_text(bound, status_name(run.status));
  if (term.key == "run_id") return matches_text(bound, run.id);
  if (term.key == "run_name") return matches_text_id(bound, run.name);
  if (term.key == "user_id") return matches_text_id(bound, run.user_id);
  return matches_text(bound, columns_.artifact_uri(run));
}

// Any dataset of the run will do.
bool FilterEval::matches_dataset(const BoundTerm& bound, const HeldRun& run) const {
  if (!run.links) return false;
  const std::string& key = bound.term->key;
  for (const auto& input : run.links->datasets) {
    if (key == "name" && matches_text(bound, input->name)) return true;
    if (key == "digest" && matches_text(bound, input->digest)) return true;
    if (key != "context") continue;
    for (const KeyValue& tag : input->tags) {
      if (tag.key == "mlflow.data.context" && matches_text(bound, tag.value)) return true;
    }
  }
  return false;
}

}  // namespace trimtab::registry
