#include "features/frame.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>

#include "features/row_set.h"
#include "table/parquet.h"

namespace trimtab::features {
namespace {

// Of train::read_frame; rooms of one floor do not include each other.
constexpr const char* kTarget = "__target";
constexpr const char* kTime = "__time";
constexpr const char* kPart = "__part";
constexpr const char* kKnownAt = "__known_at";

std::string slice_column(const std::string& slice) { return "__slice_" + slice; }

// What a frame reads of its rows, as stages that say just that: a filter is needed whatever comes after it.
struct ReadStages {
  std::vector<table::Stage> stages;

  void expression(const std::string& text) {
    stages.push_back(table::FilterStage{{"", "(" + text + ") IS NULL", {}}});
  }
  void column(const std::string& name) { expression(table::quote_name(name)); }

  void step(const model::FrameStep& step) {
    for (const auto& [name, how] : step.fill) column(name);
    for (const std::string& name : step.by) column(name);
    if (step.kind != model::FrameStep::Kind::stage) return;
    if (const auto* derive = std::get_if<table::DeriveStage>(&step.stage)) {
      for (const table::NamedExpression& one : derive->columns) expression(one.text);
    }
    if (const auto* select = std::get_if<table::SelectStage>(&step.stage)) {
      for (const std::string& name : select->columns) column(name);
    }
    stages.push_back(step.stage);
  }
};

class FrameMaker {
 public:
  FrameMaker(const table::OperationRun& run, FrameSpec spec, FrameWindow window)
      : run_(run), engine_(run.engine), spec_(std::move(spec)), window_(std::move(window)) {}

  Result<Json> make() {
    set_ = TRY(RowSet::read(engine_, run_.files("part"), columns_needed(),
                            [this](std::int64_t rows) { return run_.progress(rows, 0, "rows"); }));
    if (set_.rows() == 0) return fail(ErrorCode::invalid, "the table has no rows to train on");
    // Steps up to the first that is fitted need nothing but the rows.
    std::size_t step = 0;
    for (; step < spec_.steps.size() && spec_.steps[step].kind != model::FrameStep::Kind::fill; ++step) {
      TRY(execute(spec_.steps[step]));
    }
    TRY(choose_rows());
    TRY(split());
    for (; step < spec_.steps.size(); ++step) TRY(execute(spec_.steps[step]));
    TRY(shape());
    fit_levels();
    TRY(write());
    return report();
  }

 private:
  // The columns of the parts that anything here reads. Where an expression is wrong, all of them: it is met
  // again when its turn comes, and then refused in its place.
  std::vector<std::string> columns_needed() const {
    ReadStages reads;
    for (const std::string& name : {spec_.time, std::string(kRowNumberColumn)}) reads.column(name);
    for (const model::FrameStep& step : spec_.steps) reads.step(step);
    reads.expression(spec_.target.text);
    reads.expression(spec_.label_time.text);
    for (const table::NamedExpression& feature : spec_.features) reads.expression(feature.text);
    for (const std::string& slice : spec_.slices) reads.column(slice);
    auto needed = table::columns_needed(engine_, spec_.table, reads.stages, {}, spec_.time_zone);
    return needed ? *std::move(needed) : spec_.table.names();
  }

  Status execute(const model::FrameStep& step) {
    switch (step.kind) {
      case model::FrameStep::Kind::stage:
        return pass(step.stage);
      case model::FrameStep::Kind::fill:
        return fill(step.fill);
      case model::FrameStep::Kind::drop_duplicates:
        return drop_duplicates(step.by);
    }
    return {};
  }

  // Runs a stage, and remembers it for the recipe unless it only means something for many rows.
  Status pass(const table::Stage& stage) {
    set_ = TRY(set_.through(engine_, {stage}, spec_.time_zone));
    if (!std::holds_alternative<table::FilterStage>(stage)) fitted_.push_back(stage);
    return {};
  }

  Status drop_duplicates(const std::vector<std::string>& by) {
    std::vector<int> columns;
    for (const std::string& name : by) columns.push_back(TRY(column(name)));
    std::vector<RowPlace> places = set_.places();
    sort_places(places);
    set_.keep_first(places, columns);
    set_ = set_.pick(places);
    return {};
  }

  Result<int> column(const std::string& name) const {
    const std::optional<int> at = set_.schema().find(name);
    if (at) return *at;
    return fail(ErrorCode::invalid, "the column '" + name + "' is gone before a later step needs it");
  }

  const table::Batch& batch_of(RowPlace place) const {
    return set_.batches()[static_cast<std::size_t>(place.batch)];
  }

