// The writes of the book, one value a request. `write` runs inside the group's transaction and looks only at
// the database, which shows what the same group has done before; `apply` repeats it in memory once it is
// durable.
#include <algorithm>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "registry/book_state.h"
#include "registry/run_leases.h"
#include "registry/run_name.h"
#include "registry/run_rows.h"
#include "registry/run_rules.h"

namespace trimtab::registry {
namespace {

using store::Connection;

// The name that a run is given by its tags; nothing when they name none.
const KeyValue* find_name_tag(const std::vector<KeyValue>& tags) {
  const auto found =
      std::find_if(tags.rbegin(), tags.rend(), [](const KeyValue& tag) { return tag.key == kRunNameTag; });
  return found == tags.rend() ? nullptr : &*found;
}

Status rename_run(Connection& connection, std::int64_t run, const std::string& name) {
  TRY(connection.prepare("UPDATE run SET name = ? WHERE number = ?").with(name, run).run());
  return put_tag(connection, run, {std::string(kRunNameTag), name});
}

template <class State>
struct CreateRun {
  Status write(Connection& connection) {
    location = TRY(active_experiment_location(connection, info.experiment_id));
    TRY(Status(rule));
    run = TRY(insert_run(connection, info));
    TRY(take_lease_of_experiment(connection));
    for (const KeyValue& tag : tags) TRY(put_tag(connection, run, tag));
    return {};
  }
  // The experiment's lease is that of its runs, unless they bring one.
  Status take_lease_of_experiment(Connection& connection) {
    for (const KeyValue& tag : tags) {
      if (tag.key == kLeaseTag) return {};
    }
    store::Statement row =
        connection.prepare("SELECT value FROM experiment_tag WHERE experiment_id = ? AND key = ?");
    if (TRY(row.with(info.experiment_id, kLeaseTag).step()))
      tags.push_back({std::string(kLeaseTag), row.text(0)});
    return {};
  }
  void apply(State& book) const {
    // A write of the same group may have had it loaded already.
    if (const auto loaded = book.columns.find_number(run)) return book.read_lease(*loaded);
    book.columns.set_location(info.experiment_id, location);
    const std::uint32_t place = book.columns.add({run, info});
    for (const KeyValue& tag : tags) book.columns.set_tag(place, tag.key, tag.value);
    book.read_lease(place);
  }

  RunInfo info;
  std::vector<KeyValue> tags;
  Status rule;  // What was wrong with the request itself.
  std::int64_t run = 0;
  std::string location;
};

// Gives the run its name, and the tag that repeats it.
Status name_run(NewRun& run, const std::string& id) {
  const KeyValue* named = find_name_tag(run.tags);
  if (!run.name.empty() && named != nullptr && !named->value.empty() && named->value != run.name) {
    return fail(ErrorCode::invalid,
                "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
                "(run_name='" +
                    run.name + "', mlflow.runName='" + named->value + "').");
  }
  if (run.name.empty() && named != nullptr) run.name = named->value;
  if (run.name.empty()) run.name = run_name(id);
  std::erase_if(run.tags, [](const KeyValue& tag) { return tag.key == kRunNameTag; });
  run.tags.push_back({std::string(kRunNameTag), run.name});
  for (std::size_t i = 0; i < run.tags.size(); ++i) {
    TRY(check_tag(run.tags[i], "tags[" + std::to_string(i) + "]"));
    TRY(check_lease(run.tags[i]));
  }
  return {};
}

}  // namespace

void RunBook::create(NewRun run, DoneRun done) {
  auto change = std::make_shared<CreateRun<State>>();
  change->info.id = base::ordered_id(state_->clock.now());
  change->rule = name_run(run, change->info.id);
  change->info.experiment_id = run.experiment_id;
  change->info.name = std::move(run.name);
  change->info.user_id = std::move(run.user_id);
  change->info.start_ms = run.start_ms;
  change->tags = std::move(run.tags);
  state_->write_run(std::move(change), std::move(done));
}

namespace {

template <class State>
struct LogBatch {
  Status write(Connection& connection) {
    TRY(Status(rule));
    run = TRY(find_active_run(connection, run_id)).number;
    TRY(write_params(connection));
    if (!points.points.empty()) {
      sequence = ++book->last_sequence;
      TRY(append_journal(connection, sequence, run, journal_row));
    }
    for (const KeyValue& tag : batch.tags) {
      if (tag.key != kRunNameTag) TRY(put_tag(connection, run, tag));
    }
    const KeyValue* named = find_name_tag(batch.tags);
    if (named != nullptr && !named->value.empty()) TRY(rename_run(connection, run, named->value));
    return {};
  }

