#include "serve/endpoint.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <utility>
#include <variant>

#include "base/fast_hash.h"
#include "base/id.h"
#include "base/log.h"
#include "model/level.h"
#include "model/scorer.h"
#include "serve/answer_memory.h"
#include "serve/request_rows.h"

namespace trimtab::serve {
namespace {

constexpr std::size_t kAnswersMax = 1'000'000;
constexpr std::size_t kLatencies = 1024;

// The columns that requests of an artifact may hold.
RequestColumns columns_of(const model::Artifact& artifact) {
  RequestColumns columns;
  columns.required = artifact.recipe.request;
  columns.ignored = artifact.recipe.ignored;
  // A request may say when its row happened, whether or not the model looks at it.
  const std::string& time = artifact.recipe.time_column;
  if (!time.empty() && !columns.required.find(time)) columns.optional.add({time, table::ColumnType::time});
  for (const model::JoinedTable& joined : artifact.recipe.joined) {
    const auto& stage =
        std::get<table::LookupStage>(artifact.recipe.stages[static_cast<std::size_t>(joined.stage)]);
    for (const std::string& name : stage.lookup.select) {
      const std::optional<int> at = joined.schema.find(name);
      if (at && !columns.required.find(name)) columns.optional.add(joined.schema.at(*at));
    }
  }
  return columns;
}

// The scorers of one thread for one deployment. A scorer is bound to the columns it is given, and a request
// that sends joined columns too has more of them, so there is one for each set of columns seen.
struct ThreadScorers {
  std::uint64_t generation = 0;
  std::unordered_map<std::string, std::unique_ptr<model::Scorer>> by_columns;
};

std::string request_json(const table::Batch& rows, int row) {
  std::string json = "{";
  for (int column = 0; column < rows.schema().size(); ++column) {
    if (rows.is_null(column, row)) continue;
    if (json.size() > 1) json += ',';
    base::append_json_string(json, rows.schema().at(column).name);
    json += ':' + rows.cell_json(column, row).dump();
  }
  return json + "}";
}

std::string next_id() {
  // Unique within the process by the counter, across processes by the random part.
  static const std::string process = base::random_hex(8);
  static std::atomic<std::uint64_t> counter{0};
  std::string digits(16, '0');
  std::uint64_t number = ++counter;
  for (std::size_t i = 16; i-- > 0; number >>= 4) digits[i] = "0123456789abcdef"[number & 15];
  return process + digits;
}

}  // namespace

struct Endpoint::State {
  State(table::Engine& engine_, Lookups& lookups_, const base::Clock& clock_, OnPrediction on_prediction_)
      : engine(engine_), lookups(lookups_), clock(clock_), on_prediction(std::move(on_prediction_)) {}

  table::Engine& engine;
  Lookups& lookups;
  const base::Clock& clock;
  OnPrediction on_prediction;
  AnswerMemory answers{kAnswersMax};
  std::atomic<std::shared_ptr<const Deployment>> deployment;
  std::atomic<double> level{0};
  std::atomic<std::uint64_t> requests{0}, rows{0}, errors{0};
  std::array<std::atomic<std::uint32_t>, kLatencies> latencies{};