  // The declared total order: time, part, row. Rows without a time come first. Rows of one time stand in the
  // order of part and row already: they are read so, and every step keeps that.
  void sort_places(std::vector<RowPlace>& places) const {
    const int time = *set_.schema().find(spec_.time);
    std::vector<std::tuple<TimeUs, std::int32_t, std::int32_t>> ordered;
    ordered.reserve(places.size());
    for (const RowPlace place : places) {
      const table::Batch& batch = batch_of(place);
      const TimeUs at = batch.is_null(time, place.row) ? INT64_MIN : batch.time(time, place.row);
      ordered.emplace_back(at, place.batch, place.row);
    }
    // After a step that sorted them they mostly are.
    if (std::is_sorted(ordered.begin(), ordered.end())) return;
    std::sort(ordered.begin(), ordered.end());
    for (std::size_t i = 0; i < places.size(); ++i) {
      places[i] = {std::get<1>(ordered[i]), std::get<2>(ordered[i])};
    }
  }

  bool is_wanted(TimeUs time) const {
    if (time > window_.as_of || (window_.train_from && time < *window_.train_from)) return false;
    return std::none_of(window_.left_out.begin(), window_.left_out.end(),
                        [time](const TimeSpan& span) { return time >= span.from && time < span.until; });
  }

  // Leaves out what is not wanted, and what is not known yet at as_of: later rows, later labels, rows without
  // a label.
  Status choose_rows() {
    table::DeriveStage derive;
    derive.columns.push_back({kTarget, "CAST((" + spec_.target.text + ") AS DOUBLE)", spec_.target.where});
    derive.columns.push_back({kKnownAt, spec_.label_time.text, spec_.label_time.where});
    const table::SelectStage select{{kTarget, kKnownAt}};
    labels_ = TRY(set_.through(engine_, {derive, select}, spec_.time_zone));
    const int time = TRY(column(spec_.time));
    const int target = *labels_.schema().find(kTarget);
    const int known = *labels_.schema().find(kKnownAt);
    std::vector<RowPlace> places = set_.places();
    sort_places(places);
    std::erase_if(places, [&](RowPlace place) {
      const table::Batch& batch = batch_of(place);
      if (batch.is_null(time, place.row) || !is_wanted(batch.time(time, place.row))) return true;
      const table::Batch& label = labels_.batches()[static_cast<std::size_t>(place.batch)];
      const bool labelled = !label.is_null(target, place.row) && !label.is_null(known, place.row) &&
                            label.time(known, place.row) <= window_.as_of;
      if (!labelled) ++unlabelled_;
      return !labelled;
    });
    if (places.empty()) {
      return fail(ErrorCode::invalid, "no row has a known label at " + base::format_time(window_.as_of),
                  "look at `target`, `label_time` and --as-of");
    }
    known_ = std::move(places);
    return {};
  }

  // The newest rows are the test; `gap` before them nothing is trained on, so that no label of the training
  // rows was made from what the test rows already saw.
  Status split() {
    const int time = TRY(column(spec_.time));
    const std::vector<RowPlace> places = std::move(known_);
    const auto time_of = [&](RowPlace place) { return batch_of(place).time(time, place.row); };
    TimeUs test_from = time_of(places.back()) + 1;
    if (window_.test_from) {
      test_from = *window_.test_from;
    } else if (spec_.split.test_duration) {
      test_from = time_of(places.back()) - *spec_.split.test_duration + 1;
    } else if (spec_.split.test_share) {
      const auto first =
          static_cast<std::size_t>(static_cast<double>(places.size()) * (1 - *spec_.split.test_share));
      if (first < places.size()) test_from = time_of(places[first]);
    }
    test_start_ = test_from;
    std::vector<RowPlace> kept;
    for (const RowPlace place : places) {
      const bool in_gap = time_of(place) < test_from && time_of(place) >= test_from - spec_.split.gap;
      if (!in_gap) kept.push_back(place);
      if (!in_gap && time_of(place) < test_from) ++train_rows_;
    }
    test_rows_ = static_cast<std::int64_t>(kept.size()) - train_rows_;
    if (train_rows_ == 0) {
      return fail(
          ErrorCode::invalid,
          "no rows are left to train on: the test and its gap take all " + std::to_string(places.size()),
          "make `split.test` smaller");
    }
    set_ = set_.pick(kept, labels_, kTarget);
    labels_ = RowSet();
    return {};
  }

  bool is_training(RowPlace place, int time) const {
    return batch_of(place).time(time, place.row) < test_start_;
  }

