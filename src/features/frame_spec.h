// All that a training frame depends on, beside the rows: it is the step's parameters.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/frame_step.h"
#include "model/recipe.h"
#include "project/project.h"
#include "table/row_program.h"

namespace trimtab::features {

struct FrameSpec {
  table::Schema source;                 // Of the `from` source: what a request may hold.
  std::vector<table::Stage> per_file;   // Ran already on each part; part of the fitted recipe.
  table::Schema table;                  // Of the parts that come in (cleaned and checked).
  std::vector<model::FrameStep> steps;  // Run here, in order.
  std::vector<table::NamedExpression> features;
  table::NamedExpression target;      // Boolean (binary) or number.
  table::NamedExpression label_time;  // When the label is known.
  std::string time;                   // The table's event time column.
  std::string time_zone;
  std::vector<std::string> slices;  // Columns that gates slice by.
  std::vector<model::JoinedTable> joined;
  project::Split split;
  bool binary = true;

  Json to_json() const;
  static Result<FrameSpec> from_json(const Json& json);
};

}  // namespace trimtab::features
