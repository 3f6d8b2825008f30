// What makes a version's folder a model of MLflow's, too: the description that its clients look for, and the
// packages that they need. The learner is LightGBM's own text, which their flavour "lightgbm" reads; it takes
// the features as numbers, because the recipe that makes them of raw rows runs in this program alone.
#pragma once

#include <string>
#include <vector>

#include "model/recipe.h"

namespace trimtab::model {

// The file MLmodel, in JSON, which is YAML. Says nothing of times and runs: the same artifact, the same
// bytes.
std::string mlmodel_document(const std::vector<Feature>& features, const std::string& model_file);
// requirements.txt, and python_env.yaml that names it.
std::string mlmodel_requirements();
std::string mlmodel_environment();

}  // namespace trimtab::model