  Status write_params(Connection& connection) {
    std::string others;
    for (const KeyValue& param : batch.params) {
      const std::optional<std::string> held = TRY(put_param(connection, run, param));
      if (!held) continue;
      if (batch.is_single) {
        return fail(ErrorCode::invalid, "Changing param values is not allowed. Param with key='" + param.key +
                                            "' was already logged with value='" + *held + "' for run ID='" +
                                            run_id + "'. Attempted logging new value '" + param.value + "'.");
      }
      others += (others.empty() ? "{'key': " : ", {'key': ") + python_repr(param.key) +
                ", 'old_value': " + python_repr(*held) + ", 'new_value': " + python_repr(param.value) + "}";
    }
    if (others.empty()) return {};
    return fail(ErrorCode::invalid, "Changing param values is not allowed. Params were already logged='[" +
                                        others + "]' for run ID='" + run_id + "'.");
  }

  void apply(State& book) const {
    const std::optional<std::uint32_t> found = book.place(run);
    if (!found) return;
    const std::uint32_t place = *found;
    for (const KeyValue& param : batch.params) book.columns.set_param(place, param.key, param.value);
    if (!points.points.empty()) book.columns.add_journaled(place, points, sequence, book.clock.now());
    for (const KeyValue& tag : batch.tags) {
      if (tag.key == kRunNameTag && tag.value.empty()) continue;
      book.columns.set_tag(place, tag.key, tag.value);
      if (tag.key == kRunNameTag) book.columns.set_name(place, tag.value);
      if (tag.key == kLeaseTag) book.read_lease(place);
    }
    book.beat(run);
    book.seal_when_long(place);
  }

  State* book = nullptr;
  std::string run_id;
  RunBatch batch;
  Status rule;
  MetricBatch points;
  std::string journal_row;
  std::int64_t run = 0;
  std::int64_t sequence = 0;
};

}  // namespace

void RunBook::log(std::string run_id, RunBatch batch, Done done) {
  auto change = std::make_shared<LogBatch<State>>();
  change->book = state_.get();
  change->rule = check_batch(run_id, batch);
  for (const KeyValue& tag : batch.tags) {
    if (change->rule) change->rule = check_lease(tag);
  }
  // What the commit thread need not do is done here.
  change->points = make_batch(batch.metrics);
  batch.metrics.clear();
  if (!change->points.points.empty()) change->journal_row = encode_batch(change->points);
  change->run_id = std::move(run_id);
  change->batch = std::move(batch);
  state_->write(std::move(change), std::move(done));
}

namespace {

template <class State>
struct ChangeRun {
  Status write(Connection& connection) {
    run = TRY(find_active_run(connection, run_id)).number;
    if (change.status) {
      TRY(connection.prepare("UPDATE run SET status = ? WHERE number = ?")
              .with(status_name(*change.status), run)
              .run());
    }
    if (change.end_ms) {
      TRY(connection.prepare("UPDATE run SET end_ms = ? WHERE number = ?").with(*change.end_ms, run).run());
    }
    if (change.name && !change.name->empty()) TRY(rename_run(connection, run, *change.name));
    return {};
  }
  void apply(State& book) const {
    const std::optional<std::uint32_t> found = book.place(run);
    if (!found) return;
    const std::uint32_t place = *found;
    if (change.status) book.columns.set_status(place, *change.status);
    if (change.end_ms) book.columns.set_end(place, *change.end_ms);
    if (change.name && !change.name->empty()) {
      book.columns.set_name(place, *change.name);
      book.columns.set_tag(place, kRunNameTag, *change.name);
    }
    if (change.status) book.read_lease(place);
    book.beat(run);
    if (change.status) book.seal_when_long(place);
  }

  std::string run_id;
  RunChange change;
  std::int64_t run = 0;
};

}  // namespace

void RunBook::change(std::string run_id, RunChange change, DoneRun done) {
  auto made = std::make_shared<ChangeRun<State>>();
  made->run_id = std::move(run_id);
  made->change = std::move(change);
  state_->write_run(std::move(made), std::move(done));
}

namespace {

template <class State>
struct DeleteTag {
  Status write(Connection& connection) {
    run = TRY(find_active_run(connection, run_id)).number;
    TRY(connection.prepare("DELETE FROM run_tag WHERE run = ? AND key = ?").with(run, key).run());
    if (connection.changes() > 0) return {};
    return fail(ErrorCode::not_found, "No tag with name: " + key + " in run with id " + run_id);
  }
  void apply(State& book) const {
    const auto place = book.place(run);
    if (!place) return;
    book.columns.delete_tag(*place, key);
    if (key == kLeaseTag) book.read_lease(*place);
    book.beat(run);
  }

