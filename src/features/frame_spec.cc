#include "features/frame_spec.h"

namespace trimtab::features {
namespace {

Json expression_json(const table::NamedExpression& expression) {
  return Json::object({{"name", expression.name}, {"text", expression.text}});
}

table::NamedExpression expression_from(const Json& json) {
  return {json.text_or("name"), json.text_or("text"), {}};
}

Json split_json(const project::Split& split) {
  Json json = Json::object({{"by_time", split.by_time}, {"gap", split.gap}});
  if (split.test_share) json.set("test_share", *split.test_share);
  if (split.test_duration) json.set("test_duration", *split.test_duration);
  return json;
}

project::Split split_from(const Json& json) {
  project::Split split;
  split.by_time = json.bool_or("by_time", true);
  split.gap = json.int_or("gap");
  if (json.find("test_share") != nullptr) split.test_share = json.double_or("test_share");
  if (json.find("test_duration") != nullptr) split.test_duration = json.int_or("test_duration");
  return split;
}

}  // namespace

Json FrameSpec::to_json() const {
  Json steps_json = Json::array();
  for (const model::FrameStep& step : steps) steps_json.push(step.to_json());
  Json features_json = Json::array();
  for (const table::NamedExpression& feature : features) features_json.push(expression_json(feature));
  Json slices_json = Json::array();
  for (const std::string& slice : slices) slices_json.push(slice);
  Json joined_json = Json::array();
  for (const model::JoinedTable& one : joined) {
    joined_json.push(
        Json::object({{"stage", one.stage}, {"source", one.source}, {"schema", one.schema.to_json()}}));
  }
  Json json = Json::object();
  json.set("source", source.to_json())
      .set("per_file", table::stages_to_json(per_file))
      .set("table", table.to_json());
  json.set("steps", std::move(steps_json)).set("features", std::move(features_json));
  json.set("target", expression_json(target)).set("label_time", expression_json(label_time));
  json.set("time", time).set("time_zone", time_zone).set("slices", std::move(slices_json));
  json.set("joined", std::move(joined_json)).set("split", split_json(split));
  return json.set("binary", binary);
}

Result<FrameSpec> FrameSpec::from_json(const Json& json) {
  FrameSpec spec;
  spec.source = TRY(table::Schema::from_json(json["source"]));
  spec.per_file = TRY(table::stages_from_json(json["per_file"]));
  spec.table = TRY(table::Schema::from_json(json["table"]));
  for (const Json& step : json["steps"].as_array())
    spec.steps.push_back(TRY(model::FrameStep::from_json(step)));
  for (const Json& feature : json["features"].as_array()) spec.features.push_back(expression_from(feature));
  spec.target = expression_from(json["target"]);
  spec.label_time = expression_from(json["label_time"]);
  spec.time = json.text_or("time");
  spec.time_zone = json.text_or("time_zone");
  for (const Json& slice : json["slices"].as_array()) spec.slices.push_back(slice.as_string());
  for (const Json& one : json["joined"].as_array()) {
    spec.joined.push_back({static_cast<int>(one.int_or("stage")), one.text_or("source"),
                           TRY(table::Schema::from_json(one["schema"]))});
  }
  spec.split = split_from(json["split"]);
  spec.binary = json.bool_or("binary", true);
  return spec;
}

}  // namespace trimtab::features
