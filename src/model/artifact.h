// A trained model as files: what the registry keeps, the endpoint serves and a user can take away.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "model/recipe.h"

namespace trimtab::model {

// Immutable once made; shared by threads.
struct Artifact {
  Recipe recipe;           // recipe.json
  std::string learner;     // "lightgbm" or "baseline"
  std::string model_text;  // model.txt (lightgbm); a number as text (baseline).
  bool binary = true;
  Json baseline;  // baseline.json: metrics on the test rows, score and feature histograms at training.

  // File name → bytes; the same artifact makes the same bytes. "manifest.json" lists the SHA-256 and size of
  // the others. Those of a learner that MLflow knows are a model of its kind (mlmodel.h).
  std::map<std::string, std::string> to_files() const;
  // `read(name)` gives a file's bytes. Errors: storage_broken (a hash that differs from the manifest's, a
  // file that is missing), invalid.
  static Result<std::shared_ptr<const Artifact>> from_files(
      const std::function<Result<std::string>(const std::string& name)>& read);
};

// What a manifest.json lists: file name → SHA-256.
std::map<std::string, std::string> manifest_files(const Json& manifest);

}  // namespace trimtab::model
