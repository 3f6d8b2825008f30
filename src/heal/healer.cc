#include "heal/healer.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "base/log.h"
#include "judge/metrics.h"
#include "registry/endpoints.h"
#include "registry/record.h"

namespace trimtab::heal {
namespace {

constexpr int kProbationBatches = 8;  // So long the former champion stays warm and scores along.

struct BatchRow {
  std::int64_t version = 0;
  std::string role;
  std::int64_t labels = 0;
  std::string metrics;
};

Json measures(const watch::LabelledBatch& batch, std::span<const double> scores, bool binary) {
  std::vector<double> truth, score;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (std::isnan(scores[i])) continue;
    truth.push_back(batch.truth[i]);
    score.push_back(scores[i]);
  }
  Json json = Json::object();
  for (const std::string& name : judge::metric_names(binary)) {
    const Result<judge::Measure> measured = judge::measure(name, truth, score);
    json.set(name, measured && measured->value ? Json(*measured->value) : Json());
  }
  return json.set("rows", static_cast<std::int64_t>(truth.size()));
}

// What every version that scored the batch did on it; the answers that were given stand under role "served".
std::vector<BatchRow> performance(const watch::LabelledBatch& batch, bool binary) {
  std::vector<BatchRow> rows;
  const Json served = measures(batch, batch.served, binary);
  rows.push_back({batch.served_version, "served", served.int_or("rows"), served.dump()});
  for (const auto& [version, scores] : batch.scores) {
    if (version == batch.served_version) continue;
    const Json of_version = measures(batch, scores, binary);
    const bool previous = batch.roles.at(version) == model::Role::previous;
    rows.push_back({version, previous ? "previous" : "shadow", of_version.int_or("rows"), of_version.dump()});
  }
  return rows;
}

Status write_performance(store::Connection& connection, const std::string& endpoint,
                         const watch::LabelledBatch& batch, const std::vector<BatchRow>& rows, TimeUs now) {
  for (const BatchRow& row : rows) {
    TRY(connection
            .prepare("INSERT OR IGNORE INTO batch_performance (endpoint, batch, version, role, predictions, labels, "
                     "metrics_json, closed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
            .with(endpoint, batch.number, row.version, row.role, batch.predictions, row.labels, row.metrics, now)
            .run());
  }
  return {};
}

Status write_policy(store::Connection& connection, const std::string& endpoint, const PolicyState& state,
                    TimeUs now) {
  return connection
      .prepare("INSERT OR REPLACE INTO heal_state (endpoint, state_json, updated_at) VALUES (?, ?, ?)")
      .with(endpoint, state.to_json().dump(), now)
      .run();
}

}  // namespace

struct Healer::State {
  State(store::Home& home_, const base::Clock& clock_, base::ManualClock* manual_, flow::Pipeline& pipeline_,
        std::vector<Ward*> wards_, HealerOptions options_)
      : home(home_), clock(clock_), manual(manual_), pipeline(pipeline_), wards(std::move(wards_)),
        options(options_) {}

  store::Home& home;
  const base::Clock& clock;
  base::ManualClock* manual;
  flow::Pipeline& pipeline;
  std::vector<Ward*> wards;
  HealerOptions options;

  struct Wish {
    std::optional<TimeUs> advance_to;
    std::function<Status()> work;
    std::function<void(Status)> done;
  };
  std::mutex mutex;
  std::condition_variable news;
  std::deque<Wish> wishes;
  std::atomic<bool> stopping{false};
  std::thread thread;
  flow::ProgressListener listener;

