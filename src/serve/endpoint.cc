#include "serve/endpoint.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <unordered_map>
#include <utility>

#include "base/fast_hash.h"
#include "base/id.h"
#include "base/log.h"
#include "model/level.h"
#include "serve/answer_memory.h"
#include "serve/deployment.h"
#include "serve/mirror.h"
#include "serve/request_text.h"

namespace trimtab::serve {
namespace {

constexpr std::size_t kLatencies = 1024;

void next_id(std::string& id) {
  // Unique within the process by the counter, across processes by the random part.
  static const std::string process = base::random_hex(8);
  static std::atomic<std::uint64_t> counter{0};
  id = process;
  id.append(16, '0');
  std::uint64_t number = ++counter;
  for (std::size_t i = id.size(); number > 0; number >>= 4) id[--i] = "0123456789abcdef"[number & 15];
}

// An empty prediction in the memory of an old one.
void clear(model::Prediction& prediction) {
  prediction.id.clear();
  prediction.endpoint.clear();
  prediction.request_json.clear();
  prediction.scores.clear();
  prediction.features.clear();
  prediction.damaged = prediction.id_was_made = false;
}

// What a reply says of one row.
struct RowAnswer {
  double score = 0;
  std::int64_t version = 0;  // That gave it.
  std::size_t by = 0;        // Its place in the deployment.
  bool is_known = false;     // Given before: nothing is scored or logged for it.
  bool is_repaired = false;  // It was not scored as it was sent.
};

// The version's scores of all rows of the request. What fails is noted.
Status ask(std::size_t version, const Deployment& deployed, Bench& bench, Shape& shape,
           const RequestRows& request) {
  const Result<std::span<const double>> scores = shape.versions[version].score(request.rows);
  if (scores) {
    bench.scores[version].assign(scores->begin(), scores->end());
    return {};
  }
  bench.failed.push_back({deployed.versions[version].plan.version, true, scores.error().message});
  return fail(scores.error());
}

// Gives the canary its rows. Those that it fails at are the champion's after all.
void ask_canary(const Deployment& deployed, Bench& bench, Shape& shape, const RequestRows& request,
                std::vector<RowAnswer>& out) {
  bool is_asked = false;
  for (std::size_t row = 0; row < out.size(); ++row) {
    const bool has_key = !request.keys.empty() && !request.keys[row].empty();
    out[row].by = deployed.answerer_of(has_key ? request.keys[row] : bench.ids[row]);
    is_asked = is_asked || out[row].by != 0;
  }
  if (!is_asked) return;
  const bool scored = ask(*deployed.canary, deployed, bench, shape, request).has_value();
  for (std::size_t row = 0; row < out.size(); ++row) {
    if (!scored || !std::isfinite(bench.scores[*deployed.canary][row])) out[row].by = 0;
  }
}

// Which version answers each row, and their scores of all rows. For a canary that fails the champion answers,
// and for a champion the one before it, as long as that is kept warm: only when there is none left the
// failure is the request's.
Status score_answerers(const Deployment& deployed, Bench& bench, Shape& shape, const RequestRows& request,
                       bool is_trial, std::vector<RowAnswer>& out) {
  bench.scores.resize(shape.versions.size());
  for (std::vector<double>& scores : bench.scores) scores.clear();
  bench.failed.clear();
  if (deployed.canary && !is_trial) ask_canary(deployed, bench, shape, request, out);
  const auto is_champions = [](const RowAnswer& row) { return row.by == 0; };
  if (std::none_of(out.begin(), out.end(), is_champions)) return {};
  Status asked = ask(0, deployed, bench, shape, request);
  if (asked || !deployed.previous || is_trial) return asked;
  if (!ask(*deployed.previous, deployed, bench, shape, request)) return asked;
  for (RowAnswer& row : out) {
    if (row.by == 0) row.by = *deployed.previous;
  }
  return {};
}

// What made each row's score, by the version that answers it.
void explain(const Deployment& deployed, Bench& bench, Shape& shape, const std::vector<RowAnswer>& out) {
  bench.explanations.assign(out.size(), {});
  for (std::size_t version = 0; version < shape.versions.size(); ++version) {
    const auto is_its = [version](const RowAnswer& row) { return row.by == version; };
    if (std::none_of(out.begin(), out.end(), is_its)) continue;
    const std::span<const double> parts = shape.versions[version].scorer->contributions();
    const std::size_t width = parts.size() / out.size();
    for (std::size_t row = 0; row < out.size(); ++row) {
      if (!is_its(out[row])) continue;
      const std::span<const double> of_row = parts.subspan(row * width, width);
      bench.explanations[row] = {deployed.versions[version].plan.version,
                                 &deployed.versions[version].artifact->recipe.features,
                                 {of_row.begin(), of_row.end()}};
    }
  }
}

// The rows of a request with an id are known by it, unless they have ids of their own.
Status name_rows(RequestRows& rows, std::string_view id) {
  if (id.empty()) return {};
  TRY(check_id_size(id));
  for (std::size_t row = 0; row < rows.ids.size(); ++row) {
    if (!rows.ids[row])
      rows.ids[row] =
          rows.ids.size() == 1 ? std::string(id) : std::string(id) + "-" + std::to_string(row + 1);
  }
  return {};
}

Error other_input(const std::string& id) {
  return {ErrorCode::conflict, "the prediction id '" + id + "' was used for another input",
          "use an id once, or send the same row again to get the same answer", std::nullopt, nullptr};
}

Error no_version() {
  return {ErrorCode::busy, "no version serves here yet", "run `trimtab apply`", std::nullopt, nullptr};
}

}  // namespace

struct Endpoint::State {
  State(table::Engine& engine_, Lookups& lookups_, const base::Clock& clock_, OnPredictions on_predictions_,
        MayPredict may_predict_)
      : engine(engine_),
        lookups(lookups_),
        clock(clock_),
        on_predictions(std::move(on_predictions_)),
        may_predict(std::move(may_predict_)) {}