  Result<model::Scorer*> scorer(const Deployment& deployment, std::size_t index,
                                const table::Schema& columns);
  Result<std::unique_ptr<model::Scorer>> make_scorer(const Deployment::Loaded& loaded,
                                                     const table::Schema& columns);
  Result<std::string> answer(const PredictRequest& request);
  Result<std::string> answer_rows(const Deployment& deployment, RequestRows& request);
  std::vector<std::vector<double>> score_all(const Deployment& deployment, const table::Batch& rows,
                                             Status& status, std::vector<double>& features);
};

// A version's scorer over rows of exactly these columns: joined columns that the request brings go before the
// join.
Result<std::unique_ptr<model::Scorer>> Endpoint::State::make_scorer(const Deployment::Loaded& loaded,
                                                                    const table::Schema& columns) {
  if (columns == loaded.artifact->recipe.request) {
    return model::Scorer::make(engine, loaded.artifact, loaded.lookups);
  }
  auto wider = std::make_shared<model::Artifact>(*loaded.artifact);
  for (const table::Column& column : columns.columns()) wider->recipe.request.set(column);
  return model::Scorer::make(engine, wider, loaded.lookups);
}

Result<model::Scorer*> Endpoint::State::scorer(const Deployment& deployed, std::size_t index,
                                               const table::Schema& columns) {
  thread_local std::unordered_map<const State*, ThreadScorers> of_thread;
  ThreadScorers& scorers = of_thread[this];
  if (scorers.generation != deployed.generation) {
    scorers.by_columns.clear();
    scorers.generation = deployed.generation;
  }
  std::string key = std::to_string(index);
  for (const table::Column& column : columns.columns()) key += '\0' + column.name;
  auto found = scorers.by_columns.find(key);
  if (found == scorers.by_columns.end()) {
    found = scorers.by_columns.emplace(key, TRY(make_scorer(deployed.versions[index], columns))).first;
  }
  return found->second.get();
}

// Scores of every version, the served one first. Only the served one's failure is the request's.
std::vector<std::vector<double>> Endpoint::State::score_all(const Deployment& deployed,
                                                            const table::Batch& rows, Status& status,
                                                            std::vector<double>& features) {
  std::vector<std::vector<double>> all;
  for (std::size_t i = 0; i < deployed.versions.size(); ++i) {
    std::vector<double> scores(static_cast<std::size_t>(rows.rows()),
                               std::numeric_limits<double>::quiet_NaN());
    // Another version may want other columns; what the request lacks is null there.
    const table::Schema& wanted = deployed.versions[i].artifact->recipe.request;
    table::Schema columns = wanted;
    for (const table::Column& column : rows.schema().columns()) columns.set(column);
    const Result<model::Scorer*> scorer = this->scorer(deployed, i, columns);
    Result<std::span<const double>> result = fail(ErrorCode::internal, "not scored");
    if (!scorer) {
      result = fail(scorer.error());
    } else if (columns == rows.schema()) {
      result = (*scorer)->score(rows);
    } else {
      table::Batch wide(columns);
      wide.reset(rows.rows());
      for (int column = 0; column < columns.size(); ++column) {
        const std::optional<int> from = rows.schema().find(columns.at(column).name);
        for (int row = 0; row < rows.rows(); ++row) {
          if (from) table::copy_cell(rows, *from, row, wide, column, row);
          if (!from) wide.set_null(column, row);
        }
      }
      result = (*scorer)->score(wide);
    }
    if (result) std::copy(result->begin(), result->end(), scores.begin());
    if (!result && i == 0) status = fail(result.error());
    if (result && i == 0) features.assign((*scorer)->features().begin(), (*scorer)->features().end());
    all.push_back(std::move(scores));
    if (!status) return all;
  }
  return all;
}

Result<std::string> Endpoint::State::answer_rows(const Deployment& deployed, RequestRows& request) {
  const table::Batch& rows = request.rows;
  Status status;
  std::vector<double> features;
  const std::vector<std::vector<double>> scores = score_all(deployed, rows, status, features);
  TRY(std::move(status));
  const Deployment::Loaded& served = deployed.versions.front();
  const std::optional<int> time_column = rows.schema().find(served.artifact->recipe.time_column);
  const TimeUs now = clock.now();
  const std::size_t width = features.size() / static_cast<std::size_t>(rows.rows());
  const double moved_by = level.load(std::memory_order_relaxed);
  std::string predictions, ids;
  for (int row = 0; row < rows.rows(); ++row) {
    const auto at = static_cast<std::size_t>(row);
    model::Prediction prediction;
    prediction.request_json = request_json(rows, row);
    prediction.request_hash = base::fast_hash(prediction.request_json);
    const double plain = scores[0][at];
    double score = model::at_level(plain, moved_by);
    const bool chosen = request.ids[at].has_value();
    prediction.id = chosen ? *request.ids[at] : next_id();
    const std::optional<RememberedAnswer> before = chosen ? answers.find(prediction.id) : std::nullopt;
    if (before && before->request_hash != prediction.request_hash) {
      return fail(ErrorCode::conflict, "the prediction id '" + prediction.id + "' was used for another input",
                  "use an id once, or send the same row again to get the same answer");
    }
    if (before) score = before->score;
    predictions += row > 0 ? "," : "";
    if (std::isfinite(score)) base::append_json_double(predictions, score);
    if (!std::isfinite(score)) predictions += "null";
    ids += row > 0 ? "," : "";
    base::append_json_string(ids, prediction.id);
    if (before) continue;
    if (chosen) answers.add(prediction.id, {prediction.request_hash, score, served.version});
    const bool has_time = time_column && !rows.is_null(*time_column, row);
    prediction.event_time = has_time ? rows.time(*time_column, row) : now;
    prediction.received = now;
    for (std::size_t i = 0; i < deployed.versions.size(); ++i) {
      prediction.scores.push_back(
          {deployed.versions[i].version, deployed.versions[i].role, i == 0 ? score : scores[i][at]});
    }
    if (moved_by != 0) prediction.scores.push_back({served.version, model::Role::plain, plain});
    const auto first = features.begin() + static_cast<std::ptrdiff_t>(at * width);
    prediction.features.assign(first, first + static_cast<std::ptrdiff_t>(width));
    on_prediction(std::move(prediction));
  }
  return R"({"predictions":[)" + predictions + R"(],"prediction_ids":[)" + ids + R"(],"model_version":")" +
         std::to_string(served.version) + "\"}";
}

