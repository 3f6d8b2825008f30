// trimtab.yaml as typed values: the desired state that plan, apply and the server work towards.
// Every value that a user wrote keeps its place, so that later rooms can point at it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "table/expression.h"
#include "table/schema.h"

namespace trimtab::project {

using table::NamedExpression;

// Share of a file's rows that may leave because they cannot be read; of more the file is set aside.
inline constexpr double kBadRows = 0.05;

struct Source {
  std::string name;
  SourceRange where;
  std::string read;  // Glob relative to the project's folder.
  SourceRange read_where;
  std::vector<std::string> nulls = {""};  // Tokens that mean null.
  std::string time_zone = "UTC";          // Of naive times in the files, and of calendar functions.
  std::vector<NamedExpression> columns;   // Added (or replaced) while reading.
  std::string time;                       // The row's event time column, or "".
  double bad_rows = kBadRows;
  SourceRange time_where;
};

// Recipe steps. Row steps and joins are also executed for one request; the others need the table.
struct TextStep {
  std::map<std::string, std::vector<std::string>> operations;
};  // column → trim, upper, …
struct FillStep {
  std::map<std::string, Json> values;
};  // column → constant, or fitted: mean, median, mode
struct DeriveStep {
  std::vector<NamedExpression> columns;
};
struct FilterStep {
  NamedExpression condition;
};
struct CastStep {
  std::map<std::string, table::ColumnType> types;
};
struct SelectStep {
  std::vector<std::string> columns;
};
struct RenameStep {
  std::map<std::string, std::string> names;
};  // old → new
struct JoinStep {
  std::string with;                                     // A source.
  std::vector<std::pair<std::string, std::string>> on;  // left column = right column
  std::string as_of;  // The joined source's time column; "" for a plain join.
  TimeUs max_age = 0;
  std::vector<std::string> select;
};
struct DropDuplicatesStep {
  std::vector<std::string> by;
};  // Keeps the first in (time, file, row).

struct CleanStep {
  SourceRange where;
  std::string kind;  // "text", "join", … as written.
  std::variant<TextStep, FillStep, DeriveStep, FilterStep, CastStep, SelectStep, RenameStep, JoinStep,
               DropDuplicatesStep>
      step;
};

enum class OnFail : std::uint8_t { fail, quarantine, warn };

struct Check {
  enum class Kind : std::uint8_t { not_null, unique, in, between, matches, expression, fresh, rows };
  Kind kind = Kind::not_null;
  SourceRange where;
  std::string text;  // For people and results: "between(distance, 17, 5000)".
  std::vector<std::string> columns;
  std::vector<Json> values;         // Of `in`.
  std::optional<double> low, high;  // Of `between` and `rows`.
  std::string pattern;              // Of `matches`.
  NamedExpression condition;        // Of `expression`.
  TimeUs within = 0;                // Of `fresh`.
  double mostly = 1.0;              // Share of rows that must pass a row check.
  OnFail on_fail =
      OnFail::quarantine;  // Row checks: the rows leave with reasons; table checks: fail; fresh: warn.
};

struct Table {
  std::string name;
  SourceRange where;
  std::string from;  // A source, or another table.
  std::vector<CleanStep> clean;
  std::vector<Check> checks;
};

struct Split {
  bool by_time = true;
  std::optional<double> test_share;     // Either this …
  std::optional<TimeUs> test_duration;  // … or that.
  TimeUs gap = 0;
};

struct LightgbmLearner {
  std::int64_t rounds = 200;
  std::int64_t leaves = 31;
  double learning_rate = 0.05;
  std::int64_t min_data_in_leaf = 20;
  double feature_fraction = 1.0;
  double bagging_fraction = 1.0;
  double lambda_l2 = 0.0;
  std::int64_t seed = 1;
};
struct BaselineLearner {};  // Predicts the training mean; the floor every model must beat.
using Learner = std::variant<LightgbmLearner, BaselineLearner>;

enum class Task : std::uint8_t { binary, regression };

// "auc >= 0.68", "log_loss <= champion + 0.005", "slice(origin).auc >= 0.62"
struct Gate {
  std::string text;
  SourceRange where;
  std::string metric;             // As project::metrics() has them: auc, p99_ms, flips, …
  std::string slice;              // Column of slice(...) or fairness(...), or "".
  bool fairness = false;          // The metric compares the groups of the column.
  bool at_least = true;           // >= or <=
  bool against_champion = false;  // The threshold is the champion's value + `threshold`.
  double threshold = 0;
  std::string by;  // Of approvals: the role that may give them.
};
// The gate that people decide: approvals >= 1, approvals(admin) >= 2.
inline constexpr std::string_view kApprovals = "approvals";

struct Model {
  std::string name;
  SourceRange where;
  std::string from;  // A table.
  Task task = Task::binary;
  NamedExpression target;
  std::optional<NamedExpression> label_time;  // When the label becomes known; default: time + label_delay.
  TimeUs label_delay = 0;
  std::vector<NamedExpression> features;
  std::map<std::string, SourceRange> feature_where;
  Split split;
  Learner learner = LightgbmLearner{};
  std::vector<Gate> gates;
  std::string golden;  // A CSV file below the project's folder, or "".
  SourceRange golden_where;
};

struct HealthLimit {
  std::string metric;  // A metric of gates, or freshness or errors.
  bool at_least = false;
  double threshold = 0;  // freshness in seconds, errors as a share.
  std::string text;
  SourceRange where;
};

enum class HealMode : std::uint8_t { automatic, suggest, off };

// Who is told of incidents: what is said goes to one address, or to both.
struct Notify {
  SourceRange where;
  std::string webhook;     // An address, or "env:NAME": the environment of the server has it.
  std::string secret_env;  // The variable with the key that deliveries are signed with; "": unsigned.
  std::string email;       // Who gets it,
  std::string smtp;        // and the relay that takes it: host:port.
};

struct Heal {
  HealMode mode = HealMode::automatic;
  int retrains_max = 2;  // Within `retrains_window`.
  TimeUs retrains_window = 7 * base::kDayUs;
  int poison_budget = 3;  // Labelled batches that may be wrong without harm.
  std::optional<Notify> notify;
};

// How a version that has passed its gates comes to answer: it scores along in shadow, then answers a rising
// share of the rows, and is then the champion.
struct Rollout {
  std::optional<int>
      shadow_batches;          // Labelled batches in shadow; nothing: auto, one more than poison_budget.
  std::vector<double> canary;  // Shares, rising, below 1; empty: from the shadow straight to champion.
  std::string key;  // Column of the request whose values keep to one version; "": the prediction's id does.
};

// What becomes of a column of the request before a prediction is written anywhere.
struct PrivateColumn {
  // drop: nothing is kept. hash: the same value gives the same word, which only this home can make. first: so
  // many characters of a text. round: a number to the nearest multiple. The others cut a time.
  enum class How : std::uint8_t { drop, hash, first, round, hour, day, month, year };

