#include "serve/endpoint.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <span>
#include <thread>
#include <unordered_map>
#include <utility>
#include <variant>

#include "base/fast_hash.h"
#include "base/id.h"
#include "base/log.h"
#include "model/level.h"
#include "model/scorer.h"
#include "serve/answer_memory.h"

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

// Appends a cell as Batch::cell_json dumps it.
void append_cell(std::string& out, const table::Batch& rows, int column, int row) {
  switch (rows.schema().at(column).type) {
    case table::ColumnType::boolean:
      out += rows.boolean(column, row) ? "true" : "false";
      return;
    case table::ColumnType::integer: {
      std::array<char, 24> digits{};
      const auto end = std::to_chars(digits.begin(), digits.end(), rows.integer(column, row)).ptr;
      out.append(digits.begin(), end);
      return;
    }
    case table::ColumnType::real:
      return base::append_json_double(out, rows.real(column, row));
    case table::ColumnType::text:
      return base::append_json_string(out, rows.text(column, row));
    case table::ColumnType::time: {
      const TimeUs time = rows.time(column, row);
      // The two infinite times have words of their own.
      if (std::abs(time) == std::numeric_limits<TimeUs>::max()) {
        out += rows.cell_json(column, row).dump();
        return;
      }
      out += '"';
      out += base::format_time(time);
      out += '"';
      return;
    }
  }
}

std::string next_id() {
  // Unique within the process by the counter, across processes by the random part.
  static const std::string process = base::random_hex(8);
  static std::atomic<std::uint64_t> counter{0};
  std::string id = process + "0000000000000000";
  std::uint64_t number = ++counter;
  for (std::size_t i = id.size(); number > 0; number >>= 4) id[--i] = "0123456789abcdef"[number & 15];
  return id;
}

struct Loaded {
  std::int64_t version = 0;
  model::Role role = model::Role::served;
  std::shared_ptr<const model::Artifact> artifact;
  table::LookupTables lookups;
};

// A version's scorer over rows of exactly these columns: joined columns that the request brings go before the
// join.
Result<std::unique_ptr<model::Scorer>> make_scorer(table::Engine& engine, const Loaded& loaded,
                                                   const table::Schema& columns) {
  if (columns == loaded.artifact->recipe.request) {
    return model::Scorer::make(engine, loaded.artifact, loaded.lookups);
  }
  auto wider = std::make_shared<model::Artifact>(*loaded.artifact);
  for (const table::Column& column : columns.columns()) wider->recipe.request.set(column);
  return model::Scorer::make(engine, wider, loaded.lookups);
}

// One version over requests of one shape.
struct ShapedScorer {
  std::unique_ptr<model::Scorer> scorer;  // Null when this version, which does not serve, cannot be bound.
  // Another version may want other columns; what the request lacks is null there. Empty: the same columns.
  std::optional<table::Batch> wide;

  Result<std::span<const double>> score(const table::Batch& rows);
};

Result<std::span<const double>> ShapedScorer::score(const table::Batch& rows) {
  if (!scorer) return fail(ErrorCode::internal, "not scored");
  if (!wide) return scorer->score(rows);
  wide->reset(rows.rows());
  for (int column = 0; column < wide->schema().size(); ++column) {
    const std::optional<int> from = rows.schema().find(wide->schema().at(column).name);
    for (int row = 0; row < rows.rows(); ++row) {
      if (from) table::copy_cell(rows, *from, row, *wide, column, row);
      if (!from) wide->set_null(column, row);
    }
  }
  return scorer->score(*wide);
}

// All that a thread needs to answer requests to one deployment. Requests borrow it, so that it is as warm as
// can be and there are no more of them than requests at a time.
struct Bench {
  struct Shape {
    std::vector<ShapedScorer> versions;
    std::vector<std::string> keys;  // "\"name\":" of each column.
    std::optional<int> time_column;
  };
  explicit Bench(const RequestColumns& columns) : reader(columns) {}

