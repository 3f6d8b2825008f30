#include "heal/ward.h"

#include <map>
#include <utility>

#include "model/artifact.h"
#include "registry/endpoints.h"
#include "registry/record.h"

namespace trimtab::heal {
namespace {

// Batches of history that are replayed after a restart: what the policy remembers, and some for late labels.
constexpr TimeUs kReplayBatches = static_cast<TimeUs>(kRecentBatches) + 4;

watch::BatchRule rule_of(const project::Project& project, const project::Endpoint& declared) {
  watch::BatchRule rule;
  if (declared.batch_duration) rule.duration = *declared.batch_duration;
  rule.label_delay = project.find_model(declared.model)->label_delay;
  return rule;
}

}  // namespace

Result<std::shared_ptr<const model::Artifact>> load_version(store::Home& home, const std::string& model,
                                                            std::int64_t version) {
  const registry::VersionFacts facts = TRY(registry::find_version(home, model, version));
  const std::string manifest_text = TRY(home.blobs().get(facts.manifest_sha256));
  const std::map<std::string, std::string> files =
      model::manifest_files(TRY(base::parse_json(manifest_text)));
  return model::Artifact::from_files([&](const std::string& name) -> Result<std::string> {
    if (name == "manifest.json") return manifest_text;
    const auto file = files.find(name);
    if (file == files.end()) return fail(ErrorCode::not_found, "the manifest does not list '" + name + "'");
    return home.blobs().get(file->second);
  });
}

Ward::Ward(const project::Project& project, const project::Endpoint& declared, const PolicyOptions& options,
           store::Home& home, const base::Clock& clock)
    : project_(project),
      declared_(declared),
      options_(options),
      home_(home),
      clock_(clock),
      batches_(std::make_unique<watch::Batches>(rule_of(project, declared))) {}
Ward::~Ward() = default;

Result<std::unique_ptr<Ward>> Ward::open(const project::Project& project, const project::Endpoint& declared,
                                         const PolicyOptions& options, store::Home& home,
                                         table::Engine& engine, serve::Lookups& lookups,
                                         const base::Clock& clock) {
  std::unique_ptr<Ward> ward(new Ward(project, declared, options, home, clock));
  ward->log_ = TRY(serve::PredictionLog::open(home.log_folder() / declared.name));
  Ward* self = ward.get();
  ward->endpoint_ = std::make_unique<serve::Endpoint>(declared.name, engine, lookups, clock,
                                                      [self](model::Prediction&& prediction) {
                                                        self->log_->append(prediction);
                                                        self->batches_->add(prediction);
                                                      });
  TRY(ward->replay());
  TRY(ward->redeploy());
  return ward;
}

// Brings back what was in memory: which batches are closed, the policy's state, recent predictions and
// labels.
Status Ward::replay() {
  std::int64_t last_closed = INT64_MIN;
  std::string state_text;
  TRY(home_.database().read([&](store::Connection& connection) -> Status {
    store::Statement closed =
        connection.prepare("SELECT max(batch) FROM batch_performance WHERE endpoint = ? AND role = 'served'");
    if (TRY(closed.with(name()).step()) && !closed.is_null(0)) last_closed = closed.integer(0);
    store::Statement state = connection.prepare("SELECT state_json FROM heal_state WHERE endpoint = ?");
    if (TRY(state.with(name()).step())) state_text = state.text(0);
    return {};
  }));
  if (!state_text.empty()) policy_ = PolicyState::from_json(TRY(base::parse_json(state_text)));
  const TimeUs duration = declared_.batch_duration.value_or(base::kDayUs);
  const bool has_history = last_closed != INT64_MIN;
  const TimeUs from = has_history ? last_closed - kReplayBatches * duration : INT64_MIN;
  // Repeated ids are answered from what is remembered, so every row of the log is looked at.
  TRY(log_->read(INT64_MIN, [&](model::Prediction&& prediction) {
    endpoint_->remember(prediction);
    if (prediction.event_time >= from) batches_->add(prediction);
  }));
  TRY(home_.database().read([&](store::Connection& connection) -> Status {
    store::Statement row = connection.prepare(
        "SELECT prediction_id, value, time FROM label WHERE endpoint = ? AND time >= ? ORDER BY revision");
    row.with(name(), from);
    while (TRY(row.step())) batches_->add(watch::Label{row.text(0), row.real(1), row.integer(2)});
    return {};
  }));
  if (!has_history) return {};
  // Closed batches were decided on before the restart; the policy only needs their rows back.
  for (watch::LabelledBatch& batch : batches_->close_until(last_closed)) {
    policy_.recent.push_back(std::move(batch));
    if (policy_.recent.size() > kRecentBatches) policy_.recent.pop_front();
  }
  return {};
}

Status Ward::redeploy() {
  const Result<registry::EndpointFacts> found = registry::find_endpoint(home_, name());
  if (!found && found.error().code == ErrorCode::not_found) return {};  // Declared, but not applied yet.
  const registry::EndpointFacts facts = TRY(Result<registry::EndpointFacts>(found));
  if (!facts.serving_version) return {};
  std::vector<std::pair<std::int64_t, model::Role>> versions;
  versions.emplace_back(*facts.serving_version, model::Role::served);
  if (facts.challenger_version) versions.emplace_back(*facts.challenger_version, model::Role::shadow);
  const bool same = facts.previous_version == facts.serving_version;
  if (facts.previous_version && !same) versions.emplace_back(*facts.previous_version, model::Role::previous);
  policy_.served_version = facts.serving_version;
  if (versions == endpoint_->deployed()) return {};
  return endpoint_->deploy(
      versions, [this, &facts](std::int64_t version) { return load_version(home_, facts.model, version); });
}

void Ward::add_labels(std::vector<watch::Label> labels,
                      std::function<void(Result<watch::LabelReport>)> on_done) {
  auto report = std::make_shared<watch::LabelReport>();
  auto kept = std::make_shared<std::vector<watch::Label>>(std::move(labels));
  const TimeUs now = clock_.now();
  home_.database().submit(
      [name = name(), kept, report, now](store::Connection& connection) {
        return watch::write_labels(connection, name, *kept, now, *report);
      },
      [this, kept, report, on_done = std::move(on_done)](const Status& status) {
        if (!status) return on_done(fail(status.error()));
        for (const watch::Label& label : *kept) batches_->add(label);
        on_done(*report);
      });
}

}  // namespace trimtab::heal
