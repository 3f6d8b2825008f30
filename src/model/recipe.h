// What turns a row of the source into the numbers a learner sees. It is part of the model: the same recipe,
// bound by the same engine, makes the training frame and answers requests.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "table/batch.h"
#include "table/row_program.h"
#include "table/schema.h"

namespace trimtab::model {

// A joined table as the recipe needs it online.
struct JoinedTable {
  int stage = 0;         // Position of its LookupStage in Recipe::stages.
  std::string source;    // Name of the source that feeds it.
  table::Schema schema;  // Of that source's rows.

  bool operator==(const JoinedTable&) const = default;
};

struct Feature {
  std::string name;
  table::ColumnType type = table::ColumnType::real;  // After the stages; time is not allowed.
  // Of a text feature: level i is encoded as i. Fitted on the training rows, sorted by falling count, then by
  // bytes. Anything else (and null) is encoded as NaN.
  std::vector<std::string> levels;

  bool operator==(const Feature&) const = default;
};

struct Recipe {
  table::Schema request;  // The columns of the `from` source that the model needs.
  std::vector<std::string>
      ignored;  // Further columns of that source: a request may hold them, nobody reads them.
  std::string time_zone = "UTC";
  std::string time_column;  // Event time of a request row; may be "".
  // The last one selects the features, in order. Fitted constants are inside.
  std::vector<table::Stage> stages;
  std::vector<JoinedTable> joined;
  std::vector<Feature> features;

  Json to_json() const;
  static Result<Recipe> from_json(const Json& json);
  bool operator==(const Recipe&) const = default;
};

// Encodes feature columns as the learner's doubles: numbers as they are, true 1, false 0, null NaN, text by
// level. Made once; `encode` is const and thread-safe.
class FeatureEncoder {
 public:
  explicit FeatureEncoder(const std::vector<Feature>& features);
  ~FeatureEncoder();
  FeatureEncoder(FeatureEncoder&&) noexcept;
  int width() const;
  std::vector<int> categorical() const;  // Positions of the text features.
  // `rows` has the features as its first columns, in order. Writes rows × width doubles, row by row.
  void encode(const table::Batch& rows, double* out) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::model
