#include "heal/ward.h"

#include <map>
#include <utility>

#include "heal/recall.h"
#include "model/artifact.h"
#include "registry/endpoints.h"
#include "registry/record.h"

namespace trimtab::heal {
namespace {

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
  ward->endpoint_ = std::make_unique<serve::Endpoint>(
      declared.name, engine, lookups, clock,
      [self](model::Prediction&& prediction) {
        self->log_->append(prediction);
        self->batches_->add(prediction);
      },
      [self] { return self->log_->accepts(); });
  ward->rescorer_ = std::make_unique<Rescorer>(
      [self](std::int64_t version) { return load_version(self->home_, self->declared_.model, version); });
  TRY(ward->replay());
  TRY(ward->redeploy());
  ward->answer_at(ward->policy_.levels.served());
  return ward;
}

// Brings back what was in memory: which batches are closed, the policy's state, recent predictions and
// labels. Repeated ids are answered from what is remembered, so every row of the log is looked at.
Status Ward::replay() {
  const TimeUs duration = declared_.batch_duration.value_or(base::kDayUs);
  Recall recall = TRY(Recall::begin(home_, name(), duration, *batches_));
  TRY(log_->read(INT64_MIN, [&](model::Prediction&& prediction) {
    endpoint_->remember(prediction);
    recall.add(prediction);
  }));
  policy_ = recall.finish();
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
  note_champion(policy_, *facts.serving_version);
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
