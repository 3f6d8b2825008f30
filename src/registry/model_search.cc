// The searches of registered models and of their versions. Models are few and versions of one model are, too:
// candidates are read by the filter's name or run, and the rest is decided here, in time that hostile filters
// cannot stretch.
#include <algorithm>
#include <set>
#include <utility>

#include "registry/clauses.h"
#include "registry/model_rows.h"
#include "registry/model_rules.h"
#include "registry/model_versions.h"
#include "registry/registered_models.h"
#include "registry/run_rules.h"

namespace trimtab::registry {

using store::Connection;
using store::Statement;

namespace {

using Clauses = std::vector<Clause>;

tl::unexpected<Error> invalid_search(std::string message) {
  return fail(ErrorCode::invalid, std::move(message));
}

bool is_tag(const Clause& clause) { return clause.entity == "tag" || clause.entity == "tags"; }

// Which attributes a search knows, in MLflow's words for its complaints.
struct Grammar {
  std::vector<std::string> keys;
  std::string shown_keys;  // "{'name'}"
  std::vector<std::string> list_keys;
  std::string shown_list_keys;
  bool has_numbers = false;  // "version_number" among the keys.
};

const Grammar& model_grammar() {
  static const Grammar kGrammar{{"name"}, "{'name'}", {"name"}, "['name']", false};
  return kGrammar;
}

const Grammar& version_grammar() {
  static const Grammar kGrammar{{"name", "version_number", "run_id", "source_path"},
                                "{'name', 'version_number', 'run_id', 'source_path'}",
                                {"name", "run_id"},
                                "['name', 'run_id']",
                                true};
  return kGrammar;
}

bool has(const std::vector<std::string>& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

Status check_tag_clause(const Clause& clause) {
  if (clause.kind != Clause::Kind::text) {
    return invalid_search("Expected a quoted string value for tag (e.g. 'my-value'). Got value " +
                          clause.written);
  }
  const std::string& operation = clause.operation;
  if (operation == "=" || operation == "!=" || operation == "LIKE" || operation == "ILIKE") return {};
  return invalid_search("Invalid comparator for tag: " + operation);
}

// A number may be quoted.
Status check_number_clause(Clause& clause) {
  if (!is_number_operation(clause.operation)) {
    return invalid_search("Invalid comparator for attribute " + clause.key + ": " + clause.operation);
  }
  if (clause.kind == Clause::Kind::text) {
    const Result<std::int64_t> number = parse_version(clause.text);
    if (!number) {
      return invalid_search("Invalid value for numeric attribute '" + clause.key +
                            "': " + python_repr(clause.text));
    }
    clause.number = static_cast<double>(*number);
  } else if (clause.kind != Clause::Kind::whole_number) {
    return invalid_search("Invalid value for numeric attribute '" + clause.key + "': " + clause.written);
  }
  return {};
}

Status check_text_clause(const Clause& clause, const Grammar& grammar) {
  if (clause.kind == Clause::Kind::texts && !has(grammar.list_keys, clause.key)) {
    return invalid_search("Only " + grammar.shown_list_keys +
                          " attributes support comparison with a list of quoted string values.");
  }
  if (clause.kind == Clause::Kind::whole_number || clause.kind == Clause::Kind::number) {
    if (grammar.has_numbers) {
      return invalid_search(
          "Only the '{'version_number', 'creation_timestamp', 'last_updated_timestamp'}' attributes support "
          "comparison with numeric values.");
    }
    return invalid_search(
        "Expected a quoted string value or a list of quoted string values for attributes. Got value " +
        clause.written);
  }
  const bool takes_list = clause.operation == "IN" || clause.operation == "NOT IN";
  const bool fits = is_text_operation(clause.operation) && takes_list == (clause.kind == Clause::Kind::texts);
  return fits ? Status() : invalid_search("Invalid comparator for attribute: " + clause.operation);
}

Result<Clauses> read_filter(const std::string& filter, const Grammar& grammar) {
  Clauses clauses = TRY(parse_clauses(filter));
  for (Clause& clause : clauses) {
    if (is_tag(clause)) {
      TRY(check_tag_clause(clause));
      continue;
    }
    if (!clause.entity.empty() && clause.entity != "attribute") {
      return invalid_search("Invalid entity type '" + clause.entity +
                            "'. Valid entity types are ('attribute', 'tag', 'tags')");
    }
    if (!has(grammar.keys, clause.key)) {
      return invalid_search("Invalid attribute key '" + clause.key + "' specified. Valid keys are '" +
                            grammar.shown_keys + "'");
    }
    const bool is_number = clause.key == "version_number";
    TRY(is_number ? check_number_clause(clause) : check_text_clause(clause, grammar));
  }
  return clauses;
}

// Prompts are found when the first clause about them asks for them; then it is a clause like any other.
bool asks_for_prompts(const Clauses& clauses) {
  for (const Clause& clause : clauses) {
    if (!is_tag(clause) || clause.key != kIsPromptTag) continue;
    const bool says_true = says_prompt({clause.key, clause.text});
    return clause.operation == "=" ? says_true : clause.operation == "!=" && clause.text == "false";
  }
  return false;
}

bool tags_hold(const Clauses& clauses, const std::vector<KeyValue>& tags) {
  return std::all_of(clauses.begin(), clauses.end(), [&](const Clause& clause) {
    if (!is_tag(clause)) return true;
    return std::any_of(tags.begin(), tags.end(), [&](const KeyValue& tag) {
      return tag.key == clause.key && holds_for_text(clause, tag.value);
    });
  });
}

// Prompts are left out by the caller, so the clause that asks for none has been heeded.
Clauses without_prompt_clauses(Clauses clauses) {
  std::erase_if(clauses, [](const Clause& clause) { return is_tag(clause) && clause.key == kIsPromptTag; });
  return clauses;
}

const Clause* equality(const Clauses& clauses, std::string_view key) {
  for (const Clause& clause : clauses) {
    if (!is_tag(clause) && clause.key == key && clause.operation == "=") return &clause;
  }
  return nullptr;
}

Result<std::vector<OrderBy>> read_order(const std::vector<std::string>& order_by,
                                        const std::vector<std::string>& keys, const std::string& complaint) {
  std::vector<OrderBy> order;
  std::set<std::string> seen;
  for (const std::string& text : order_by) {
    OrderBy part = TRY(parse_order_by(text));
    if (!has(keys, part.key)) {
      std::string message = complaint;
      message.replace(message.find('#'), 1, part.key);
      return invalid_search(message);
    }
    if (part.key == "timestamp") part.key = "last_updated_timestamp";
    if (!seen.insert(part.key).second)
      return invalid_search("`order_by` contains duplicate fields: " + python_repr(text));
    order.push_back(std::move(part));
  }
  return order;
}

// By the first key in which they differ.
template <class Facts, class Field>
bool comes_before(const std::vector<OrderBy>& order, const Facts& a, const Facts& b, Field compare) {
  for (const OrderBy& part : order) {
    const auto side = compare(part.key, a, b);
    if (side != 0) return part.is_ascending ? side < 0 : side > 0;
  }
  return false;
}

int sign(std::int64_t a, std::int64_t b) { return a < b ? -1 : a > b ? 1 : 0; }

int compare_models(const std::string& key, const RegisteredModel& a, const RegisteredModel& b) {
  return key == "name" ? a.name.compare(b.name) : sign(a.updated_ms, b.updated_ms);
}

int compare_versions(const std::string& key, const ModelVersion& a, const ModelVersion& b) {
  if (key == "name") return a.model.compare(b.model);
  if (key == "version_number") return sign(a.version, b.version);
  return key == "creation_timestamp" ? sign(a.created_ms, b.created_ms) : sign(a.updated_ms, b.updated_ms);
}

// The page of what was found, and whether there is more.
template <class Facts>
bool cut_page(std::vector<Facts>& found, std::int64_t offset, std::int64_t max_results) {
  const auto count = static_cast<std::int64_t>(found.size());
  const std::int64_t begin = std::clamp<std::int64_t>(offset, 0, count);
  const std::int64_t end = std::min(count, begin + std::max<std::int64_t>(0, max_results));
  found.erase(found.begin() + end, found.end());
  found.erase(found.begin(), found.begin() + begin);
  return end < count;
}

bool attributes_hold(const Clauses& clauses, const std::string& name) {
  return std::all_of(clauses.begin(), clauses.end(),
                     [&](const Clause& clause) { return is_tag(clause) || holds_for_text(clause, name); });
}

Result<std::vector<RegisteredModel>> matching_models(Connection& connection, const Clauses& clauses) {
  const bool wants_prompts = asks_for_prompts(clauses);
  const Clauses rest = wants_prompts ? clauses : without_prompt_clauses(clauses);
  std::vector<RegisteredModel> models;
  {
    Statement row =
        connection.prepare("SELECT name, description, created_ms, updated_ms FROM registered_model");
    while (TRY(row.step())) {
      if (!attributes_hold(rest, row.text(0))) continue;
      RegisteredModel model;
      model.name = row.text(0);
      model.description = row.text(1);
      model.created_ms = row.integer(2);
      model.updated_ms = row.integer(3);
      models.push_back(std::move(model));
    }
  }
  std::vector<RegisteredModel> matching;
  for (RegisteredModel& model : models) {
    model.tags = TRY(select_model_tags(connection, model.name));
    const bool is_prompt = std::any_of(model.tags.begin(), model.tags.end(), says_prompt);
    if ((wants_prompts || !is_prompt) && tags_hold(rest, model.tags)) matching.push_back(std::move(model));
  }
  return matching;
}

bool attributes_hold(const Clauses& clauses, const ModelVersion& version) {
  return std::all_of(clauses.begin(), clauses.end(), [&](const Clause& clause) {
    if (is_tag(clause)) return true;
    if (clause.key == "version_number") return holds_for_number(clause, static_cast<double>(version.version));
    if (clause.key == "name") return holds_for_text(clause, version.model);
    if (clause.key == "source_path") return holds_for_text(clause, version.source);
    return version.run_id && holds_for_text(clause, *version.run_id);
  });
}

Result<std::vector<ModelVersion>> candidates(Connection& connection, const Clauses& clauses) {
  static const std::string kByName = std::string(kSelectVersions) + " AND model = ?";
  static const std::string kByRun = std::string(kSelectVersions) + " AND run_id = ?";
  const Clause* name = equality(clauses, "name");
  const Clause* run = equality(clauses, "run_id");
  std::vector<ModelVersion> versions;
  Statement row = connection.prepare(name != nullptr  ? std::string_view(kByName)
                                     : run != nullptr ? std::string_view(kByRun)
                                                      : kSelectVersions);
  if (name != nullptr || run != nullptr) row.with((name != nullptr ? name : run)->text);
  while (TRY(row.step())) {
    ModelVersion version = read_version_row(row);
    if (attributes_hold(clauses, version)) versions.push_back(std::move(version));
  }
  return versions;
}

Result<std::set<std::string>> prompt_names(Connection& connection) {
  std::set<std::string> names;
  Statement row = connection.prepare(
      "SELECT DISTINCT model FROM model_version_tag WHERE key = ? AND lower(value) = 'true'");
  row.with(kIsPromptTag);
  while (TRY(row.step())) names.insert(row.text(0));
  return names;
}

Result<std::vector<ModelVersion>> matching_versions(Connection& connection, const Clauses& clauses) {
  const bool wants_prompts = asks_for_prompts(clauses);
  const Clauses rest = wants_prompts ? clauses : without_prompt_clauses(clauses);
  std::set<std::string> prompts;
  if (!wants_prompts) prompts = TRY(prompt_names(connection));
  const bool has_tags = std::any_of(rest.begin(), rest.end(), is_tag);
  std::vector<ModelVersion> matching;
  for (ModelVersion& version : TRY(candidates(connection, rest))) {
    if (prompts.contains(version.model)) continue;
    if (has_tags) version.tags = TRY(select_version_tags(connection, version.model, version.version));
    if (!has_tags || tags_hold(rest, version.tags)) matching.push_back(std::move(version));
  }
  return matching;
}

}  // namespace

Result<ModelPage> search_models(store::Home& home, const ModelSearch& search) {
  const Clauses clauses = TRY(read_filter(search.filter, model_grammar()));
  std::vector<OrderBy> order =
      TRY(read_order(search.order_by, {"name", "timestamp", "last_updated_timestamp"},
                     "Invalid order by key '#' specified. Valid keys are '{'timestamp', 'name'}'"));
  order.push_back({"name", true});
  ModelPage page;
  TRY(home.database().read([&](Connection& connection) -> Status {
    page.models = TRY(matching_models(connection, clauses));
    if (search.may_see)
      std::erase_if(page.models, [&](const auto& model) { return !search.may_see(model.name); });
    std::sort(page.models.begin(), page.models.end(),
              [&](const RegisteredModel& a, const RegisteredModel& b) {
                return comes_before(order, a, b, compare_models);
              });
    page.has_more = cut_page(page.models, search.offset, search.max_results);
    for (RegisteredModel& model : page.models) {
      model.aliases = TRY(select_aliases(connection, model.name));
      model.latest_versions = TRY(select_latest(connection, model.name));
    }
    return {};
  }));
  return page;
}

Result<VersionPage> search_versions(store::Home& home, const VersionSearch& search) {
  const Clauses clauses = TRY(read_filter(search.filter, version_grammar()));
  std::vector<OrderBy> order = TRY(read_order(
      search.order_by, {"name", "version_number", "creation_timestamp", "last_updated_timestamp"},
      "Invalid attribute key '#' specified. Valid keys are '{'name', 'version_number', 'creation_timestamp', "
      "'last_updated_timestamp'}'"));
  if (order.empty()) order.push_back({"last_updated_timestamp", false});
  order.push_back({"name", true});
  order.push_back({"version_number", false});
  VersionPage page;
  TRY(home.database().read([&](Connection& connection) -> Status {
    page.versions = TRY(matching_versions(connection, clauses));
    if (search.may_see)
      std::erase_if(page.versions, [&](const auto& version) { return !search.may_see(version.model); });
    std::sort(page.versions.begin(), page.versions.end(), [&](const ModelVersion& a, const ModelVersion& b) {
      return comes_before(order, a, b, compare_versions);
    });
    page.has_more = cut_page(page.versions, search.offset, search.max_results);
    for (ModelVersion& version : page.versions) {
      if (version.tags.empty()) {
        version.tags = TRY(select_version_tags(connection, version.model, version.version));
      }
    }
    return {};
  }));
  return page;
}

}  // namespace trimtab::registry