  // Constants from the training rows; from here on they are part of the recipe.
  Status fill(const std::map<std::string, Json>& how) {
    table::DeriveStage stage;
    for (const auto& [name, kind] : how) {
      const std::string constant = TRY(fitted_constant(name, kind.as_string()));
      const std::string quoted = table::quote_name(name);
      stage.columns.push_back({name, "coalesce(" + quoted + ", " + constant + ")", {}});
    }
    return pass(stage);
  }

  Result<std::string> fitted_constant(const std::string& name, const std::string& kind) {
    const int at = TRY(column(name));
    const int time = TRY(column(spec_.time));
    const table::ColumnType type = set_.schema().at(at).type;
    std::vector<double> numbers;
    std::map<std::string, std::int64_t> counts;
    for (const RowPlace place : set_.places()) {
      const table::Batch& batch = batch_of(place);
      if (!is_training(place, time) || batch.is_null(at, place.row)) continue;
      if (type == table::ColumnType::integer)
        numbers.push_back(static_cast<double>(batch.integer(at, place.row)));
      if (type == table::ColumnType::real) numbers.push_back(batch.real(at, place.row));
      if (kind == "mode") ++counts[batch.cell_json(at, place.row).dump()];
    }
    if (kind == "mode") return mode_literal(counts, type, name);
    if (numbers.empty()) {
      return fail(ErrorCode::invalid,
                  "'" + name + "' cannot be filled with its " + kind + ": no training row has a number");
    }
    const double value = kind == "mean" ? mean_of(numbers) : median_of(numbers);
    if (type == table::ColumnType::integer) return std::to_string(std::llround(value));
    return "CAST(" + table::quote_text(Json(value).dump()) + " AS DOUBLE)";
  }

  static double mean_of(const std::vector<double>& numbers) {
    double sum = 0;
    for (const double number : numbers) sum += number;
    return sum / static_cast<double>(numbers.size());
  }

  static double median_of(std::vector<double> numbers) {
    const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
    std::nth_element(numbers.begin(), middle, numbers.end());
    if (numbers.size() % 2 == 1) return *middle;
    return (*std::max_element(numbers.begin(), middle) + *middle) / 2;
  }

