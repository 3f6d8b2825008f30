// The versions that an endpoint runs, as one value that is swapped whole: whoever answers a request holds the
// deployment it began with until it is done, and the last one to let go of an old one frees it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/artifact.h"
#include "model/prediction.h"
#include "model/scorer.h"
#include "serve/door.h"
#include "serve/request_rows.h"
#include "serve/vitals.h"
#include "table/engine.h"
#include "table/lookup.h"

namespace trimtab::serve {

struct VersionPlan {
  std::int64_t version = 0;
  model::Role role = model::Role::served;
  double share = 0;  // Of a canary: of the rows that it answers.

  bool operator==(const VersionPlan&) const = default;
};

// A version in memory, which has been seen to score.
struct LoadedVersion {
  VersionPlan plan;
  std::shared_ptr<const model::Artifact> artifact;
  table::LookupTables lookups;
};

// The columns that requests of an artifact may hold. `key`: the column by which rows keep to a version.
RequestColumns columns_of(const model::Artifact& artifact, const std::string& key);
// What is needed to mend cells of requests: the levels of text columns that the model looks at as they are.
std::shared_ptr<const CellMending> mending_of(const model::Artifact& artifact);

// The same of all versions of a deployment, the champion first: what it needs is required, and what others
// need beside is kept when it is sent, so that they know as much as when they serve.
RequestColumns columns_of(const std::vector<LoadedVersion>& versions, const std::string& key);

// A version's scorer over rows of exactly these columns: joined columns that the request brings go before the
// join.
Result<std::unique_ptr<model::Scorer>> make_scorer(table::Engine& engine, const LoadedVersion& loaded,
                                                   const table::Schema& columns);

// One version over requests of one shape.
struct ShapedScorer {
  std::unique_ptr<model::Scorer> scorer;  // Null when this version, which does not serve, cannot be bound, …
  std::string why_not;                    // … and why.
  // Another version may want other columns; what the request lacks is null there. Empty: the same columns.
  std::optional<table::Batch> wide;

  Result<std::span<const double>> score(const table::Batch& rows);
};

// All versions over requests of one set of columns.
struct Shape {
  std::shared_ptr<const table::Schema> columns;
  std::vector<ShapedScorer> versions;
  std::vector<std::string> keys;  // "\"name\":" of each column.
  std::optional<int> time_column;
};

// What the features of one row add to what a version says of it, as log-odds or value.
struct Explanation {
  std::int64_t version = 0;
  const std::vector<model::Feature>* features = nullptr;  // Of the version.
  std::vector<double> parts;                              // One a feature, and what is said without any.
};

// All that a thread needs to answer requests to one deployment. Requests borrow it, so that it is as warm as
// can be and there are no more of them than requests at a time.
struct Bench {
  explicit Bench(const RequestColumns& columns) : reader(columns) {}

  RequestReader reader;
  std::uint64_t generation = 0;
  std::vector<std::optional<Shape>> shapes;  // As the reader numbers them.
  // Of the request in hand.
  std::vector<std::vector<double>> scores;  // A list a version; empty where it was not asked.
  std::vector<model::Prediction> predictions;
  std::vector<std::string> ids;
  std::vector<double> answered;
  std::vector<std::int64_t> answered_by;
  std::vector<Explanation> explanations;
  std::vector<std::size_t> repaired;
  std::uint64_t request = 0;  // Its number.
  std::vector<Asked> failed;  // Who was asked in vain.
};

struct Deployment {
  std::vector<LoadedVersion> versions;  // The served one first.
  std::optional<std::size_t> canary;    // Its place among them, …
  std::optional<std::size_t> previous;  // … and that of the former champion.
  RequestColumns columns;
  std::shared_ptr<const DoorColumns> at_door;  // Null: requests are not repaired.
  mutable std::mutex mutex;
  mutable std::vector<std::unique_ptr<Bench>> idle;  // The one that was used last at the end.

  std::int64_t champion() const { return versions.front().plan.version; }
  std::unique_ptr<Bench> borrow() const;
  void give_back(std::unique_ptr<Bench> bench) const;
  // Which version answers a row that is known by this key. The same key keeps to its version while shares
  // rise, and another challenger draws other keys.
  std::size_t answerer_of(std::string_view key) const;
};

// Errors: as make_scorer for the served version. Others that cannot be bound have no scorer.
Result<Shape> make_shape(table::Engine& engine, const Deployment& deployed, const table::Schema& columns);
// The bench's shape of these rows. Made once, unless the reader has forgotten it.
Result<Shape*> shape_of(table::Engine& engine, const Deployment& deployed, Bench& bench,
                        const RequestRows& request);

}  // namespace trimtab::serve
