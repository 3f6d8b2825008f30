#include "heal/ward.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "heal/recall.h"
#include "heal/trial_counts.h"
#include "heal/watch_view.h"
#include "model/artifact.h"
#include "registry/endpoints.h"
#include "registry/record.h"
#include "serve/log_rule.h"
#include "serve/logged_rows.h"

namespace trimtab::heal {
namespace {

constexpr std::size_t kWarmUpRows = 64;
constexpr std::size_t kDoorLooksBack = 20'000;  // Rows; in a long time of damage few of them are good.
constexpr std::size_t kDoorRows = 4'000;
constexpr int kCatchUps = 3;

// What was asked last, to warm versions up with.
std::vector<std::string> newest_requests(const serve::PredictionLog& log) {
  std::vector<std::string> rows;
  // Without them the versions are loaded all the same.
  (void)log.newest(kWarmUpRows, [&rows](model::Prediction&& prediction) {
    rows.push_back(std::move(prediction.request_json));
  });
  return rows;
}

watch::BatchRule rule_of(const project::Project& project, const project::Endpoint& declared) {
  watch::BatchRule rule;
  rule.duration = declared.batch_duration;
  rule.label_delay = project.find_model(declared.model)->label_delay;
  return rule;
}

// The version that the champion replaced, on probation or long ago.
std::optional<std::int64_t> replaced_by(store::Home& home, const registry::EndpointFacts& champion) {
  if (champion.previous_version) return champion.previous_version;
  std::optional<std::int64_t> before;
  const Status looked = home.database().read([&](store::Connection& connection) -> Status {
    before = TRY(registry::version_before(connection, champion.name));
    return {};
  });
  return looked && before != champion.serving_version ? before : std::nullopt;
}

// The newest row that a version was trained on or judged by; nothing: its run does not say.
std::optional<TimeUs> newest_row_of(store::Home& home, const std::string& model, std::int64_t version) {
  const auto facts = registry::find_version(home, model, version);
  const Result<Json> run = facts ? registry::run_json(home, facts->run_id) : Result<Json>(Json());
  if (!run || !(*run)["data"]["params"].is_array()) return std::nullopt;
  for (const Json& param : (*run)["data"]["params"].as_array()) {
    if (param.text_or("key") != "to") continue;
    const std::string text = param.text_or("value");
    TimeUs to = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), to);
    return failure == std::errc() && end == text.data() + text.size() ? std::optional(to) : std::nullopt;
  }
  return std::nullopt;
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
           store::Home& home, table::Engine& engine, serve::Lookups& lookups, const base::Clock& clock)
    : project_(project),
      declared_(declared),
      options_(options),
      home_(home),
      engine_(engine),
      lookups_(lookups),
      clock_(clock),
      watcher_(std::make_unique<watch::Watcher>([this](std::int64_t version) {
        return load_baseline(home_, declared_.model, version, {engine_, privacy_.get()});
      })),
      batches_(std::make_unique<watch::Batches>(rule_of(project, declared))) {}
// The endpoint hands on what it still has, to what is still there.
Ward::~Ward() { endpoint_.reset(); }

Result<std::unique_ptr<Ward>> Ward::open(const project::Project& project, const project::Endpoint& declared,
                                         const PolicyOptions& options, store::Home& home,
                                         table::Engine& engine, serve::Lookups& lookups,
                                         const base::Clock& clock) {
  std::unique_ptr<Ward> ward(new Ward(project, declared, options, home, engine, lookups, clock));
  ward->privacy_ = TRY(open_privacy(declared.log, home));
  ward->log_ =
      TRY(serve::PredictionLog::open(home.log_folder() / declared.name, {&clock, declared.log.keep}));
  Ward* self = ward.get();
  ward->endpoint_ = std::make_unique<serve::Endpoint>(
      declared.name, engine, lookups, clock,
      [self](std::span<model::Prediction> predictions) { self->note(predictions); },
      [self] { return self->log_->accepts(); });
  if (ward->privacy_) ward->endpoint_->hash_requests_from(ward->privacy_->request_seed());
  if (declared.contract == project::Contract::repair) {
    // The door remembers rows as they came; of these columns it must not.
    serve::DoorOptions door{declared.name, {}};
    for (const project::PrivateColumn& column : declared.log.privacy)
      door.left_alone.push_back(column.column);
    ward->endpoint_->repair_requests(std::move(door));
  }
  ward->recall_answers();
  ward->endpoint_->go_on_from(TRY(kept_counts(home, ward->name())));
  TRY(ward->swap());
  ward->recall_requests();
  TRY(ward->recover());
  return ward;
}