  table::Engine& engine;
  Lookups& lookups;
  const base::Clock& clock;
  OnPredictions on_predictions;
  MayPredict may_predict;
  AnswerMemory answers{kAnswersMax};
  std::atomic<std::shared_ptr<const Deployment>> deployment;
  std::uint64_t request_seed = 0;
  std::unique_ptr<Door> door;    // Null: what cannot be read is refused, and nothing is changed.
  std::atomic<double> level{0};  // By which answers are moved, in log odds.
  std::atomic<std::uint64_t> requests{0}, rows{0}, errors{0};
  std::array<std::atomic<std::uint32_t>, kLatencies> latencies{};

  mutable std::mutex plan_mutex;  // Of what follows.
  std::string name;
  DeployPlan plan;  // The last one that was asked for.
  std::vector<VersionFailure> failures;
  Vitals vitals;
  std::unique_ptr<Mirror> mirror;  // Made with the first deployment of several versions, and then kept.
  std::atomic<Mirror*> mirror_now{nullptr};

  Result<LoadedVersion> prepare(const VersionPlan& wanted, const WarmUp& with, const LoadArtifact& load);
  void note_failure(const VersionPlan& wanted, const Error& error);
  Result<std::string> answer(const PredictRequest& request, const WriteReply& write);
  Result<std::string> answer_on(const std::shared_ptr<const Deployment>& deployed, Bench& bench,
                                const PredictRequest& request, const WriteReply& write);
  Result<std::vector<RowAnswer>> try_out(const Deployment& deployed, Bench& bench, Shape& shape,
                                         const RequestRows& request) const;
  Result<std::vector<RowAnswer>> recall(Bench& bench, const Shape& shape, RequestRows& request);
  void repair(const Deployment& deployed, Bench& bench, const Shape& shape, RequestRows& request,
              std::vector<RowAnswer>& out);
  // When a request is answered, and how.
  struct Moment {
    TimeUs now;
    double level;
  };
  Status complete(const Deployment& deployed, const Bench& bench, const Shape& shape,
                  const RequestRows& request, std::size_t row, Moment at, RowAnswer& out,
                  model::Prediction& prediction);
  Status settle(const std::shared_ptr<const Deployment>& deployed, Bench& bench, Shape& shape,
                const RequestRows& request, std::vector<RowAnswer>& answers);
  void hand_on(const std::shared_ptr<const Deployment>& deployed, const Bench& bench, const Shape& shape,
               std::span<model::Prediction> predictions);
  void count_failed(const std::shared_ptr<const Deployment>& deployed, Bench& bench, const Shape& shape,
                    const std::vector<RowAnswer>& out);
  void watch(const Deployment& next, TimeUs time_max_us);
};

// Begins a prediction for each row, and finds those whose id has been answered before, in an earlier request
// or in this one.
Result<std::vector<RowAnswer>> Endpoint::State::recall(Bench& bench, const Shape& shape,
                                                       RequestRows& request) {
  const auto count = static_cast<std::size_t>(request.rows.rows());
  std::vector<RowAnswer> out(count);
  bench.predictions.resize(count);
  bench.ids.resize(count);
  std::unordered_map<std::string_view, std::uint64_t> in_request;  // Chosen id → hash of its row.
  for (std::size_t row = 0; row < count; ++row) {
    model::Prediction& prediction = bench.predictions[row];
    clear(prediction);
    append_request_json(prediction.request_json, shape, request.rows, static_cast<int>(row));
    const int number = static_cast<int>(row);
    prediction.request_hash = mended_of(request, number).empty()
                                  ? base::fast_hash(prediction.request_json, request_seed)
                                  : base::fast_hash(json_as_sent(shape, request, number), request_seed);
    if (!request.ids[row]) {
      next_id(bench.ids[row]);
      prediction.id = bench.ids[row];
      prediction.id_was_made = true;
      continue;
    }
    prediction.id = bench.ids[row] = std::move(*request.ids[row]);
    const auto [same, is_first] = in_request.try_emplace(bench.ids[row], prediction.request_hash);
    if (same->second != prediction.request_hash) return fail(other_input(prediction.id));
    const std::optional<RememberedAnswer> before = answers.find(prediction.id);
    if (!before) continue;
    if (before->request_hash != prediction.request_hash) return fail(other_input(prediction.id));
    out[row] = {before->score, before->version, 0, true, before->damaged};
  }
  return out;
}

// Makes right, at the door, the rows that are new. They are scored, logged and scored along as they are then.
void Endpoint::State::repair(const Deployment& deployed, Bench& bench, const Shape& shape,
                             RequestRows& request, std::vector<RowAnswer>& out) {
  std::vector<char> passed_over;
  for (const RowAnswer& row : out) passed_over.push_back(row.is_known ? 1 : 0);
  const std::vector<char> touched = door->pass(request, *deployed.at_door, passed_over, clock.now());
  for (std::size_t row = 0; row < out.size(); ++row) {
    if (!touched[row]) continue;
    out[row].is_repaired = bench.predictions[row].damaged = true;
    std::string& json = bench.predictions[row].request_json;
    json.clear();
    append_request_json(json, shape, request.rows, static_cast<int>(row));
  }
}

// The champion's answers to rows that are nobody's.
Result<std::vector<RowAnswer>> Endpoint::State::try_out(const Deployment& deployed, Bench& bench,
                                                        Shape& shape, const RequestRows& request) const {
  std::vector<RowAnswer> out(static_cast<std::size_t>(request.rows.rows()));
  bench.ids.assign(out.size(), "");
  TRY(score_answerers(deployed, bench, shape, request, true, out));
  const double moved_by = level.load(std::memory_order_relaxed);
  for (std::size_t row = 0; row < out.size(); ++row) {
    out[row].score = model::at_level(bench.scores[0][row], moved_by);
    out[row].version = deployed.champion();
  }
  return out;
}

// Straight to who listens, unless others have to score along first.
void Endpoint::State::hand_on(const std::shared_ptr<const Deployment>& deployed, const Bench& bench,
                              const Shape& shape, std::span<model::Prediction> predictions) {
  if (deployed->versions.size() > 1) {
    std::vector<Mirrored> rows;
    for (model::Prediction& prediction : predictions)
      rows.push_back({std::move(prediction), deployed, shape.columns, bench.request, true, bench.failed});
    mirror_now.load()->add(std::move(rows));
    return;
  }
  while (!predictions.empty()) {
    const std::size_t count = std::min(predictions.size(), kHandedOnMax);
    on_predictions(predictions.first(count));
    predictions = predictions.subspan(count);
  }
}

// A request that nobody could answer: the others are asked, too, so that what is hard for all is held against
// none.
void Endpoint::State::count_failed(const std::shared_ptr<const Deployment>& deployed, Bench& bench,
                                   const Shape& shape, const std::vector<RowAnswer>& out) {
  if (deployed->versions.size() == 1) return;
  std::vector<Mirrored> rows;
  for (std::size_t row = 0; row < out.size(); ++row) {
    if (out[row].is_known) continue;
    rows.push_back(
        {std::move(bench.predictions[row]), deployed, shape.columns, bench.request, false, bench.failed});
  }
  mirror_now.load()->add(std::move(rows));
}

void Endpoint::State::watch(const Deployment& next, TimeUs time_max_us) {
  std::vector<PairVitals> pairs;
  for (std::size_t i = 1; i < next.versions.size(); ++i) {
    PairVitals& pair = pairs.emplace_back();
    pair.served = next.champion();
    pair.other = next.versions[i].plan.version;
    pair.role = next.versions[i].plan.role;
  }
  vitals.watch(std::move(pairs), time_max_us);
}

// What a new prediction says of its row beside what was asked. Who chose an id twice, at the same time or in
// one request, gets one answer.
Status Endpoint::State::complete(const Deployment& deployed, const Bench& bench, const Shape& shape,
                                 const RequestRows& request, std::size_t row, Moment at, RowAnswer& out,
                                 model::Prediction& prediction) {
  const std::size_t by = out.by;
  const VersionPlan& answerer = deployed.versions[by].plan;
  out.version = answerer.version;
  // A level is what the champion is off by.
  out.score = by == 0 ? model::at_level(bench.scores[0][row], at.level) : bench.scores[by][row];
  if (request.ids[row]) {
    const RememberedAnswer mine{prediction.request_hash, out.score, answerer.version, prediction.damaged};
    const std::optional<RememberedAnswer> first = answers.add(prediction.id, mine);
    if (first && first->request_hash != mine.request_hash) return fail(other_input(prediction.id));
    if (first) out = {first->score, first->version, by, true, first->damaged};
    if (first) return {};
  }
  const int number = static_cast<int>(row);
  const bool has_time = shape.time_column && !request.rows.is_null(*shape.time_column, number);
  prediction.event_time = has_time ? request.rows.time(*shape.time_column, number) : at.now;
  prediction.received = at.now;
  prediction.scores.reserve(deployed.versions.size() + 1);
  prediction.scores.push_back({answerer.version, answerer.role, out.score});
  for (std::size_t i = 0; i < deployed.versions.size(); ++i) {
    const VersionPlan& plan = deployed.versions[i].plan;
    if (i != by && !bench.scores[i].empty())
      prediction.scores.push_back({plan.version, plan.role, bench.scores[i][row]});
  }
  if (by == 0 && at.level != 0) {
    prediction.scores.push_back({answerer.version, model::Role::plain, bench.scores[0][row]});
  }
  const std::span<const double> features = shape.versions[by].scorer->features();
  const std::size_t width = features.size() / bench.ids.size();
  const std::span<const double> of_row = features.subspan(row * width, width);
  prediction.features.assign(of_row.begin(), of_row.end());
  return {};
}

// Hands on the predictions that are new, and remembers those whose id was chosen.
Status Endpoint::State::settle(const std::shared_ptr<const Deployment>& deployed, Bench& bench, Shape& shape,
                               const RequestRows& request, std::vector<RowAnswer>& out) {
  const Moment at{clock.now(), level.load(std::memory_order_relaxed)};
  std::size_t made = 0;  // Those that are new move to the front.
  Status status;
  for (std::size_t row = 0; row < out.size() && status; ++row) {
    if (out[row].is_known) continue;
    model::Prediction& prediction = bench.predictions[row];
    status = complete(*deployed, bench, shape, request, row, at, out[row], prediction);
    if (!status || out[row].is_known) continue;
    if (made != row) std::swap(bench.predictions[made], prediction);
    ++made;
  }
  hand_on(deployed, bench, shape, std::span(bench.predictions).first(made));
  return status;
}

Result<std::string> Endpoint::State::answer_on(const std::shared_ptr<const Deployment>& deployed,
                                               Bench& bench, const PredictRequest& request,
                                               const WriteReply& write) {
  RequestRows& rows = *TRY(bench.reader.read(request.body, request.ignores_unknown));
  TRY(name_rows(rows, request.inference_id));
  bench.request = requests.fetch_add(1, std::memory_order_relaxed);
  this->rows.fetch_add(static_cast<std::uint64_t>(rows.rows.rows()), std::memory_order_relaxed);
  Shape& shape = *TRY(shape_of(engine, *deployed, bench, rows));
  const bool explains = request.explain || rows.explain;
  if (explains && static_cast<std::size_t>(rows.rows.rows()) > kExplainedMax) {
    return fail(ErrorCode::too_large,
                "explanations are given for at most " + std::to_string(kExplainedMax) + " rows at once",
                "send fewer rows, or ask without explanations");
  }
  std::vector<RowAnswer> out;
  if (request.is_trial) {
    out = TRY(try_out(*deployed, bench, shape, rows));
  } else {
    out = TRY(recall(bench, shape, rows));
    const bool all_known =
        std::all_of(out.begin(), out.end(), [](const RowAnswer& row) { return row.is_known; });
    if (door && !all_known) repair(*deployed, bench, shape, rows, out);
    if (!all_known || explains) {
      Status scored = score_answerers(*deployed, bench, shape, rows, false, out);
      if (!scored) count_failed(deployed, bench, shape, out);
      TRY(std::move(scored));
    }
    if (!all_known) TRY(settle(deployed, bench, shape, rows, out));
  }
  bench.explanations.clear();
  if (explains) explain(*deployed, bench, shape, out);
  bench.answered.clear();
  bench.answered_by.clear();
  bench.repaired.clear();
  bool is_one = true;  // One version answered all rows.
  for (const RowAnswer& row : out) {
    bench.answered.push_back(row.score);
    bench.answered_by.push_back(row.version);
    is_one = is_one && row.version == out.front().version;
    if (row.is_repaired) bench.repaired.push_back(bench.answered.size() - 1);
  }
  return write({bench.answered, bench.ids, is_one ? out.front().version : deployed->champion(),
                bench.answered_by, bench.explanations, bench.repaired});
}

Result<std::string> Endpoint::State::answer(const PredictRequest& request, const WriteReply& write) {
  const std::shared_ptr<const Deployment> deployed = deployment.load();
  if (!deployed) return fail(no_version());
  if (may_predict) TRY(may_predict());
  std::unique_ptr<Bench> bench = deployed->borrow();
  Result<std::string> reply = answer_on(deployed, *bench, request, write);
  deployed->give_back(std::move(bench));
  return reply;
}

// The version as it runs already, or loaded and seen to score.
Result<LoadedVersion> Endpoint::State::prepare(const VersionPlan& wanted, const WarmUp& with,
                                               const LoadArtifact& load) {
  if (const std::shared_ptr<const Deployment> now = deployment.load()) {
    for (const LoadedVersion& running : now->versions) {
      if (running.plan.version == wanted.version)
        return LoadedVersion{wanted, running.artifact, running.lookups};
    }
  }
  return bring_up(engine, lookups, wanted, with, load);
}

void Endpoint::State::note_failure(const VersionPlan& wanted, const Error& error) {
  const std::string text = base::render(error);
  for (VersionFailure& known : failures) {
    if (known.version != wanted.version) continue;
    known.why = text;
    return;
  }
  base::log_warning("serve", "endpoint '" + name + "': version " + std::to_string(wanted.version) + " (" +
                                 std::string(model::role_name(wanted.role)) + ") does not load: " + text);
  failures.push_back({wanted.version, wanted.role, text, clock.now()});
}

Endpoint::Endpoint(std::string name, table::Engine& engine, Lookups& lookups, const base::Clock& clock,
                   OnPredictions on_predictions, MayPredict may_predict)
    : name_(std::move(name)),
      state_(std::make_unique<State>(engine, lookups, clock, std::move(on_predictions),
                                     std::move(may_predict))) {
  state_->name = name_;
}
Endpoint::~Endpoint() = default;

Status Endpoint::deploy(const DeployPlan& plan, const LoadArtifact& load) {
  CHECK(!plan.versions.empty() && plan.versions.front().role == model::Role::served);
  State& state = *state_;
  const std::scoped_lock lock(state.plan_mutex);
  const std::shared_ptr<const Deployment> before = state.deployment.load();
  if (before && state.failures.empty() && state.plan == plan) return {};
  std::vector<VersionFailure> known = std::exchange(state.failures, {});
  for (const VersionFailure& failure : known) {
    const auto is_it = [&failure](const VersionPlan& wanted) { return wanted.version == failure.version; };
    const bool is_wanted = failure.version == plan.stands_in_for ||
                           std::any_of(plan.versions.begin(), plan.versions.end(), is_it);
    if (is_wanted) state.failures.push_back(failure);
  }
  const WarmUp with{plan.recent_rows ? plan.recent_rows() : std::vector<std::string>(), plan.canary_key};
  auto next = std::make_shared<Deployment>();
  for (const VersionPlan& wanted : plan.versions) {
    Result<LoadedVersion> loaded = state.prepare(wanted, with, load);
    if (!loaded) {
      state.note_failure(wanted, loaded.error());
      if (wanted.role != model::Role::served) continue;
      return fail(base::wrap(std::move(loaded).error(), "version " + std::to_string(wanted.version) +
                                                            " of endpoint '" + name_ + "' does not load"));
    }
    std::erase_if(state.failures, [&](const VersionFailure& f) { return f.version == wanted.version; });
    if (wanted.role == model::Role::canary) next->canary = next->versions.size();
    if (wanted.role == model::Role::previous) next->previous = next->versions.size();
    next->versions.push_back(std::move(*loaded));
  }
  next->columns = columns_of(next->versions, plan.canary_key);
  if (state.door) next->columns.mending = mending_of(*next->versions.front().artifact);
  TRY(fill_benches(state.engine, with, *next));
  if (state.door) next->at_door = state.door->expect(next->columns.required);
  if (next->versions.size() > 1 && !state.mirror) {
    state.mirror = std::make_unique<Mirror>(state.engine, state.clock, state.vitals, state.on_predictions);
    state.mirror_now = state.mirror.get();
  }
  // A level is what one version is off by.
  if (!before || before->champion() != next->champion()) answer_at(0);
  state.plan = plan;
  state.watch(*next, plan.time_max_us);
  state.deployment.store(std::move(next));
  return {};
}

std::vector<VersionPlan> Endpoint::running() const {
  std::vector<VersionPlan> versions;
  const std::shared_ptr<const Deployment> deployed = state_->deployment.load();
  if (!deployed) return versions;
  for (const LoadedVersion& loaded : deployed->versions) versions.push_back(loaded.plan);
  return versions;
}

std::vector<VersionFailure> Endpoint::failures() const {
  const std::scoped_lock lock(state_->plan_mutex);
  return state_->failures;
}

std::vector<PairVitals> Endpoint::vitals() const {
  settle();
  return state_->vitals.pairs();
}

void Endpoint::go_on_from(std::vector<PairVitals> counted) { state_->vitals.watch(std::move(counted), 0); }

void Endpoint::settle() const {
  if (Mirror* mirror = state_->mirror_now.load()) mirror->settle();
}

Result<std::string> Endpoint::predict(const PredictRequest& request, const WriteReply& write) {
  const TimeUs started = base::steady_now();
  Result<std::string> reply = state_->answer(request, write);
  if (!reply) state_->errors.fetch_add(1, std::memory_order_relaxed);
  const std::uint64_t number = state_->requests.load(std::memory_order_relaxed);
  state_->latencies[number % kLatencies].store(static_cast<std::uint32_t>(base::steady_now() - started),
                                               std::memory_order_relaxed);
  return reply;
}

void Endpoint::answer_at(double level) { state_->level.store(level, std::memory_order_relaxed); }

void Endpoint::hash_requests_from(std::uint64_t seed) { state_->request_seed = seed; }

void Endpoint::repair_requests(DoorOptions options) {
  state_->door = std::make_unique<Door>(std::move(options));
}
Door* Endpoint::door() { return state_->door.get(); }
const Door* Endpoint::door() const { return state_->door.get(); }

void Endpoint::remember(const model::Prediction& prediction) {
  if (prediction.scores.empty() || prediction.id_was_made) return;
  const model::VersionScore& served = prediction.scores.front();
  (void)state_->answers.add(prediction.id,
                            {prediction.request_hash, served.score, served.version, prediction.damaged});
}

Result<std::shared_ptr<const RequestColumns>> Endpoint::request_columns() const {
  const std::shared_ptr<const Deployment> deployed = state_->deployment.load();
  if (!deployed) return fail(no_version());
  return std::shared_ptr<const RequestColumns>(deployed, &deployed->columns);
}

Result<Json> Endpoint::request_schema() const {
  const std::shared_ptr<const RequestColumns> held = TRY(request_columns());
  const RequestColumns& columns = *held;
  Json list = Json::array();
  const auto add = [&list](const table::Schema& schema, bool required) {
    for (const table::Column& column : schema.columns()) {
      Json entry = Json::object({{"name", column.name}, {"type", table::type_name(column.type)}});
      list.push(entry.set("required", required));
    }
  };
  add(columns.required, true);
  add(columns.optional, false);
  return Json::object({{"columns", std::move(list)}});
}

Endpoint::Counters Endpoint::counters() const {
  Counters counters{state_->requests.load(), state_->rows.load(), state_->errors.load(), 0, 0};
  std::vector<std::uint32_t> latencies;
  const std::size_t count = std::min<std::size_t>(kLatencies, counters.requests);
  for (std::size_t i = 0; i < count; ++i) latencies.push_back(state_->latencies[i].load());
  if (latencies.empty()) return counters;
  std::sort(latencies.begin(), latencies.end());
  counters.latency_us_p50 = latencies[latencies.size() / 2];
  counters.latency_us_p99 = latencies[latencies.size() * 99 / 100];
  return counters;
}

std::pair<std::int64_t, std::int64_t> Endpoint::slower_than(TimeUs time) const {
  const std::size_t count = std::min<std::size_t>(kLatencies, state_->requests.load());
  std::int64_t slower = 0;
  for (std::size_t i = 0; i < count; ++i) slower += state_->latencies[i].load() > time ? 1 : 0;
  return {slower, static_cast<std::int64_t>(count)};
}

}  // namespace trimtab::serve
