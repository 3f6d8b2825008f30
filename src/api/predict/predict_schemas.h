// What the dialects' routes say of their bodies in /openapi.json.
#pragma once

#include "base/json.h"

namespace trimtab::api {

inline Json any_object() { return Json::object({{"type", "object"}}); }
inline Json rows_schema() {
  return Json::object(
      {{"type", "object"}, {"description", "dataframe_split, dataframe_records, instances or inputs"}});
}
inline Json predictions_schema() {
  return Json::object({{"type", "object"}, {"required", Json::array().push("predictions")}});
}

}  // namespace trimtab::api