  void ask(Wish wish) {
    std::scoped_lock lock(mutex);
    wishes.push_back(std::move(wish));
    news.notify_all();
  }
  void loop();
  Status serve(const Wish& wish);
  Status advance(TimeUs to);
  std::optional<TimeUs> next_due();
  Status look();
  Status look_at(Ward& ward);
  Status take_batch(Ward& ward, watch::LabelledBatch batch);
  Status journal(Ward& ward, const watch::LabelledBatch& batch, const Verdict& verdict);
  Status finish_treatments(Ward& ward);
  Status treat(Ward& ward, const Incident& incident, const IncidentEvent& treatment);
  Status retrain(Ward& ward, const Incident& incident, const Json& treatment);
  Status roll_back(Ward& ward, const Incident& incident, const Json& treatment);
  Status conclude(Ward& ward, const Incident& incident, const Json& outcome, const std::string& health);
  Status end_probation(Ward& ward);
};

// The loop: serves wishes in order, and looks of its own accord when the real clock runs.
void Healer::State::loop() {
  while (true) {
    Wish wish;
    {
      std::unique_lock lock(mutex);
      const auto pause = std::chrono::microseconds(options.look_every);
      news.wait_for(lock, pause, [this] { return stopping || !wishes.empty(); });
      if (stopping && wishes.empty()) return;
      if (!wishes.empty()) {
        wish = std::move(wishes.front());
        wishes.pop_front();
      } else if (manual != nullptr) {
        continue;  // Time stands still: nothing can have become due.
      }
    }
    const Status status = serve(wish);
    if (!status) base::log_error("heal", base::render(status.error()));
    if (wish.done) wish.done(status);
  }
}

Status Healer::State::serve(const Wish& wish) {
  if (stopping) return fail(ErrorCode::cancelled, "the server is stopping");
  if (wish.work) return wish.work();
  if (wish.advance_to) return advance(*wish.advance_to);
  return look();
}

// Moves the clock from due time to due time, so that nothing is decided later than it would have been.
Status Healer::State::advance(TimeUs to) {
  if (manual == nullptr) return fail(ErrorCode::invalid, "this server's clock is not manual");
  for (std::optional<TimeUs> due = next_due(); due && *due <= to && !stopping; due = next_due()) {
    if (*due > clock.now()) manual->advance_to(*due);
    TRY(look());
    // What is still due now waits for something else than time (a label, a person).
    const std::optional<TimeUs> again = next_due();
    if (again && *again <= clock.now()) break;
  }
  manual->advance_to(to);
  return look();
}

std::optional<TimeUs> Healer::State::next_due() {
  std::optional<TimeUs> due;
  const auto earliest = [&due](std::optional<TimeUs> time) {
    if (time && (!due || *time < *due)) due = time;
  };
  for (Ward* ward : wards) {
    earliest(ward->batches().next_due());
    // An unreadable journal is reported by the look itself.
    (void)home.database().read([&](store::Connection& connection) -> Status {
      for (const Incident& incident : TRY(list_incidents(connection, ward->name(), true))) {
        const IncidentEvent* treatment = incident.unfinished_treatment();
        if (treatment != nullptr) earliest(treatment->detail.int_or("available_at"));
      }
      return {};
    });
  }
  return due;
}

Status Healer::State::look() {
  for (Ward* ward : wards) TRY(look_at(*ward));
  return {};
}

Status Healer::State::look_at(Ward& ward) {
  // What was begun is finished first: a treatment stands in the journal before its effect.
  TRY(finish_treatments(ward));
  for (watch::LabelledBatch& batch : ward.batches().close(clock.now())) {
    TRY(take_batch(ward, std::move(batch)));
    TRY(finish_treatments(ward));
  }
  return {};
}

Status Healer::State::take_batch(Ward& ward, watch::LabelledBatch batch) {
  if (batch.rows() == 0) return {};
  // The verdict is reached on a copy: if it cannot be made durable, it was not reached.
  PolicyState next = ward.policy();
  const Verdict verdict = decide(ward.options(), next, batch, clock.now());
  std::swap(ward.policy(), next);
  const Status kept = journal(ward, batch, verdict);
  if (!kept) std::swap(ward.policy(), next);
  TRY(Status(kept));
  if (ward.policy().batches_since_promotion == kProbationBatches) TRY(end_probation(ward));
  return {};
}

// One transaction: how the batch went, what the policy now remembers, and, if something is to be done, the incident
// with its evidence and the treatment that is about to begin.
Status Healer::State::journal(Ward& ward, const watch::LabelledBatch& batch, const Verdict& verdict) {
  const std::vector<BatchRow> rows = performance(batch, ward.options().binary);
  const TimeUs now = clock.now();
  return home.database().write([&](store::Connection& connection) -> Status {
    TRY(write_performance(connection, ward.name(), batch, rows, now));
    TRY(write_policy(connection, ward.name(), ward.policy(), now));
    if (verdict.treatment == Treatment::none) return {};
    const std::vector<Incident> open = TRY(list_incidents(connection, ward.name(), true));
    const bool has_open = !open.empty();
    const std::int64_t incident =
        has_open ? open.front().id : TRY(open_incident(connection, ward.name(), verdict.hypothesis, now));
    Json detected = Json::object({{"batch", base::format_time(batch.number)}});
    if (!has_open) TRY(append_event(connection, incident, "detected", detected, now));
    TRY(append_event(connection, incident, "verdict", verdict.to_json(), now));
    if (verdict.treatment == Treatment::hold) return {};
    Json treatment = Json::object({{"treatment", treatment_name(verdict.treatment)}});
    treatment.set("key", ward.name() + "/" + std::to_string(batch.number));
    treatment.set("as_of", now).set("test_from", verdict.test_from);
    const bool trains = verdict.treatment == Treatment::retrain;
    treatment.set("available_at", trains ? now + options.train_takes : now);
    return append_event(connection, incident, "treatment", treatment, now);
  });
}

Status Healer::State::finish_treatments(Ward& ward) {
  std::vector<Incident> open;
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    open = TRY(list_incidents(connection, ward.name(), true));
    return {};
  }));
  for (const Incident& incident : open) {
    const IncidentEvent* treatment = incident.unfinished_treatment();
    if (treatment == nullptr || treatment->detail.int_or("available_at") > clock.now()) continue;
    TRY(treat(ward, incident, *treatment));
  }
  return {};
}

