// Reading experiments. They are few, so each search reads all of them and looks at each.
#include <algorithm>
#include <utility>

#include "registry/experiments.h"
#include "registry/filter_eval.h"
#include "registry/row_values.h"
#include "registry/run_filter.h"

namespace trimtab::registry {
namespace {

using store::Connection;
using store::Statement;

constexpr std::string_view kColumns =
    "SELECT id, name, artifact_location, lifecycle_stage, created_ms, updated_ms FROM experiment ";

ExperimentFacts read_row(const Statement& row) {
  ExperimentFacts facts;
  facts.id = row.integer(0);
  facts.name = row.text(1);
  facts.artifact_location = row.text(2);
  facts.is_deleted = row.text(3) == "deleted";
  facts.created_ms = row.integer(4);
  facts.updated_ms = row.integer(5);
  return facts;
}

Status read_tags(Connection& connection, ExperimentFacts& facts) {
  facts.tags = TRY(select_pairs(
      connection, "SELECT key, value FROM experiment_tag WHERE experiment_id = ? ORDER BY key", facts.id));
  return {};
}

bool matches_text(const FilterTerm& term, const std::string& text) {
  const bool is_listed = std::find(term.texts.begin(), term.texts.end(), text) != term.texts.end();
  switch (term.comparison) {
    case FilterOperator::equal:
    case FilterOperator::in:
      return is_listed;
    case FilterOperator::not_equal:
    case FilterOperator::not_in:
      return !is_listed;
    default:
      return LikePattern(term.texts.front(), term.comparison == FilterOperator::ilike).matches(text);
  }
}

bool matches(const FilterTerm& term, const ExperimentFacts& facts) {
  if (term.field == FilterField::tag) {
    const auto found = std::find_if(facts.tags.begin(), facts.tags.end(),
                                    [&](const KeyValue& tag) { return tag.key == term.key; });
    if (term.comparison == FilterOperator::is_null) return found == facts.tags.end();
    if (found == facts.tags.end()) return false;
    return term.comparison == FilterOperator::is_not_null || matches_text(term, found->value);
  }
  if (term.key == "name") return matches_text(term, facts.name);
  if (term.key == "experiment_id") return matches_text(term, std::to_string(facts.id));
  const std::int64_t time = term.key == "creation_time" ? facts.created_ms : facts.updated_ms;
  return compare_numbers(term.comparison, static_cast<double>(time), term.number);
}

bool matches(const Filter& filter, const ExperimentFacts& facts) {
  std::vector<bool> stack;
  for (const FilterStep& step : filter.steps) {
    if (step.kind == FilterStep::Kind::term) {
      stack.push_back(matches(filter.terms[step.term], facts));
      continue;
    }
    const bool right = stack.back();
    stack.pop_back();
    stack.back() = step.kind == FilterStep::Kind::both ? stack.back() && right : stack.back() || right;
  }
  return stack.empty() || stack.back();
}

int compare(const OrderTerm& term, const ExperimentFacts& a, const ExperimentFacts& b) {
  const auto three_way = [](const auto& x, const auto& y) { return x < y ? -1 : y < x ? 1 : 0; };
  int order = 0;
  if (term.key == "name") order = three_way(a.name, b.name);
  if (term.key == "experiment_id") order = three_way(a.id, b.id);
  if (term.key == "creation_time") order = three_way(a.created_ms, b.created_ms);
  if (term.key == "last_update_time") order = three_way(a.updated_ms, b.updated_ms);
  return term.is_ascending ? order : -order;
}

// MLflow's order: newest first when nothing is asked, and the greater id first among equals when something
// is.
Result<std::vector<OrderTerm>> read_order(const std::vector<std::string>& order_by) {
  std::vector<OrderTerm> order = TRY(parse_order(order_by, SearchSubject::experiments));
  for (const OrderTerm& term : order) {
    if (term.field == FilterField::tag) return fail(ErrorCode::invalid, "Invalid order_by entity: tag");
  }
  if (order.empty()) order.push_back({FilterField::number_attribute, "creation_time", false});
  order.push_back({FilterField::text_attribute, "experiment_id", order_by.empty()});
  return order;
}

Result<ExperimentFacts> read_one(store::Home& home, std::string_view where, const auto& value,
                                 Error missing) {
  ExperimentFacts facts;
  TRY(home.database().read([&](Connection& connection) -> Status {
    Statement row = connection.prepare(std::string(kColumns) + std::string(where));
    if (!TRY(row.with(value).step())) return fail(missing);
    facts = read_row(row);
    return read_tags(connection, facts);
  }));
  return facts;
}

Error not_found(std::string message) {
  return Error{ErrorCode::not_found, std::move(message), {}, std::nullopt, nullptr};
}

}  // namespace

Result<ExperimentFacts> find_experiment(store::Home& home, std::int64_t id) {
  return read_one(home, "WHERE id = ?", id,
                  not_found("No Experiment with id=" + std::to_string(id) + " exists"));
}

Result<ExperimentFacts> find_experiment_by_name(store::Home& home, std::string_view name) {
  return read_one(home, "WHERE name = ?", name,
                  not_found("Could not find experiment with name '" + std::string(name) + "'"));
}

Result<ExperimentPage> search_experiments(store::Home& home, const ExperimentSearch& search) {
  const Filter filter = TRY(parse_filter(search.filter, SearchSubject::experiments));
  const std::vector<OrderTerm> order = TRY(read_order(search.order_by));
  std::vector<ExperimentFacts> found;
  TRY(home.database().read([&](Connection& connection) -> Status {
    Statement row = connection.prepare(kColumns);
    while (TRY(row.step())) {
      ExperimentFacts facts = read_row(row);
      if (!(facts.is_deleted ? search.with_deleted : search.with_active)) continue;
      if (search.may_see && !search.may_see(facts.id)) continue;
      TRY(read_tags(connection, facts));
      if (matches(filter, facts)) found.push_back(std::move(facts));
    }
    return {};
  }));
  std::sort(found.begin(), found.end(), [&](const ExperimentFacts& a, const ExperimentFacts& b) {
    for (const OrderTerm& term : order) {
      const int compared = compare(term, a, b);
      if (compared != 0) return compared < 0;
    }
    return false;
  });
  const auto count = static_cast<std::int64_t>(found.size());
  const std::int64_t start = std::clamp<std::int64_t>(search.offset, 0, count);
  const std::int64_t end = std::min(count, start + std::clamp<std::int64_t>(search.max_results, 0, count));
  ExperimentPage page;
  page.has_more = end < count;
  page.experiments.assign(std::make_move_iterator(found.begin() + start),
                          std::make_move_iterator(found.begin() + end));
  return page;
}

}  // namespace trimtab::registry