// What the log does not keep is neither watched nor judged, so that a restart changes nothing.
void Ward::note(std::span<model::Prediction> predictions) {
  const project::LogRule& rule = declared_.log;
  const auto is_left_out = [&rule](const model::Prediction& one) {
    return !serve::is_sampled(one.id, rule.sample);
  };
  const auto end = std::remove_if(predictions.begin(), predictions.end(), is_left_out);
  const std::span<model::Prediction> kept(predictions.begin(), end);
  for (model::Prediction& prediction : kept) {
    if (privacy_) privacy_->treat(prediction);
  }
  const auto write_down = [this, &rule, kept] {
    for (model::Prediction& prediction : kept) {
      if (rule.columns.empty()) break;
      prediction.request_json = serve::only_columns(prediction.request_json, rule.columns);
    }
    log_->append(kept);
  };
  if (recovery_.put_off(write_down)) return;
  watcher_->add(kept);
  batches_->add(kept);
  write_down();
}

// Repeated ids are answered from what is remembered, from the first request on.
void Ward::recall_answers() {
  serve::LogPlace place = log_->place_of_newest(serve::Endpoint::kAnswersMax);
  const auto remember = [this](model::Prediction&& prediction) {
    endpoint_->remember(prediction);
    return true;
  };
  // Behind what is damaged the log goes on.
  while (!log_->read_on(place, remember)) {
  }
}

// Brings back what was in memory: which batches are closed, the policy's state, what was counted.
Status Ward::recover() {
  auto recall =
      std::make_shared<Recall>(TRY(Recall::begin(home_, name(), declared_.batch_duration, *batches_)));
  auto truths = std::make_shared<const watch::TruthById>(
      TRY(watch::read_truths(home_, name(), clock_.now() - watch::Realised::kKept)));
  const Result<registry::EndpointFacts> facts = registry::find_endpoint(home_, name());
  const std::optional<std::int64_t> champion = facts ? facts->serving_version : std::nullopt;
  policy_ = recall->state();
  if (champion) note_champion(policy_, *champion);
  answer_at(policy_.levels.served());
  auto place = std::make_shared<serve::LogPlace>();
  const auto read_on = [this, place](const std::function<void(const model::Prediction&)>& add) {
    const auto visit = [this, &add](model::Prediction&& prediction) {
      add(prediction);
      return !recovery_.is_stopping();
    };
    for (Status read = log_->read_on(*place, visit); !read; read = log_->read_on(*place, visit)) {
      base::log_error("watch", "endpoint '" + name() + "' is watched without rows that cannot be read: " +
                                   base::render(read.error()));
    }
  };
  const auto catch_up = [this, recall, truths, read_on, champion] {
    // What comes while it is read is less each time.
    for (int i = 0; i < kCatchUps; ++i) {
      read_on([&](const model::Prediction& row) {
        count_logged(*watcher_, row, *truths);
        recall->add(row);
      });
    }
    policy_ = recall->finish();
    if (champion) note_champion(policy_, *champion);
    // From here on truths are heard of as they meet their predictions.
    batches_->on_truth([this](const watch::JoinedTruth& joined) { watcher_->add(joined); });
  };
  const auto finish = [this, read_on] {
    (void)log_->flush();  // Where the disk refuses rows, they are watched after the next restart.
    read_on([this](const model::Prediction& row) {
      watcher_->add(row);
      batches_->add(row);
    });
    for (const watch::Label& label : std::exchange(labels_meanwhile_, {})) batches_->add(label);
  };
  recovery_.begin(catch_up, finish);
  return {};
}

// So that a restart does not blind the door: what it is used to, from the newest rows that needed nothing.
void Ward::recall_requests() {
  if (endpoint_->door() == nullptr) return;
  std::vector<std::string> rows;
  (void)log_->newest(kDoorLooksBack, [&rows](model::Prediction&& prediction) {
    if (!prediction.damaged) rows.push_back(std::move(prediction.request_json));
  });
  if (rows.size() > kDoorRows) rows.erase(rows.begin(), rows.end() - kDoorRows);
  endpoint_->door()->refer_to(rows);
}

Status Ward::redeploy() {
  const Result<registry::EndpointFacts> facts = registry::find_endpoint(home_, name());
  if (facts && facts->serving_version) note_champion(policy_, *facts->serving_version);
  return swap();
}

Status Ward::swap() {
  const Result<registry::EndpointFacts> found = registry::find_endpoint(home_, name());
  if (!found && found.error().code == ErrorCode::not_found) return {};  // Declared, but not applied yet.
  const registry::EndpointFacts facts = TRY(Result<registry::EndpointFacts>(found));
  if (!facts.serving_version) return {};
  serve::DeployPlan plan;
  if (declared_.rollout) plan.canary_key = declared_.rollout->key;
  plan.time_max_us = options_.time_max_us;
  plan.versions.push_back({*facts.serving_version, model::Role::served, 0});
  if (facts.challenger_version && facts.challenger_version != facts.serving_version) {
    const bool answers = facts.challenger_share > 0;
    plan.versions.push_back({*facts.challenger_version, answers ? model::Role::canary : model::Role::shadow,
                             facts.challenger_share});
  }
  const bool is_other = facts.previous_version && facts.previous_version != facts.serving_version &&
                        facts.previous_version != facts.challenger_version;
  if (is_other) plan.versions.push_back({*facts.previous_version, model::Role::previous, 0});
  plan.recent_rows = [this] { return newest_requests(*log_); };
  const auto load = [this, &facts](std::int64_t version) -> Result<std::shared_ptr<const model::Artifact>> {
    auto artifact = TRY(load_version(home_, facts.model, version));
    if (privacy_) TRY(privacy_->learn(engine_, version, artifact->recipe));
    return artifact;
  };
  const Status deployed = endpoint_->deploy(plan, load);
  if (deployed || !endpoint_->running().empty()) return deployed;
  const std::optional<std::int64_t> before = replaced_by(home_, facts);
  if (!before) return deployed;
  // Nothing runs yet, and the champion does not load: the version before it was good enough once, and answers
  // until a redeploy succeeds. The record, and failures(), say whose place it takes.
  base::log_error("serve", "endpoint '" + name() + "' is answered by version " + std::to_string(*before) +
                               ": " + base::render(deployed.error()));
  plan.versions = {{*before}};
  plan.stands_in_for = *facts.serving_version;
  // What it says is about the champion, which a person has to see to.
  return endpoint_->deploy(plan, load) ? Status() : deployed;
}