Status Healer::State::treat(Ward& ward, const Incident& incident, const IncidentEvent& treatment) {
  const std::string what = treatment.detail.text_or("treatment");
  const Status status = what == treatment_name(Treatment::roll_back) ? roll_back(ward, incident, treatment.detail)
                                                                     : retrain(ward, incident, treatment.detail);
  if (status || stopping) return status;
  // A treatment that cannot be carried out is an outcome too; the champion goes on serving.
  base::log_warning("heal", ward.name() + ": " + base::render(status.error()));
  note_refusal(ward.policy(), clock.now());
  Json outcome = Json::object({{"result", "failed"}, {"error", status.error().message}});
  return conclude(ward, incident, outcome, ward.policy().failed_heals >= 2 ? "needs_attention" : "degraded");
}

// Trains on what was known when the verdict was reached, judges on the newest batches against the champion, and
// promotes only what passes every gate. Safe to repeat: steps are cached, a step registers once.
Status Healer::State::retrain(Ward& ward, const Incident& incident, const Json& treatment) {
  const registry::EndpointFacts facts = TRY(registry::find_endpoint(home, ward.name()));
  TRY(registry::change_health(home, clock, ward.name(), "healing", "incident " + std::to_string(incident.id)));
  flow::TrainingRequest request;
  request.model = facts.model;
  request.as_of = treatment.int_or("as_of");
  if (treatment.int_or("test_from") > 0) request.test_from = treatment.int_or("test_from");
  if (facts.serving_version) {
    request.champion_manifest = TRY(registry::find_version(home, facts.model, *facts.serving_version)).manifest_sha256;
  }
  const flow::Candidate candidate = TRY(pipeline.train(request, listener));
  const registry::NewVersion version =
      flow::version_of(ward.project(), facts.model, candidate, "heal",
                       "incident " + std::to_string(incident.id) + ": " + incident.summary);
  const registry::VersionFacts made = TRY(registry::register_version(home, clock, version));
  Json outcome = Json::object({{"version", made.version}, {"gates", version.gates}, {"metrics", candidate.metrics}});
  if (!version.gates_passed) {
    note_refusal(ward.policy(), clock.now());
    outcome.set("result", "refused");
    return conclude(ward, incident, outcome, ward.policy().failed_heals >= 2 ? "needs_attention" : "degraded");
  }
  TRY(registry::change_champion(home, clock, ward.name(), made.version, "heal", "endpoint.promote",
                                "incident " + std::to_string(incident.id)));
  TRY(ward.redeploy());
  note_promotion(ward.policy(), made.version, clock.now());
  outcome.set("result", "promoted");
  return conclude(ward, incident, outcome, "healthy");
}

Status Healer::State::roll_back(Ward& ward, const Incident& incident, const Json&) {
  const registry::EndpointFacts facts = TRY(registry::find_endpoint(home, ward.name()));
  if (!facts.previous_version) return fail(ErrorCode::not_found, "there is no earlier version to go back to");
  const std::int64_t back = *facts.previous_version;
  TRY(registry::change_champion(home, clock, ward.name(), back, "heal", "endpoint.roll_back",
                                "incident " + std::to_string(incident.id)));
  TRY(registry::forget_previous(home, clock, ward.name()));
  TRY(ward.redeploy());
  note_rollback(ward.policy(), back, clock.now());
  return conclude(ward, incident, Json::object({{"result", "rolled back"}, {"version", back}}), "healthy");
}

// The outcome, the policy's new state and the end of the incident in one transaction.
Status Healer::State::conclude(Ward& ward, const Incident& incident, const Json& outcome,
                               const std::string& health) {
  const TimeUs now = clock.now();
  TRY(home.database().write([&](store::Connection& connection) -> Status {
    TRY(append_event(connection, incident.id, "outcome", outcome, now));
    TRY(write_policy(connection, ward.name(), ward.policy(), now));
    return append_event(connection, incident.id, "closed", Json::object({{"health", health}}), now);
  }));
  return registry::change_health(home, clock, ward.name(), health, "incident " + std::to_string(incident.id));
}

Status Healer::State::end_probation(Ward& ward) {
  TRY(registry::forget_previous(home, clock, ward.name()));
  return ward.redeploy();
}

Healer::Healer(store::Home& home, const base::Clock& clock, base::ManualClock* manual, flow::Pipeline& pipeline,
               std::vector<Ward*> wards, HealerOptions options)
    : state_(std::make_unique<State>(home, clock, manual, pipeline, std::move(wards), options)) {}

Healer::~Healer() {
  {
    std::scoped_lock lock(state_->mutex);
    state_->stopping = true;
  }
  state_->news.notify_all();
  if (state_->thread.joinable()) state_->thread.join();
}

void Healer::start() {
  state_->thread = std::thread([this] { state_->loop(); });
}

void Healer::look(std::function<void(Status)> done) { state_->ask({std::nullopt, {}, std::move(done)}); }

void Healer::advance(TimeUs to, std::function<void(Status)> done) { state_->ask({to, {}, std::move(done)}); }

void Healer::run(std::function<Status()> work, std::function<void(Status)> done) {
  state_->ask({std::nullopt, std::move(work), std::move(done)});
}

}  // namespace trimtab::heal
