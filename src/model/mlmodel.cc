#include "model/mlmodel.h"

#include "base/json.h"
#include "model/booster.h"

namespace trimtab::model {
namespace {

// The MLflow whose layout this is, and a Python that has it and LightGBM.
constexpr const char* kMlflowVersion = "3.17.2";
constexpr const char* kPythonVersion = "3.11";

// MLflow keeps a signature's parts as texts of JSON.
Json signature_of(const std::vector<Feature>& features) {
  Json inputs = Json::array();
  for (const Feature& feature : features) {
    inputs.push(Json::object({{"type", "double"}, {"name", feature.name}, {"required", true}}));
  }
  const Json score = Json::object({{"dtype", "float64"}, {"shape", Json::array().push(-1)}});
  const Json outputs = Json::array().push(Json::object({{"type", "tensor"}, {"tensor-spec", score}}));
  return Json::object({{"inputs", inputs.dump()}, {"outputs", outputs.dump()}, {"params", Json()}});
}

}  // namespace

std::string mlmodel_document(const std::vector<Feature>& features, const std::string& model_file) {
  const Json lightgbm = Json::object(
      {{"data", model_file}, {"lgb_version", booster_version()}, {"model_class", "lightgbm.basic.Booster"}});
  const Json python = Json::object({{"data", model_file},
                                    {"env", Json::object({{"virtualenv", "python_env.yaml"}})},
                                    {"loader_module", "mlflow.lightgbm"},
                                    {"python_version", kPythonVersion}});
  const Json about = Json::object(
      {{"trimtab",
        "Inputs are the features as recipe.json lists them, in numbers: a text is the position of "
        "its level there, NaN when it is none of them or missing; true is 1, false 0. Raw rows are "
        "scored by the endpoint or by `trimtab score`."}});
  const Json document = Json::object({{"flavors", Json::object({{"lightgbm", lightgbm},  //
                                                                {"python_function", python}})},
                                      {"metadata", about},
                                      {"mlflow_version", kMlflowVersion},
                                      {"signature", signature_of(features)}});
  return document.dump(2) + "\n";
}

std::string mlmodel_requirements() {
  return std::string("mlflow==") + kMlflowVersion + "\nlightgbm==" + booster_version() + "\n";
}

std::string mlmodel_environment() {
  return std::string("python: \"") + kPythonVersion + "\"\ndependencies:\n- -r requirements.txt\n";
}

}  // namespace trimtab::model
