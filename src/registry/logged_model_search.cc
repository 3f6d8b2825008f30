// The search of logged models, with a grammar of its own: entities are written out ("metrics", "params",
// "tags", "attributes"), and whatever stands alone is an attribute.
#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "registry/clauses.h"
#include "registry/logged_model_rows.h"
#include "registry/model_rules.h"
#include "registry/row_values.h"
#include "registry/run_rules.h"

namespace trimtab::registry {

using store::Connection;
using store::Statement;

namespace {

using Clauses = std::vector<Clause>;

// MLflow's names of an attribute, as one.
std::string attribute(const std::string& key) {
  if (key == "creation_time" || key == "creation_timestamp") return "creation_timestamp_ms";
  return key == "last_updated_timestamp" ? "last_updated_timestamp_ms" : key;
}

bool is_time(const std::string& key) {
  return key == "creation_timestamp_ms" || key == "last_updated_timestamp_ms";
}

std::optional<std::string> text_attribute(const LoggedModel& model, const std::string& key) {
  if (key == "model_id") return model.id;
  if (key == "experiment_id") return std::to_string(model.experiment_id);
  if (key == "name") return model.name;
  if (key == "model_type") return model.model_type;
  if (key == "source_run_id") return model.source_run_id;
  if (key == "artifact_location") return model.location;
  if (key == "status") return std::to_string(static_cast<int>(model.status));
  return std::nullopt;
}

bool is_attribute(const std::string& key) {
  return is_time(key) || text_attribute(LoggedModel(), key).has_value();
}

bool is_numeric(const Clause& clause) {
  return clause.entity == "metrics" || (clause.entity == "attributes" && is_time(clause.key));
}

Status check_clause(Clause& clause) {
  if (clause.entity.empty()) {
    clause.entity = "attributes";
    clause.key = attribute(clause.key);
  }
  const std::string& entity = clause.entity;
  if (entity != "attributes" && entity != "metrics" && entity != "params" && entity != "tags") {
    return invalid("Invalid entity type: " + python_repr(entity) +
                   ". Expected one of ['attributes', 'metrics', 'params', 'tags'].");
  }
  const bool fits =
      is_numeric(clause) ? is_number_operation(clause.operation) : is_text_operation(clause.operation);
  if (!fits) {
    return invalid("Invalid comparison operator for " + entity + "." + clause.key + ": " +
                   python_repr(clause.operation) + ". Expected one of " +
                   (is_numeric(clause) ? "('<', '<=', '>', '>=', '=', '!=')."
                                       : "('=', '!=', 'LIKE', 'ILIKE', 'IN', 'NOT IN')."));
  }
  const bool is_number = clause.kind == Clause::Kind::whole_number || clause.kind == Clause::Kind::number;
  if (is_numeric(clause) && !is_number) {
    return invalid("Invalid filter string: could not convert " + clause.written + " to a number.");
  }
  // There an unquoted value is a text, too.
  if (!is_numeric(clause) && is_number) clause.text = clause.written;
  if (entity == "attributes" && !is_attribute(clause.key)) {
    return invalid("Invalid attribute in filter string: " + python_repr(clause.key) + ".");
  }
  return {};
}

Result<Clauses> read_filter(const std::string& filter) {
  Result<Clauses> clauses = parse_clauses(filter);
  if (!clauses) {
    return invalid(
        "Invalid filter string: " + python_repr(filter.substr(0, 1000)) +
        ". Expected a list of comparisons separated by 'AND' (e.g. 'metrics.loss > 0.1 AND params.lr = "
        "0.01').");
  }
  for (Clause& clause : *clauses) TRY(check_clause(clause));
  return *std::move(clauses);
}

bool is_of(const LoggedModelMetric& metric, const std::vector<LoggedModelDataset>& datasets) {
  if (datasets.empty()) return true;
  return std::any_of(datasets.begin(), datasets.end(), [&](const LoggedModelDataset& dataset) {
    return metric.dataset_name == dataset.name &&
           (dataset.digest.empty() || metric.dataset_digest == dataset.digest);
  });
}

bool any_pair(const Clause& clause, const std::vector<KeyValue>& pairs) {
  return std::any_of(pairs.begin(), pairs.end(), [&](const KeyValue& pair) {
    return pair.key == clause.key && holds_for_text(clause, pair.value);
  });
}

bool holds(const Clause& clause, const LoggedModel& model, const std::vector<LoggedModelDataset>& datasets) {
  if (clause.entity == "params") return any_pair(clause, model.params);
  if (clause.entity == "tags") return any_pair(clause, model.tags);
  if (clause.entity == "metrics") {
    return std::any_of(model.metrics.begin(), model.metrics.end(), [&](const LoggedModelMetric& metric) {
      return metric.point.key == clause.key && is_of(metric, datasets) &&
             holds_for_number(clause, metric.point.value);
    });
  }
  if (clause.key == "creation_timestamp_ms")
    return holds_for_number(clause, static_cast<double>(model.created_ms));
  if (clause.key == "last_updated_timestamp_ms") {
    return holds_for_number(clause, static_cast<double>(model.updated_ms));
  }
  return holds_for_text(clause, *text_attribute(model, clause.key));
}

bool matches(const LoggedModel& model, const Clauses& clauses,
             const std::vector<LoggedModelDataset>& datasets) {
  const bool asks_metrics = std::any_of(clauses.begin(), clauses.end(),
                                        [](const Clause& clause) { return clause.entity == "metrics"; });
  if (!datasets.empty() && !asks_metrics) {
    const bool has_any =
        std::any_of(model.metrics.begin(), model.metrics.end(),
                    [&](const LoggedModelMetric& metric) { return is_of(metric, datasets); });
    if (!has_any) return false;
  }
  return std::all_of(clauses.begin(), clauses.end(),
                     [&](const Clause& clause) { return holds(clause, model, datasets); });
}

Status check_order(std::vector<LoggedModelOrder>& order_by) {
  for (LoggedModelOrder& order : order_by) {
    const std::size_t dot = order.field.find('.');
    if (dot == std::string::npos) {
      order.field = attribute(order.field);
      if (!is_attribute(order.field)) return invalid("Invalid order by field name: " + order.field);
    } else if (order.field.substr(0, dot) != "metrics") {
      return invalid("Invalid order by field name: " + order.field + ". Only metrics are supported.");
    }
  }
  return {};
}

// The latest value of a metric (by time, then step) on the order's dataset.
std::optional<double> metric_value(const LoggedModel& model, const LoggedModelOrder& order) {
  const std::string key = order.field.substr(order.field.find('.') + 1);
  const MetricPoint* latest = nullptr;
  for (const LoggedModelMetric& metric : model.metrics) {
    const bool is_dataset = (order.dataset_name.empty() || metric.dataset_name == order.dataset_name) &&
                            (order.dataset_digest.empty() || metric.dataset_digest == order.dataset_digest);
    if (metric.point.key != key || !is_dataset) continue;
    const bool is_later = latest == nullptr || std::pair(metric.point.timestamp_ms, metric.point.step) >
                                                   std::pair(latest->timestamp_ms, latest->step);
    if (is_later) latest = &metric.point;
  }
  return latest == nullptr ? std::nullopt : std::optional(latest->value);
}

int sign(double a, double b) { return a < b ? -1 : a > b ? 1 : 0; }

// Less, equal or greater in the order's direction; what is missing comes last in either.
int compare(const LoggedModelOrder& order, const LoggedModel& a, const LoggedModel& b) {
  int side = 0;
  if (order.field.starts_with("metrics.")) {
    const std::optional<double> left = metric_value(a, order);
    const std::optional<double> right = metric_value(b, order);
    if (!left || !right) return (left ? 0 : 1) - (right ? 0 : 1);
    side = sign(*left, *right);
  } else if (order.field == "creation_timestamp_ms") {
    side = sign(static_cast<double>(a.created_ms), static_cast<double>(b.created_ms));
  } else if (order.field == "last_updated_timestamp_ms") {
    side = sign(static_cast<double>(a.updated_ms), static_cast<double>(b.updated_ms));
  } else {
    side = text_attribute(a, order.field)->compare(*text_attribute(b, order.field));
  }
  return order.is_ascending ? side : -side;
}

void sort_models(std::vector<LoggedModel>& models, std::vector<LoggedModelOrder> order_by) {
  order_by.push_back({"creation_timestamp_ms", false, {}, {}});
  order_by.push_back({"model_id", true, {}, {}});
  std::sort(models.begin(), models.end(), [&](const LoggedModel& a, const LoggedModel& b) {
    for (const LoggedModelOrder& order : order_by) {
      const int side = compare(order, a, b);
      if (side != 0) return side < 0;
    }
    return false;
  });
}

}  // namespace

LoggedModel read_logged_model_row(const Statement& row) {
  LoggedModel model;
  model.id = row.text(0);
  model.experiment_id = row.integer(1);
  model.name = row.text(2);
  model.model_type = row.text(3);
  model.source_run_id = row.text(4);
  model.location = row.text(5);
  model.status = read_logged_model_status(row.text(6));
  model.created_ms = row.integer(7);
  model.updated_ms = row.integer(8);
  return model;
}

Status read_logged_model_metrics(Statement& row, LoggedModel& model) {
  while (TRY(row.step())) {
    MetricPoint point{row.text(0), row.real(1), row.integer(2), row.integer(3)};
    model.metrics.push_back({model.id, std::move(point), row.text(4), row.text(5), row.text(6)});
  }
  return {};
}

Status fill_logged_model(Connection& connection, LoggedModel& model) {
  model.params = TRY(select_pairs(
      connection, "SELECT key, value FROM logged_model_param WHERE model_id = ? ORDER BY key", model.id));
  model.tags = TRY(select_pairs(
      connection, "SELECT key, value FROM logged_model_tag WHERE model_id = ? ORDER BY key", model.id));
  Statement row = connection.prepare(
      "SELECT key, value, timestamp_ms, step, run_id, dataset_name, dataset_digest FROM logged_model_metric "
      "WHERE model_id = ? ORDER BY key, timestamp_ms, step, run_id");
  row.with(model.id);
  return read_logged_model_metrics(row, model);
}

Result<LoggedModel> select_logged_model(Connection& connection, const std::string& id) {
  LoggedModel model;
  {
    static const std::string kSql = std::string(kSelectLoggedModels) + " WHERE id = ?";
    Statement row = connection.prepare(kSql);
    CHECK(TRY(row.with(id).step()));
    model = read_logged_model_row(row);
  }
  TRY(fill_logged_model(connection, model));
  return model;
}

Result<LoggedModelPage> search_logged_models(store::Home& home, const LoggedModelSearch& search) {
  const Clauses clauses = TRY(read_filter(search.filter));
  std::vector<LoggedModelOrder> order_by = search.order_by;
  TRY(check_order(order_by));
  std::vector<LoggedModel> found;
  TRY(home.database().read([&](Connection& connection) -> Status {
    static const std::string kSql =
        std::string(kSelectLoggedModels) + " WHERE experiment_id = ? AND deleted_ms IS NULL";
    std::vector<LoggedModel> candidates;
    for (const std::int64_t experiment : search.experiment_ids) {
      Statement row = connection.prepare(kSql);
      row.with(experiment);
      while (TRY(row.step())) candidates.push_back(read_logged_model_row(row));
    }
    for (LoggedModel& model : candidates) {
      TRY(fill_logged_model(connection, model));
      if (matches(model, clauses, search.datasets)) found.push_back(std::move(model));
    }
    return {};
  }));
  sort_models(found, std::move(order_by));
  LoggedModelPage page;
  const auto count = static_cast<std::int64_t>(found.size());
  const std::int64_t begin = std::clamp<std::int64_t>(search.offset, 0, count);
  const std::int64_t end = std::min(count, begin + std::max<std::int64_t>(0, search.max_results));
  page.models.assign(std::make_move_iterator(found.begin() + begin),
                     std::make_move_iterator(found.begin() + end));
  page.has_more = end < count;
  return page;
}

}  // namespace trimtab::registry