  std::string column;
  SourceRange where;
  How how = How::drop;
  double amount = 0;  // first: characters. round: the step.
};

// What is kept of the predictions.
struct LogRule {
  double sample = 1;                 // Share of the predictions.
  std::optional<TimeUs> keep;        // Nothing: for ever.
  std::vector<std::string> columns;  // Of the request; empty: all.
  std::vector<PrivateColumn> privacy;
};

// What becomes of a request with cells that cannot be read, or with columns that are not what they were.
enum class Contract : std::uint8_t { refuse, repair };

struct Endpoint {
  std::string name;
  SourceRange where;
  std::string model;
  TimeUs batch_duration = base::kDayUs;  // Of labelled batches, by event time.
  std::vector<HealthLimit> health;
  Heal heal;
  std::optional<Rollout> rollout;  // Nothing: what passes its gates is the champion at once.
  LogRule log;
  Contract contract = Contract::refuse;
  std::optional<TimeUs> deadline;  // By which a request must be answered unless it says so itself.
};

// How long what is done with is kept. Absent: for ever, or as gc's own default says.
struct Retention {
  SourceRange where;
  std::optional<TimeUs> runs;         // Since a run ended; then it is deleted, and `deleted` applies.
  std::optional<TimeUs> predictions;  // Of the prediction log, since they were given.
  std::optional<TimeUs> deleted;      // What was deleted, until it is gone for good.
  std::optional<TimeUs> cache;        // Results of steps that nothing else needs.
};

struct Project {
  std::string name;
  std::filesystem::path folder;  // Absolute; where trimtab.yaml lies.
  std::string text;              // The file as read.
  std::string file;              // For messages: the path as the user gave it.
  std::optional<TimeUs> as_of;
  std::vector<Source> sources;  // In file order, like all lists here.
  std::vector<Table> tables;
  std::vector<Model> models;
  std::vector<Endpoint> endpoints;
  std::optional<Retention> retention;

  const Source* find_source(const std::string& name) const;
  const Table* find_table(const std::string& name) const;
  const Model* find_model(const std::string& name) const;
  const Endpoint* find_endpoint(const std::string& name) const;
};

}  // namespace trimtab::project