  std::string run_id;
  std::string key;
  std::int64_t run = 0;
};

}  // namespace

void RunBook::delete_tag(std::string run_id, std::string key, Done done) {
  auto change = std::make_shared<DeleteTag<State>>();
  change->run_id = std::move(run_id);
  change->key = std::move(key);
  state_->write(std::move(change), std::move(done));
}

namespace {

template <class State>
struct DeleteRun {
  Status write(Connection& connection) {
    run = TRY(find_run(connection, run_id)).number;
    store::Statement update = connection.prepare(
        "UPDATE run SET lifecycle_stage = ?1, deleted_ms = ?2 WHERE number = ?3 AND lifecycle_stage <> ?1");
    update.bind(0, deleted ? "deleted" : "active").bind(2, run);
    if (deleted) {
      update.bind(1, now_ms);
    } else {
      update.bind_null(1);
    }
    return update.run();
  }
  void apply(State& book) const {
    const auto place = book.place(run);
    if (!place) return;
    book.columns.set_deleted(*place, deleted);
    book.read_lease(*place);
  }

  std::string run_id;
  bool deleted = false;
  std::int64_t now_ms = 0;
  std::int64_t run = 0;
};

}  // namespace

void RunBook::set_deleted(std::string run_id, bool deleted, Done done) {
  auto change = std::make_shared<DeleteRun<State>>();
  change->run_id = std::move(run_id);
  change->deleted = deleted;
  change->now_ms = state_->clock.now() / base::kMillisecondUs;
  state_->write(std::move(change), std::move(done));
}

namespace {

template <class State>
struct AddLinks {
  Status write(Connection& connection) {
    TRY(Status(rule));
    const RunKey state = TRY(find_active_run(connection, run_id));
    run = state.number;
    for (const auto& input : datasets) TRY(write_dataset(connection, state, *input));
    TRY(write_models(connection, "input", inputs));
    return write_models(connection, "output", outputs);
  }

  Status write_dataset(Connection& connection, const RunKey& state, const DatasetInput& input) {
    if (!TRY(add_dataset(connection, state.experiment_id, run, input))) return {};
    added.push_back(TRY(read_dataset(connection, state.experiment_id, input)));
    return {};
  }

  static Result<std::shared_ptr<const DatasetInput>> read_dataset(Connection& connection,
                                                                  std::int64_t experiment_id,
                                                                  const DatasetInput& input) {
    store::Statement row = connection.prepare(
        "SELECT source_type, source, schema, profile FROM logged_dataset "
        "WHERE experiment_id = ? AND name = ? AND digest = ?");
    const bool found = TRY(row.with(experiment_id, input.name, input.digest).step());
    CHECK(found);
    return std::make_shared<const DatasetInput>(DatasetInput{
        input.name, input.digest, row.text(0), row.text(1), row.text(2), row.text(3), input.tags});
  }

  Status write_models(Connection& connection, const char* direction, std::vector<ModelLink>& links) {
    std::vector<ModelLink> fresh;
    for (const ModelLink& link : links) {
      if (TRY(add_model_link(connection, run, direction, link))) fresh.push_back(link);
    }
    links = std::move(fresh);
    return {};
  }

  void apply(State& book) const {
    const std::optional<std::uint32_t> place = book.place(run);
    book.beat(run);
    if (!place || (added.empty() && inputs.empty() && outputs.empty())) return;
    RunLinks& links = book.columns.links(*place);
    links.datasets.insert(links.datasets.end(), added.begin(), added.end());
    links.model_inputs.insert(links.model_inputs.end(), inputs.begin(), inputs.end());
    links.model_outputs.insert(links.model_outputs.end(), outputs.begin(), outputs.end());
  }

  std::string run_id;
  std::vector<std::shared_ptr<const DatasetInput>> datasets;
  std::vector<ModelLink> inputs;
  std::vector<ModelLink> outputs;
  Status rule;
  std::int64_t run = 0;
  std::vector<std::shared_ptr<const DatasetInput>> added;
};

}  // namespace

void RunBook::add_inputs(std::string run_id, std::vector<DatasetInput> datasets,
                         std::vector<ModelLink> models, Done done) {
  auto change = std::make_shared<AddLinks<State>>();
  change->run_id = std::move(run_id);
  for (DatasetInput& dataset : datasets) {
    if (change->rule) change->rule = check_dataset(dataset);
    change->datasets.push_back(std::make_shared<const DatasetInput>(std::move(dataset)));
  }
  change->inputs = std::move(models);
  for (ModelLink& link : change->inputs) link.step = 0;
  state_->write(std::move(change), std::move(done));
}

void RunBook::add_outputs(std::string run_id, std::vector<ModelLink> models, Done done) {
  auto change = std::make_shared<AddLinks<State>>();
  change->run_id = std::move(run_id);
  change->outputs = std::move(models);
  state_->write(std::move(change), std::move(done));
}

}  // namespace trimtab::registry