  RequestReader reader;
  std::uint64_t generation = 0;
  std::vector<std::optional<Shape>> shapes;  // As the reader numbers them.
  // Of the request in hand.
  std::vector<std::vector<double>> scores;  // A list a version.
  std::vector<model::Prediction> predictions;
  std::vector<std::string> ids;
  std::vector<double> answered;
};

// The versions an endpoint runs, as one value that is swapped whole.
struct Deployment {
  std::vector<Loaded> versions;  // The served one first; then shadows and the previous champion.
  RequestColumns columns;
  mutable std::mutex mutex;
  mutable std::vector<std::unique_ptr<Bench>> idle;  // The one that was used last at the end.

  std::unique_ptr<Bench> borrow() const {
    {
      const std::scoped_lock lock(mutex);
      if (!idle.empty()) {
        std::unique_ptr<Bench> bench = std::move(idle.back());
        idle.pop_back();
        return bench;
      }
    }
    return std::make_unique<Bench>(columns);
  }
  void give_back(std::unique_ptr<Bench> bench) const {
    const std::scoped_lock lock(mutex);
    idle.push_back(std::move(bench));
  }
};

Result<Bench::Shape> make_shape(table::Engine& engine, const Deployment& deployed,
                                const table::Schema& columns) {
  Bench::Shape shape;
  for (const Loaded& loaded : deployed.versions) {
    table::Schema wanted = loaded.artifact->recipe.request;
    for (const table::Column& column : columns.columns()) wanted.set(column);
    Result<std::unique_ptr<model::Scorer>> scorer = make_scorer(engine, loaded, wanted);
    if (!scorer && shape.versions.empty()) return fail(std::move(scorer).error());
    ShapedScorer& made = shape.versions.emplace_back();
    if (scorer) made.scorer = std::move(*scorer);
    if (!(wanted == columns)) made.wide.emplace(wanted);
  }
  for (const table::Column& column : columns.columns()) {
    std::string& key = shape.keys.emplace_back();
    base::append_json_string(key, column.name);
    key += ':';
  }
  shape.time_column = columns.find(deployed.versions.front().artifact->recipe.time_column);
  return shape;
}

// The bench's shape of these rows. Made once, unless the reader has forgotten it.
Result<Bench::Shape*> shape_of(table::Engine& engine, const Deployment& deployed, Bench& bench,
                               const RequestRows& request) {
  if (bench.generation != bench.reader.generation()) bench.shapes.clear();
  bench.generation = bench.reader.generation();
  if (bench.shapes.size() <= request.shape) bench.shapes.resize(request.shape + 1);
  std::optional<Bench::Shape>& shape = bench.shapes[request.shape];
  if (!shape) shape = TRY(make_shape(engine, deployed, request.rows.schema()));
  return &*shape;
}

// The row as one compact object, in schema order, without its nulls.
void append_request_json(std::string& out, const Bench::Shape& shape, const table::Batch& rows, int row) {
  out += '{';
  const std::size_t begin = out.size();
  for (int column = 0; column < rows.schema().size(); ++column) {
    if (rows.is_null(column, row)) continue;
    if (out.size() > begin) out += ',';
    out += shape.keys[static_cast<std::size_t>(column)];
    append_cell(out, rows, column, row);
  }
  out += '}';
}

// Scores of every version, the served one first. Only the served one's failure is the request's.
Status score_all(Bench& bench, Bench::Shape& shape, const table::Batch& rows) {
  bench.scores.resize(shape.versions.size());
  for (std::size_t i = 0; i < shape.versions.size(); ++i) {
    const Result<std::span<const double>> result = shape.versions[i].score(rows);
    if (!result && i == 0) return fail(result.error());
    if (result) bench.scores[i].assign(result->begin(), result->end());
    if (!result) {
      bench.scores[i].assign(static_cast<std::size_t>(rows.rows()), std::numeric_limits<double>::quiet_NaN());
    }
  }
  return {};
}

