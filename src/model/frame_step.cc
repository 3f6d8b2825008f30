#include "model/frame_step.h"

#include <utility>

namespace trimtab::model {
namespace {

tl::unexpected<Error> broken(const Json& json) {
  return fail(ErrorCode::invalid, "there is no such step of a frame: " + json.dump());
}

}  // namespace

Json FrameStep::to_json() const {
  switch (kind) {
    case Kind::stage:
      return Json::object({{"stage", table::stages_to_json({stage}).as_array().front()}});
    case Kind::fill: {
      Json columns = Json::object();
      for (const auto& [column, how] : fill) columns.set(column, how);
      return Json::object({{"fill", std::move(columns)}});
    }
    case Kind::drop_duplicates:
      break;
  }
  Json columns = Json::array();
  for (const std::string& column : by) columns.push(column);
  return Json::object({{"drop_duplicates", std::move(columns)}});
}

Result<FrameStep> FrameStep::from_json(const Json& json) {
  FrameStep step;
  if (const Json* stage = json.find("stage")) {
    step.kind = Kind::stage;
    step.stage = TRY(table::stages_from_json(Json(Json::Array{*stage}))).front();
    return step;
  }
  if (const Json* fill = json.find("fill"); fill != nullptr && fill->is_object()) {
    step.kind = Kind::fill;
    for (const auto& [column, how] : fill->as_object()) step.fill[column] = how;
    return step;
  }
  const Json* by = json.find("drop_duplicates");
  if (by == nullptr || !by->is_array()) return broken(json);
  step.kind = Kind::drop_duplicates;
  for (const Json& column : by->as_array()) {
    if (!column.is_string()) return broken(json);
    step.by.push_back(column.as_string());
  }
  return step;
}

}  // namespace trimtab::model