Result<std::string> Endpoint::State::answer(const PredictRequest& request) {
  const std::shared_ptr<const Deployment> deployed = deployment.load();
  if (!deployed) return fail(ErrorCode::busy, "no version serves here yet", "run `trimtab apply`");
  const Json body = TRY(base::parse_json(request.body));
  const model::Artifact& served = *deployed->versions.front().artifact;
  RequestRows rows = TRY(read_request(body, columns_of(served)));
  if (!request.inference_id.empty() && rows.rows.rows() == 1 && !rows.ids[0]) {
    rows.ids[0] = std::string(request.inference_id);
  }
  requests.fetch_add(1, std::memory_order_relaxed);
  this->rows.fetch_add(static_cast<std::uint64_t>(rows.rows.rows()), std::memory_order_relaxed);
  return answer_rows(*deployed, rows);
}

Endpoint::Endpoint(std::string name, table::Engine& engine, Lookups& lookups, const base::Clock& clock,
                   OnPrediction on_prediction)
    : name_(std::move(name)),
      state_(std::make_unique<State>(engine, lookups, clock, std::move(on_prediction))) {}
Endpoint::~Endpoint() = default;

Status Endpoint::deploy(
    const std::vector<std::pair<std::int64_t, model::Role>>& versions,
    const std::function<Result<std::shared_ptr<const model::Artifact>>(std::int64_t)>& load) {
  auto next = std::make_shared<Deployment>();
  static std::atomic<std::uint64_t> generations{0};
  next->generation = ++generations;
  for (const auto& [version, role] : versions) {
    const std::string what =
        "version " + std::to_string(version) + " of endpoint '" + name_ + "' does not load";
    Deployment::Loaded loaded{version, role, nullptr, {}};
    Result<std::shared_ptr<const model::Artifact>> artifact = load(version);
    if (!artifact) return fail(base::wrap(std::move(artifact).error(), what));
    loaded.artifact = std::move(*artifact);
    Result<table::LookupTables> lookups = state_->lookups.for_recipe(loaded.artifact->recipe);
    if (!lookups) return fail(base::wrap(std::move(lookups).error(), what));
    loaded.lookups = std::move(*lookups);
    // Warm-up: a row of nulls goes through recipe, encoder and learner before any request does.
    Result<std::unique_ptr<model::Scorer>> scorer =
        state_->make_scorer(loaded, loaded.artifact->recipe.request);
    if (!scorer) return fail(base::wrap(std::move(scorer).error(), what));
    table::Batch nulls(loaded.artifact->recipe.request);
    nulls.reset(1);
    for (int column = 0; column < nulls.schema().size(); ++column) nulls.set_null(column, 0);
    const Result<std::span<const double>> warm = (*scorer)->score(nulls);
    if (!warm) return fail(base::wrap(warm.error(), what));
    next->versions.push_back(std::move(loaded));
  }
  state_->deployment.store(std::move(next));
  return {};
}

std::vector<std::pair<std::int64_t, model::Role>> Endpoint::deployed() const {
  std::vector<std::pair<std::int64_t, model::Role>> versions;
  const std::shared_ptr<const Deployment> deployed = state_->deployment.load();
  if (!deployed) return versions;
  for (const Deployment::Loaded& loaded : deployed->versions)
    versions.emplace_back(loaded.version, loaded.role);
  return versions;
}

Result<std::string> Endpoint::predict(const PredictRequest& request) {
  const TimeUs started = base::steady_now();
  Result<std::string> reply = state_->answer(request);
  if (!reply) state_->errors.fetch_add(1, std::memory_order_relaxed);
  const std::uint64_t number = state_->requests.load(std::memory_order_relaxed);
  state_->latencies[number % kLatencies].store(static_cast<std::uint32_t>(base::steady_now() - started),
                                               std::memory_order_relaxed);
  return reply;
}

void Endpoint::answer_at(double level) { state_->level.store(level, std::memory_order_relaxed); }

void Endpoint::remember(const model::Prediction& prediction) {
  if (prediction.scores.empty()) return;
  const model::VersionScore& served = prediction.scores.front();
  state_->answers.add(prediction.id, {prediction.request_hash, served.score, served.version});
}

Result<Json> Endpoint::request_schema() const {
  const std::shared_ptr<const Deployment> deployed = state_->deployment.load();
  if (!deployed) return fail(ErrorCode::busy, "no version serves here yet", "run `trimtab apply`");
  const RequestColumns columns = columns_of(*deployed->versions.front().artifact);
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

}  // namespace trimtab::serve