// What a reply says of one row.
struct RowAnswer {
  double score = 0;
  bool is_known = false;  // Given before: nothing is scored or logged for it.
};

Error other_input(const std::string& id) {
  return {ErrorCode::conflict, "the prediction id '" + id + "' was used for another input",
          "use an id once, or send the same row again to get the same answer", std::nullopt, nullptr};
}

}  // namespace

struct Endpoint::State {
  State(table::Engine& engine_, Lookups& lookups_, const base::Clock& clock_, OnPrediction on_prediction_,
        MayPredict may_predict_)
      : engine(engine_),
        lookups(lookups_),
        clock(clock_),
        on_prediction(std::move(on_prediction_)),
        may_predict(std::move(may_predict_)) {}

  table::Engine& engine;
  Lookups& lookups;
  const base::Clock& clock;
  OnPrediction on_prediction;
  MayPredict may_predict;
  AnswerMemory answers{kAnswersMax};
  std::atomic<std::shared_ptr<const Deployment>> deployment;
  std::atomic<double> level{0};  // By which answers are moved, in log odds.
  std::atomic<std::uint64_t> requests{0}, rows{0}, errors{0};
  std::array<std::atomic<std::uint32_t>, kLatencies> latencies{};

  Result<Loaded> prepare(std::int64_t version, model::Role role,
                         Result<std::shared_ptr<const model::Artifact>> artifact);
  Result<std::string> answer(const PredictRequest& request, const WriteReply& write);
  Result<std::string> answer_on(const Deployment& deployed, Bench& bench, const PredictRequest& request,
                                const WriteReply& write);
  Result<std::vector<RowAnswer>> recall(Bench& bench, const Bench::Shape& shape, RequestRows& request);
  Status settle(const Deployment& deployed, Bench& bench, Bench::Shape& shape, const RequestRows& request,
                std::vector<RowAnswer>& answers);
};

// Begins a prediction for each row, and finds those whose id has been answered before, in an earlier request
// or in this one.
Result<std::vector<RowAnswer>> Endpoint::State::recall(Bench& bench, const Bench::Shape& shape,
                                                       RequestRows& request) {
  const auto count = static_cast<std::size_t>(request.rows.rows());
  std::vector<RowAnswer> out(count);
  bench.predictions.assign(count, {});
  bench.ids.resize(count);
  std::unordered_map<std::string_view, std::uint64_t> in_request;  // Chosen id → hash of its row.
  for (std::size_t row = 0; row < count; ++row) {
    model::Prediction& prediction = bench.predictions[row];
    append_request_json(prediction.request_json, shape, request.rows, static_cast<int>(row));
    prediction.request_hash = base::fast_hash(prediction.request_json);
    if (!request.ids[row]) {
      prediction.id = bench.ids[row] = next_id();
      continue;
    }
    prediction.id = bench.ids[row] = std::move(*request.ids[row]);
    const auto [same, is_first] = in_request.try_emplace(bench.ids[row], prediction.request_hash);
    if (same->second != prediction.request_hash) return fail(other_input(prediction.id));
    const std::optional<RememberedAnswer> before = answers.find(prediction.id);
    if (!before) continue;
    if (before->request_hash != prediction.request_hash) return fail(other_input(prediction.id));
    out[row] = {before->score, true};
  }
  return out;
}