  static Result<std::string> mode_literal(const std::map<std::string, std::int64_t>& counts,
                                          table::ColumnType type, const std::string& name) {
    const auto best = std::max_element(counts.begin(), counts.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    if (best == counts.end()) return fail(ErrorCode::invalid, "'" + name + "' has no value to fill with");
    const Json value = TRY(base::parse_json(best->first));
    if (type != table::ColumnType::text) return value.dump();
    return table::quote_text(value.as_string());
  }

  // Features, and beside them what the learner and the judge need to know of each row.
  Status shape() {
    table::DeriveStage slices;
    table::SelectStage keep;
    for (const std::string& slice : spec_.slices) {
      slices.columns.push_back(
          {slice_column(slice), "CAST(" + table::quote_name(slice) + " AS VARCHAR)", {}});
    }
    slices.columns.push_back({kTime, table::quote_name(spec_.time), {}});
    const table::DeriveStage features{spec_.features};
    table::SelectStage names;
    for (const table::NamedExpression& feature : spec_.features) names.columns.push_back(feature.name);
    keep = names;
    keep.columns.insert(keep.columns.end(), {kTarget, kTime});
    for (const std::string& slice : spec_.slices) keep.columns.push_back(slice_column(slice));
    // Own columns that are not listed come behind those that are: the part is the last one.
    const table::DeriveStage part{{{kPart,
                                    "CASE WHEN __time < make_timestamptz(" + std::to_string(test_start_) +
                                        ") THEN 'train' ELSE 'test' END",
                                    {}}}};
    set_ = TRY(set_.through(engine_, {slices, features, keep, part}, spec_.time_zone));
    fitted_.push_back(features);
    fitted_.push_back(names);
    return {};
  }

  void fit_levels() {
    const int time = *set_.schema().find(kTime);
    for (const table::NamedExpression& expression : spec_.features) {
      const int at = *set_.schema().find(expression.name);
      model::Feature feature{expression.name, set_.schema().at(at).type, {}};
      if (feature.type == table::ColumnType::text) feature.levels = levels_of(at, time);
      recipe_.features.push_back(std::move(feature));
    }
  }

  std::vector<std::string> levels_of(int column, int time) const {
    std::unordered_map<std::string_view, std::int64_t> counts;
    for (const RowPlace place : set_.places()) {
      const table::Batch& batch = batch_of(place);
      if (is_training(place, time) && !batch.is_null(column, place.row)) {
        ++counts[batch.text(column, place.row)];
      }
    }
    std::vector<std::pair<std::string_view, std::int64_t>> sorted(counts.begin(), counts.end());
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
      return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    std::vector<std::string> levels;
    for (const auto& [level, count] : sorted) levels.emplace_back(level);
    return levels;
  }

  Status write() {
    const std::unique_ptr<table::ParquetWriter> writer =
        TRY(table::ParquetWriter::create(engine_, run_.output_folder / "frame.parquet", set_.schema()));
    for (const table::Batch& batch : set_.batches()) TRY(writer->append(batch));
    return writer->finish();
  }

  // The recipe as the endpoint needs it: from the source's row, without what no feature reads.
  Status finish_recipe() {
    std::vector<table::Stage> all = spec_.per_file;
    std::erase_if(
        all, [](const table::Stage& stage) { return std::holds_alternative<table::FilterStage>(stage); });
    all.insert(all.end(), fitted_.begin(), fitted_.end());
    std::vector<std::string> wanted;
    for (const model::Feature& feature : recipe_.features) wanted.push_back(feature.name);
    recipe_.stages = TRY(table::prune_stages(engine_, spec_.source, all, wanted, spec_.time_zone));
    const std::vector<std::string> needed =
        TRY(table::columns_needed(engine_, spec_.source, recipe_.stages, wanted, spec_.time_zone));
    for (const std::string& name : needed) recipe_.request.add(spec_.source.at(*spec_.source.find(name)));
    recipe_.time_zone = spec_.time_zone;
    for (const table::Column& column : spec_.source.columns()) {
      if (!recipe_.request.find(column.name)) recipe_.ignored.push_back(column.name);
    }
    recipe_.time_column = spec_.time;
    for (std::size_t i = 0; i < recipe_.stages.size(); ++i) {
      const auto* lookup = std::get_if<table::LookupStage>(&recipe_.stages[i]);
      if (lookup == nullptr) continue;
      for (const model::JoinedTable& joined : spec_.joined) {
        if (joined.source != lookup->lookup.table) continue;
        recipe_.joined.push_back({static_cast<int>(i), joined.source, joined.schema});
        break;
      }
    }
    return {};
  }

  Result<Json> report() {
    TRY(finish_recipe());
    const int time = *set_.schema().find(kTime);
    const std::vector<RowPlace> places = set_.places();
    Json json = Json::object();
    json.set("recipe", recipe_.to_json()).set("rows", set_.rows());
    json.set("train_rows", train_rows_).set("test_rows", test_rows_).set("unlabelled", unlabelled_);
    json.set("from", batch_of(places.front()).time(time, places.front().row));
    json.set("to", batch_of(places.back()).time(time, places.back().row));
    return json.set("test_from", test_start_);
  }

  const table::OperationRun& run_;
  table::Engine& engine_;
  FrameSpec spec_;
  FrameWindow window_;
  RowSet set_;
  RowSet labels_;                     // Between choose_rows and split: of the rows of set_, their targets.
  std::vector<RowPlace> known_;       // Between choose_rows and split: the rows with a known label, in order.
  std::vector<table::Stage> fitted_;  // What ran here, with fitted constants, for the recipe.
  model::Recipe recipe_;
  TimeUs test_start_ = 0;
  std::int64_t train_rows_ = 0, test_rows_ = 0, unlabelled_ = 0;
};

}  // namespace

Json frame_params(const FrameSpec& spec, const FrameWindow& window) {
  Json json = Json::object({{"spec", spec.to_json()}, {"as_of", window.as_of}});
  if (window.test_from) json.set("test_from", *window.test_from);
  if (window.train_from) json.set("train_from", *window.train_from);
  if (window.left_out.empty()) return json;
  Json spans = Json::array();
  for (const TimeSpan& span : window.left_out) {
    spans.push(Json::object({{"from", span.from}, {"until", span.until}}));
  }
  return json.set("left_out", std::move(spans));
}

Result<Json> make_frame(const table::OperationRun& run) {
  FrameSpec spec = TRY(FrameSpec::from_json(run.params["spec"]));
  FrameWindow window{.as_of = run.params.int_or("as_of")};
  if (run.params.find("test_from") != nullptr) window.test_from = run.params.int_or("test_from");
  if (run.params.find("train_from") != nullptr) window.train_from = run.params.int_or("train_from");
  if (const Json* spans = run.params.find("left_out")) {
    for (const Json& span : spans->as_array()) {
      window.left_out.push_back({span.int_or("from"), span.int_or("until")});
    }
  }
  return FrameMaker(run, std::move(spec), std::move(window)).make();
}

}  // namespace trimtab::features