Status Ward::can_serve(std::int64_t version) {
  for (const serve::VersionPlan& running : endpoint_->running()) {
    if (running.version == version) return {};
  }
  TRY(load_version(home_, declared_.model, version));
  return {};
}

Result<std::vector<double>> Ward::score_again(std::int64_t version, const watch::LabelledBatch& batch) {
  std::vector<double> scores(batch.ids.size(), std::numeric_limits<double>::quiet_NaN());
  // What is kept out of the log would be missing for this version, and was there for the one that answered.
  if (privacy_ || !declared_.log.columns.empty()) return scores;
  TRY(log_->flush());
  std::unordered_map<std::string_view, std::size_t> place;
  for (std::size_t row = 0; row < batch.ids.size(); ++row) place.emplace(batch.ids[row], row);
  std::vector<std::string> requests;
  std::vector<std::size_t> rows;
  TRY(log_->read(batch.number, [&](model::Prediction&& prediction) {
    const auto found = place.find(prediction.id);
    if (found == place.end()) return;
    rows.push_back(found->second);
    requests.push_back(std::move(prediction.request_json));
    place.erase(found);
  }));
  const auto artifact = TRY(load_version(home_, declared_.model, version));
  const std::vector<double> scored = TRY(serve::score_logged_rows(engine_, lookups_, artifact, requests));
  for (std::size_t i = 0; i < rows.size(); ++i) scores[rows[i]] = scored[i];
  return scores;
}

std::optional<watch::Correction> Ward::weakness_of(std::int64_t version) {
  const auto baseline = load_baseline(home_, declared_.model, version, {engine_, privacy_.get()});
  return baseline == nullptr ? std::nullopt : baseline->correction;
}

std::vector<model::Feature> Ward::features_of(std::int64_t version) {
  const auto artifact = load_version(home_, declared_.model, version);
  return artifact ? (*artifact)->recipe.features : std::vector<model::Feature>();
}

ServiceFigures Ward::service_figures(TimeUs now) {
  ServiceFigures figures;
  const serve::Endpoint::Counters counters = endpoint_->counters();
  const RecentTraffic::Count lately = recent_traffic_.look(
      now, {static_cast<std::int64_t>(counters.requests), static_cast<std::int64_t>(counters.errors)});
  figures.requests = lately.requests;
  figures.errors = lately.errors;
  figures.p99_ms = static_cast<double>(counters.latency_us_p99) / base::kMillisecondUs;
  figures.time_counts = options_.time_counts;
  for (const project::HealthLimit& limit : declared_.health) {
    if (limit.metric != "p99_ms") continue;
    const auto most = static_cast<TimeUs>(limit.threshold * base::kMillisecondUs);
    std::tie(figures.slow, figures.timed) = endpoint_->slower_than(most);
  }
  // Where history is replayed against today's clock, everything is old.
  if (project_.as_of && options_.time_counts) return figures;
  if (policy_.served_version) figures.newest = newest_row_of(home_, declared_.model, *policy_.served_version);
  if (!policy_.recent.empty())
    figures.newest = std::max(figures.newest.value_or(INT64_MIN), policy_.recent.back().end);
  return figures;
}

std::vector<LimitFinding> Ward::limits() {
  if (declared_.health.empty() || !policy_.served_version) return {};
  const TimeUs now = clock_.now();
  const std::int64_t newest = policy_.recent.empty() ? 0 : policy_.recent.back().number;
  const std::tuple<std::int64_t, std::int64_t, std::int64_t> at = {newest, *policy_.served_version,
                                                                   now / base::kMinuteUs};
  if (at == weighed_at_) return limits_;
  limits_ = weigh_limits(declared_.health, options_, policy_, service_figures(now), now);
  weighed_at_ = at;
  return limits_;
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
        const auto wait = [this, kept] {
          labels_meanwhile_.insert(labels_meanwhile_.end(), kept->begin(), kept->end());
        };
        if (!recovery_.put_off(wait)) {
          for (const watch::Label& label : *kept) batches_->add(label);
        }
        on_done(*report);
      });
}

}  // namespace trimtab::heal
