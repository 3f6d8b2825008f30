#include "project/key_table.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/json.h"

namespace trimtab::project {
namespace {

constexpr Range kAboveZero{.low = 0, .above_low = true};
constexpr Range kZeroOrMore{.low = 0};
constexpr Range kShareAboveZero{.low = 0, .high = 1, .above_low = true};
constexpr double kSeedMax = 2147483647;

constexpr Key unsupported(std::string_view name) { return {.name = name, .form = Form::unsupported}; }

constexpr std::array kFile = std::to_array<Key>({
    {.name = "project", .form = Form::name, .about = "The project's name.", .required = true},
    {.name = "as_of", .form = Form::time, .about = "What counts as now; later rows are invisible."},
    {.name = "sources", .form = Form::sections, .about = "Files to read.", .keys = &kSourceKeys},
    {.name = "tables", .form = Form::sections, .about = "Cleaned and checked data.", .keys = &kTableKeys},
    {.name = "models", .form = Form::sections, .about = "What to learn from a table.", .keys = &kModelKeys},
    {.name = "endpoints", .form = Form::sections, .about = "Where a model answers.", .keys = &kEndpointKeys},
    {.name = "retention",
     .form = Form::mapping,
     .about = "How long what is done with is kept.",
     .keys = &kRetentionKeys},
    unsupported("dashboards"),
});

constexpr std::array kSource = std::to_array<Key>({
    {.name = "read", .about = "Files, as a pattern relative to this file.", .required = true},
    {.name = "nulls", .form = Form::texts, .about = "Words that mean: no value."},
    {.name = "time_zone", .form = Form::zone, .about = "Of times that name none."},
    {.name = "columns", .form = Form::expressions, .about = "Columns added or replaced while reading."},
    {.name = "time", .about = "The column with the time at which the row happened."},
    {.name = "bad_rows",
     .form = Form::share,
     .about = "The share of a file's rows that may leave because they cannot be read (5%); of more, the file "
              "is set aside.",
     .range = {.low = 0, .high = 1}},
});

constexpr std::array kTable = std::to_array<Key>({
    {.name = "from", .about = "A source, or another table.", .required = true},
    {.name = "clean", .form = Form::steps, .about = "What is done to the rows.", .keys = &kStepKeys},
    {.name = "checks", .form = Form::checks, .about = "What must be true of the rows.", .keys = &kCheckKeys},
    unsupported("privacy"),
});

constexpr std::array kSteps = std::to_array<Key>({
    {.name = "text", .form = Form::text_operations, .about = "Operations on text columns."},
    {.name = "fill",
     .form = Form::constants,
     .about = "What stands for a missing value: a constant, or mean, median or mode."},
    {.name = "derive", .form = Form::expressions, .about = "New columns."},
    {.name = "filter", .form = Form::expression, .about = "Keeps the rows for which this is true."},
    {.name = "cast", .form = Form::types, .about = "Types of columns."},
    {.name = "select", .form = Form::columns, .about = "Keeps these columns."},
    {.name = "rename", .form = Form::renames, .about = "New names of columns."},
    {.name = "join", .form = Form::mapping, .about = "Columns of another source.", .keys = &kJoinKeys},
    {.name = "drop_duplicates",
     .form = Form::mapping,
     .about = "Keeps the first of rows that are alike.",
     .keys = &kDropDuplicatesKeys},
    unsupported("aggregate"),
    unsupported("parse"),
    unsupported("bin"),
    unsupported("outliers"),
    unsupported("window"),
    unsupported("sample"),
    unsupported("union"),
    unsupported("pivot"),
    unsupported("split_column"),
    unsupported("map_values"),
    unsupported("sql"),
});

constexpr std::array kJoin = std::to_array<Key>({
    {.name = "with", .about = "The source to look into.", .required = true},
    {.name = "on", .form = Form::join_keys, .about = "Columns that must be equal.", .required = true},
    {.name = "as_of", .about = "The source's time column: the newest row not after the row's time is taken."},
    {.name = "max_age", .form = Form::duration, .about = "Older rows are not taken.", .range = kAboveZero},
    {.name = "select", .form = Form::columns, .about = "The columns that enter.", .required = true},
});

constexpr std::array kDropDuplicates = std::to_array<Key>({
    {.name = "by", .form = Form::columns, .about = "Columns in which rows are alike.", .required = true},
});

constexpr std::array kChecks = std::to_array<Key>({
    {.name = "not_null", .form = Form::columns, .about = "Columns that always have a value."},
    {.name = "unique", .form = Form::columns, .about = "Columns that together never repeat."},
    {.name = "in", .form = Form::values_by_column, .about = "The values that a column may have."},
    {.name = "between", .form = Form::ranges_by_column, .about = "The least and the greatest value."},
    {.name = "matches", .form = Form::patterns_by_column, .about = "A pattern that the whole text matches."},
    {.name = "expression", .form = Form::expression, .about = "Is true of each row."},
    {.name = "fresh", .form = Form::mapping, .about = "How old the newest row may be.", .keys = &kFreshKeys},
    {.name = "rows", .form = Form::mapping, .about = "How many rows there are.", .keys = &kRowsKeys},
    {.name = "mostly",
     .form = Form::share,
     .about = "The share of rows that must pass.",
     .range = kShareAboveZero},
    {.name = "on_fail", .form = Form::choice, .about = "What happens otherwise.", .choices = kOnFailNames},
});

constexpr std::array kFresh = std::to_array<Key>({
    {.name = "by", .about = "A time column.", .required = true},
    {.name = "within",
     .form = Form::duration,
     .about = "The greatest age.",
     .required = true,
     .range = kAboveZero},
    {.name = "on_fail", .form = Form::choice, .about = "What happens otherwise.", .choices = kOnFailNames},
});

constexpr std::array kRows = std::to_array<Key>({
    {.name = "at_least", .form = Form::whole, .about = "The least number.", .range = kZeroOrMore},
    {.name = "at_most", .form = Form::whole, .about = "The greatest number.", .range = kZeroOrMore},
    {.name = "on_fail", .form = Form::choice, .about = "What happens otherwise.", .choices = kOnFailNames},
});

constexpr std::array kModel = std::to_array<Key>({
    {.name = "from", .about = "A table.", .required = true},
    {.name = "task",
     .form = Form::choice,
     .about = "What kind of answer.",
     .required = true,
     .choices = kTaskNames},
    {.name = "target", .form = Form::expression, .about = "What to predict.", .required = true},
    {.name = "label_time", .form = Form::expression, .about = "When the truth about a row becomes known."},
    {.name = "label_delay",
     .form = Form::duration,
     .about = "How long labels may take.",
     .range = kZeroOrMore},
    {.name = "features", .form = Form::features, .about = "What to predict from.", .required = true},
    {.name = "split", .form = Form::mapping, .about = "Which rows test the model.", .keys = &kSplitKeys},
    {.name = "learner", .form = Form::learner, .about = "How to learn.", .keys = &kLearnerKeys},
    {.name = "gates", .form = Form::gates, .about = "What a model must reach before it may serve."},
    {.name = "golden",
     .about = "A CSV file of rows that every version must answer between expected_min and expected_max."},
    unsupported("tune"),
});

constexpr std::array kSplit = std::to_array<Key>({
    {.name = "by", .form = Form::choice, .about = "The newest rows test, or any.", .choices = kSplitNames},
    {.name = "test", .form = Form::test_size, .about = "A share of the rows, or the last days."},
    {.name = "gap",
     .form = Form::duration,
     .about = "Left out between training and test.",
     .range = kZeroOrMore},
});

constexpr std::array kLearners = std::to_array<Key>({
    {.name = "lightgbm", .form = Form::mapping, .about = "Boosted trees.", .keys = &kLightgbmKeys},
    {.name = "baseline", .form = Form::mapping, .about = "The training mean.", .keys = &kBaselineKeys},
    unsupported("linear"),
    unsupported("onnx"),
    unsupported("command"),
});

constexpr std::array kLightgbm = std::to_array<Key>({
    {.name = "rounds", .form = Form::whole, .about = "Trees.", .range = {.low = 1, .high = 100'000}},
    {.name = "leaves", .form = Form::whole, .about = "Of a tree.", .range = {.low = 2, .high = 131'072}},
    {.name = "learning_rate", .form = Form::number, .about = "Weight of a tree.", .range = kShareAboveZero},
    {.name = "min_data_in_leaf",
     .form = Form::whole,
     .about = "Rows that a leaf needs.",
     .range = {.low = 1, .high = 1'000'000'000}},
    {.name = "feature_fraction",
     .form = Form::number,
     .about = "Features that a tree sees.",
     .range = kShareAboveZero},
    {.name = "bagging_fraction",
     .form = Form::number,
     .about = "Rows that a tree sees.",
     .range = kShareAboveZero},
    {.name = "lambda_l2", .form = Form::number, .about = "Regularisation.", .range = {.low = 0, .high = 1e9}},
    {.name = "seed", .form = Form::whole, .about = "Of all chance.", .range = {.low = 0, .high = kSeedMax}},
});

constexpr std::array kEndpoint = std::to_array<Key>({
    {.name = "model", .about = "The model that answers.", .required = true},
    {.name = "batch", .form = Form::batch, .about = "What is judged together, of event time."},
    {.name = "health", .form = Form::mapping, .about = "Limits that must hold.", .keys = &kHealthKeys},
    {.name = "heal",
     .form = Form::mapping,
     .about = "What may be done when they do not.",
     .keys = &kHealKeys},
    {.name = "rollout",
     .form = Form::mapping,
     .about = "How a version that passed its gates comes to answer.",
     .keys = &kRolloutKeys},
    {.name = "log", .form = Form::mapping, .about = "What is kept of the predictions.", .keys = &kLogKeys},
    {.name = "contract",
     .form = Form::choice,
     .about = "What becomes of requests that are not what was agreed: refuse what cannot be read, or repair.",
     .choices = kContractNames},
    {.name = "deadline",
     .form = Form::duration,
     .about = "By which a request must be answered.",
     .range = {.low = 0, .above_low = true}},
});

constexpr std::array kRollout = std::to_array<Key>({
    {.name = "shadow",
     .form = Form::shadow,
     .about = "Labelled batches for which it scores along and never answers.",
     .range = {.low = 1, .high = 1000}},
    {.name = "canary",
     .form = Form::shares,
     .about = "Shares of the rows that it then answers, one after the other.",
     .range = kShareAboveZero},
    {.name = "key", .about = "The column whose values keep to one version."},
});

constexpr std::array kLog = std::to_array<Key>({
    {.name = "sample",
     .form = Form::share,
     .about = "Share of the predictions that is kept.",
     .range = kShareAboveZero},
    {.name = "keep",
     .form = Form::duration,
     .about = "How long they are kept.",
     .range = {.low = 0, .above_low = true}},
    {.name = "columns", .form = Form::columns, .about = "Columns of the request that are kept."},
    {.name = "privacy",
     .form = Form::privacy,
     .about =
         "What becomes of a column before it is written: drop, hash, first N, round N, hour, day, month, "
         "year."},
});

constexpr Key health_limit(std::string_view name, std::string_view about) {
  return {.name = name, .form = Form::health_limit, .about = about};
}

constexpr std::array kHealth = std::to_array<Key>({
    health_limit("auc", "Area under the ROC curve."),
    health_limit("log_loss", "Mean negative log-likelihood."),
    health_limit("brier", "Mean squared error of the probability."),
    health_limit("ece", "Expected calibration error."),
    health_limit("accuracy", "Share of right answers."),
    health_limit("rmse", "Root of the mean squared error."),
    health_limit("mae", "Mean absolute error."),
    health_limit("freshness", "Age of the newest row whose truth is known, as a duration."),
    health_limit("p99_ms", "Latency that 99 of 100 requests keep."),
    health_limit("errors", "Share of requests that fail, as a number or in percent."),
});

constexpr std::array kHeal = std::to_array<Key>({
    {.name = "mode", .form = Form::choice, .about = "Act, propose or do nothing.", .choices = kHealModeNames},
    {.name = "retrains", .form = Form::retrains, .about = "At most so many."},
    {.name = "poison_budget",
     .form = Form::budget,
     .about = "Labelled batches that may be wrong.",
     .range = {.low = 0, .high = 1000}},
    {.name = "notify", .form = Form::mapping, .about = "Who is told of incidents.", .keys = &kNotifyKeys},
});

constexpr std::array kNotify = std::to_array<Key>({
    {.name = "webhook", .about = "An https address that gets each event as JSON, or env:NAME."},
    {.name = "secret_env", .about = "The environment variable with the key that signs what is sent."},
    {.name = "email", .about = "Who gets a mail."},
    {.name = "smtp", .about = "The relay that takes it, as host:port."},
});

constexpr Key kept_for(std::string_view name, std::string_view about) {
  return {.name = name, .form = Form::duration, .about = about, .range = kAboveZero};
}

constexpr std::array kRetention = std::to_array<Key>({
    kept_for("runs", "A run that ended longer ago is deleted, unless a version came from it."),
    kept_for("predictions", "A prediction that was given longer ago leaves the log."),
    kept_for("deleted", "What was deleted longer ago is removed for good (gc's default: 30d)."),
    kept_for("cache", "Older results of steps are forgotten when nothing needs them (gc's default: 30d)."),
});

struct Wanted {
  Form form;
  std::string_view text;
};

constexpr Wanted kWanted[] = {
    {Form::text, "text"},
    {Form::name, "a name"},
    {Form::texts, "a list of text"},
    {Form::columns, "a list of columns"},
    {Form::expression, "an expression"},
    {Form::expressions, "a mapping of names to expressions"},
    {Form::features, "a list of features"},
    {Form::whole, "a whole number"},
    {Form::number, "a number"},
    {Form::share, "a share like 0.2 or 20%"},
    {Form::duration, "a duration like 30s, 15m, 24h, 2d or 4w"},
    {Form::time, "a time like 2013-04-01 or 2013-04-01T08:30:00Z"},
    {Form::zone, "a time zone like UTC or America/New_York"},
    {Form::choice, "one of its choices"},
    {Form::mapping, "a mapping"},
    {Form::sections, "a mapping of names to their settings"},
    {Form::steps, "a list of steps"},
    {Form::checks, "a list of checks"},
    {Form::text_operations, "a mapping of columns to operations"},
    {Form::constants, "a mapping of columns to values"},
    {Form::types, "a mapping of columns to types"},
    {Form::renames, "a mapping of old names to new ones"},
    {Form::join_keys, "a mapping of columns to columns, or a list of columns"},
    {Form::values_by_column, "a mapping of columns to lists of values"},
    {Form::ranges_by_column, "a mapping of columns to [low, high]"},
    {Form::patterns_by_column, "a mapping of columns to patterns"},
    {Form::learner, "a learner like 'baseline' or 'lightgbm: {rounds: 200}'"},
    {Form::test_size, "a share like 20% or a duration like 14d"},
    {Form::batch, "a duration like 1d"},
    {Form::gates, "a list of gates"},
    {Form::health_limit, "a limit like '<= 0.60'"},
    {Form::retrains, "a limit like '2 per week'"},
    {Form::budget, "a number of batches like '3 batches'"},
    {Form::shadow, "auto, off, or a number of batches like '3 batches'"},
    {Form::shares, "a list of rising shares like [5%, 25%, 100%]"},
    {Form::privacy, "a mapping of columns to drop, hash, first N, round N, hour, day, month or year"},
};

}  // namespace

constexpr KeyTable kFileKeys{kFile};
constexpr KeyTable kSourceKeys{kSource};
constexpr KeyTable kTableKeys{kTable};
constexpr KeyTable kStepKeys{kSteps};
constexpr KeyTable kJoinKeys{kJoin};
constexpr KeyTable kDropDuplicatesKeys{kDropDuplicates};
constexpr KeyTable kCheckKeys{kChecks};
constexpr KeyTable kFreshKeys{kFresh};
constexpr KeyTable kRowsKeys{kRows};
constexpr KeyTable kModelKeys{kModel};
constexpr KeyTable kSplitKeys{kSplit};
constexpr KeyTable kLearnerKeys{kLearners};
constexpr KeyTable kLightgbmKeys{kLightgbm};
constexpr KeyTable kBaselineKeys{};
constexpr KeyTable kEndpointKeys{kEndpoint};
constexpr KeyTable kHealthKeys{kHealth};
constexpr KeyTable kHealKeys{kHeal};
constexpr KeyTable kNotifyKeys{kNotify};
constexpr KeyTable kRetentionKeys{kRetention};
constexpr KeyTable kRolloutKeys{kRollout};
constexpr KeyTable kLogKeys{kLog};

const Key* KeyTable::find(std::string_view name) const {
  const auto found = std::ranges::find(keys, name, &Key::name);
  return found == keys.end() ? nullptr : &*found;
}

std::vector<std::string> KeyTable::names() const {
  std::vector<std::string> names;
  for (const Key& key : keys) {
    if (key.form != Form::unsupported) names.emplace_back(key.name);
  }
  return names;
}

std::string_view wanted(Form form) {
  const auto found = std::ranges::find(kWanted, form, &Wanted::form);
  return found == std::end(kWanted) ? "nothing" : found->text;
}

std::string wanted_in_range(const Key& key) {
  const std::string_view kind = wanted(key.form);
  std::string text(kind.substr(0, kind.find(" like ")));
  const Range& range = key.range;
  const auto number = [](double value) { return base::Json(value).dump(); };
  const auto whole = [&number](double value) {
    return std::abs(value) < 1e15 && value == std::floor(value)
               ? std::to_string(static_cast<std::int64_t>(value))
               : number(value);
  };
  if (std::isfinite(range.low)) text += (range.above_low ? " above " : " from ") + whole(range.low);
  if (std::isfinite(range.high)) text += (range.above_low ? " and up to " : " to ") + whole(range.high);
  if (std::isfinite(range.low) && !std::isfinite(range.high) && !range.above_low) text += " up";
  return text;
}

std::string one_of(std::span<const std::string_view> choices) {
  std::string text = "one of ";
  for (const std::string_view choice : choices)
    text += (choice == choices[0] ? "" : ", ") + std::string(choice);
  return text;
}

}  // namespace trimtab::project