// Hands on the predictions that are new, and remembers those whose id was chosen. Who chose an id twice, at
// the same time or in one request, gets one answer.
Status Endpoint::State::settle(const Deployment& deployed, Bench& bench, Bench::Shape& shape,
                               const RequestRows& request, std::vector<RowAnswer>& out) {
  const TimeUs now = clock.now();
  const std::span<const double> features = shape.versions.front().scorer->features();
  const std::size_t width = features.size() / out.size();
  const double moved_by = level.load(std::memory_order_relaxed);
  for (std::size_t row = 0; row < out.size(); ++row) {
    if (out[row].is_known) continue;
    model::Prediction& prediction = bench.predictions[row];
    out[row].score = model::at_level(bench.scores[0][row], moved_by);
    if (request.ids[row]) {
      const RememberedAnswer mine{prediction.request_hash, out[row].score, deployed.versions.front().version};
      const std::optional<RememberedAnswer> first = answers.add(prediction.id, mine);
      if (first && first->request_hash != mine.request_hash) return fail(other_input(prediction.id));
      if (first) out[row] = {first->score, true};
      if (first) continue;
    }
    const int at = static_cast<int>(row);
    const bool has_time = shape.time_column && !request.rows.is_null(*shape.time_column, at);
    prediction.event_time = has_time ? request.rows.time(*shape.time_column, at) : now;
    prediction.received = now;
    prediction.scores.reserve(deployed.versions.size() + 1);
    for (std::size_t i = 0; i < deployed.versions.size(); ++i) {
      prediction.scores.push_back(
          {deployed.versions[i].version, deployed.versions[i].role, bench.scores[i][row]});
    }
    prediction.scores.front().score = out[row].score;
    if (moved_by != 0) {
      const std::int64_t version = deployed.versions.front().version;
      prediction.scores.push_back({version, model::Role::plain, bench.scores[0][row]});
    }
    const std::span<const double> of_row = features.subspan(row * width, width);
    prediction.features.assign(of_row.begin(), of_row.end());
    on_prediction(std::move(prediction));
  }
  return {};
}

void append_scores(std::string& reply, std::span<const double> scores) {
  reply += '[';
  for (std::size_t row = 0; row < scores.size(); ++row) {
    if (row > 0) reply += ',';
    if (std::isfinite(scores[row])) {
      base::append_json_double(reply, scores[row]);
    } else {
      reply += "null";
    }
  }
  reply += ']';
}

void append_ids(std::string& reply, std::span<const std::string> ids) {
  reply += '[';
  for (std::size_t row = 0; row < ids.size(); ++row) {
    if (row > 0) reply += ',';
    base::append_json_string(reply, ids[row]);
  }
  reply += ']';
}

std::string native_reply(const Answers& answers) {
  std::string reply;
  reply.reserve(96 + 64 * answers.scores.size());
  reply += R"({"predictions":)";
  append_scores(reply, answers.scores);
  reply += R"(,"prediction_ids":)";
  append_ids(reply, answers.ids);
  reply += R"(,"model_version":")" + std::to_string(answers.version) + "\"}";
  return reply;
}

Result<std::string> Endpoint::State::answer_on(const Deployment& deployed, Bench& bench,
                                               const PredictRequest& request, const WriteReply& write) {
  RequestRows& rows = *TRY(bench.reader.read(request.body, request.ignores_unknown));
  if (!request.inference_id.empty() && rows.rows.rows() == 1 && !rows.ids[0]) {
    rows.ids[0] = std::string(request.inference_id);
  }
  requests.fetch_add(1, std::memory_order_relaxed);
  this->rows.fetch_add(static_cast<std::uint64_t>(rows.rows.rows()), std::memory_order_relaxed);
  Bench::Shape& shape = *TRY(shape_of(engine, deployed, bench, rows));
  std::vector<RowAnswer> out = TRY(recall(bench, shape, rows));
  const bool all_known =
      std::all_of(out.begin(), out.end(), [](const RowAnswer& row) { return row.is_known; });
  if (!all_known) {
    TRY(score_all(bench, shape, rows.rows));
    TRY(settle(deployed, bench, shape, rows, out));
  }
  bench.answered.clear();
  for (const RowAnswer& row : out) bench.answered.push_back(row.score);
  return write({bench.answered, bench.ids, deployed.versions.front().version});
}

Result<std::string> Endpoint::State::answer(const PredictRequest& request, const WriteReply& write) {
  const std::shared_ptr<const Deployment> deployed = deployment.load();
  if (!deployed) return fail(ErrorCode::busy, "no version serves here yet", "run `trimtab apply`");
  if (may_predict) TRY(may_predict());
  std::unique_ptr<Bench> bench = deployed->borrow();
  Result<std::string> reply = answer_on(*deployed, *bench, request, write);
  deployed->give_back(std::move(bench));
  return reply;
}

// Loads a version and warms it up: a row of nulls goes through recipe, encoder and learner before any request
// does.
Result<Loaded> Endpoint::State::prepare(std::int64_t version, model::Role role,
                                        Result<std::shared_ptr<const model::Artifact>> artifact) {
  Loaded loaded{version, role, TRY(std::move(artifact)), {}};
  loaded.lookups = TRY(lookups.for_recipe(loaded.artifact->recipe));
  const table::Schema& columns = loaded.artifact->recipe.request;
  const std::unique_ptr<model::Scorer> scorer = TRY(make_scorer(engine, loaded, columns));
  table::Batch nulls(columns);
  nulls.reset(1);
  for (int column = 0; column < columns.size(); ++column) nulls.set_null(column, 0);
  TRY(scorer->score(nulls));
  return loaded;
}

Endpoint::Endpoint(std::string name, table::Engine& engine, Lookups& lookups, const base::Clock& clock,
                   OnPrediction on_prediction, MayPredict may_predict)
    : name_(std::move(name)),
      state_(std::make_unique<State>(engine, lookups, clock, std::move(on_prediction),
                                     std::move(may_predict))) {}
Endpoint::~Endpoint() = default;

Status Endpoint::deploy(
    const std::vector<std::pair<std::int64_t, model::Role>>& versions,
    const std::function<Result<std::shared_ptr<const model::Artifact>>(std::int64_t)>& load) {
  CHECK(!versions.empty());
  auto next = std::make_shared<Deployment>();
  for (const auto& [version, role] : versions) {
    Result<Loaded> loaded = state_->prepare(version, role, load(version));
    if (!loaded) {
      return fail(base::wrap(std::move(loaded).error(), "version " + std::to_string(version) +
                                                            " of endpoint '" + name_ + "' does not load"));
    }
    next->versions.push_back(std::move(*loaded));
  }
  next->columns = columns_of(*next->versions.front().artifact);
  // Scorers are made here and not by the first requests, one set for each thread that may want one.
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  for (unsigned i = 0; i < threads; ++i) {
    auto bench = std::make_unique<Bench>(next->columns);
    bench->generation = bench->reader.generation();
    bench->shapes.emplace_back(TRY(make_shape(state_->engine, *next, next->columns.required)));
    next->give_back(std::move(bench));
  }
  const std::shared_ptr<const Deployment> before = state_->deployment.load();
  // A level is what one version is off by.
  if (!before || before->versions.front().version != next->versions.front().version) answer_at(0);
  state_->deployment.store(std::move(next));
  return {};
}

std::vector<std::pair<std::int64_t, model::Role>> Endpoint::deployed() const {
  std::vector<std::pair<std::int64_t, model::Role>> versions;
  const std::shared_ptr<const Deployment> deployed = state_->deployment.load();
  if (!deployed) return versions;
  for (const Loaded& loaded : deployed->versions) versions.emplace_back(loaded.version, loaded.role);
  return versions;
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

void Endpoint::remember(const model::Prediction& prediction) {
  if (prediction.scores.empty()) return;
  const model::VersionScore& served = prediction.scores.front();
  (void)state_->answers.add(prediction.id, {prediction.request_hash, served.score, served.version});
}

Result<std::shared_ptr<const RequestColumns>> Endpoint::request_columns() const {
  const std::shared_ptr<const Deployment> deployed = state_->deployment.load();
  if (!deployed) return fail(ErrorCode::busy, "no version serves here yet", "run `trimtab apply`");
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

}  // namespace trimtab::serve
