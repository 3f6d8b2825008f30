#include "model/artifact.h"

#include <cstdint>

#include "base/hash.h"
#include "model/booster.h"
#include "model/mlmodel.h"
#include "table/engine.h"

namespace trimtab::model {
namespace {

constexpr std::int64_t kFormat = 1;
constexpr const char* kArtifactFile = "artifact.json";
constexpr const char* kBaselineFile = "baseline.json";
constexpr const char* kManifestFile = "manifest.json";
constexpr const char* kModelFile = "model.txt";
constexpr const char* kRecipeFile = "recipe.json";

using ReadFile = std::function<Result<std::string>(const std::string& name)>;
using Files = std::map<std::string, std::string>;

std::string document(const Json& json) { return json.dump(2) + "\n"; }

std::string manifest_of(const Files& files) {
  Json list = Json::array();
  for (const auto& [name, bytes] : files) {
    list.push(Json::object({{"name", name}, {"sha256", base::sha256(bytes)}, {"size", bytes.size()}}));
  }
  return document(Json::object({{"files", std::move(list)}}));
}

Result<std::string> read_present(const ReadFile& read, const std::string& name) {
  Result<std::string> bytes = read(name);
  if (bytes) return bytes;
  if (bytes.error().code != ErrorCode::not_found) {
    return fail(base::wrap(std::move(bytes).error(), "cannot read the model's file " + name));
  }
  return fail(ErrorCode::storage_broken, "the model's file " + name + " is missing",
              "restore it from a backup, or train the model again");
}

Result<Json> read_document(const std::string& bytes, const std::string& name) {
  Result<Json> json = base::parse_json(bytes);
  if (!json)
    return fail(ErrorCode::invalid, "the model's file " + name + " is not JSON: " + json.error().message);
  if (!json->is_object())
    return fail(ErrorCode::invalid, "the model's file " + name + " is not a JSON object");
  return json;
}

// The names come from a file that somebody may have sent: they may not lead out of the artifact's folder.
bool is_plain_name(const std::string& name) {
  return !name.empty() && name.front() != '.' && name.find_first_of("/\\") == std::string::npos;
}

Result<Files> read_listed_files(const ReadFile& read) {
  const Json manifest = TRY(read_document(TRY(read_present(read, kManifestFile)), kManifestFile));
  if (!manifest["files"].is_array()) return fail(ErrorCode::invalid, "the model's manifest lists no files");
  Files files;
  for (const Json& entry : manifest["files"].as_array()) {
    const std::string name = entry.text_or("name");
    if (!is_plain_name(name))
      return fail(ErrorCode::invalid, "the model's manifest lists a file '" + name + "'");
    std::string bytes = TRY(read_present(read, name));
    if (entry.int_or("size", -1) != std::ssize(bytes) || entry.text_or("sha256") != base::sha256(bytes)) {
      return fail(ErrorCode::storage_broken, "the model's file " + name + " is not what its manifest says",
                  "restore it from a backup, or train the model again");
    }
    files.emplace(name, std::move(bytes));
  }
  return files;
}

Result<Json> document_in(const Files& files, const std::string& name) {
  const auto found = files.find(name);
  if (found == files.end()) return fail(ErrorCode::invalid, "the model's manifest lists no " + name);
  return read_document(found->second, name);
}

Status check_format(const Json& about) {
  const Json& format = about["format"];
  if (!format.is_int()) return fail(ErrorCode::invalid, "the model's artifact.json states no format");
  if (format.as_int() <= kFormat) return {};
  return fail(
      ErrorCode::unsupported,
      "the model's files are of format " + format.dump() + ", this version reads " + std::to_string(kFormat),
      "use the newer version of trimtab that wrote them");
}

}  // namespace

std::map<std::string, std::string> Artifact::to_files() const {
  const Json about = Json::object({{"format", kFormat},
                                   {"learner", learner},
                                   {"binary", binary},
                                   {"engine", table::engine_version()},
                                   {"booster", booster_version()}});
  Files files;
  files.emplace(kArtifactFile, document(about));
  files.emplace(kBaselineFile, document(baseline.is_null() ? Json::object() : baseline));
  files.emplace(kModelFile, model_text);
  files.emplace(kRecipeFile, document(recipe.to_json()));
  if (learner == "lightgbm") {
    files.emplace("MLmodel", mlmodel_document(recipe.features, kModelFile));
    files.emplace("python_env.yaml", mlmodel_environment());
    files.emplace("requirements.txt", mlmodel_requirements());
  }
  files.emplace(kManifestFile, manifest_of(files));
  return files;
}

Result<std::shared_ptr<const Artifact>> Artifact::from_files(const ReadFile& read) {
  const Files files = TRY(read_listed_files(read));
  const Json about = TRY(document_in(files, kArtifactFile));
  TRY(check_format(about));
  auto artifact = std::make_shared<Artifact>();
  artifact->learner = about.text_or("learner");
  if (artifact->learner != "lightgbm" && artifact->learner != "baseline") {
    return fail(ErrorCode::unsupported, "this version has no learner '" + artifact->learner + "'");
  }
  if (!about["binary"].is_bool())
    return fail(ErrorCode::invalid, "the model's artifact.json does not say 'binary'");
  artifact->binary = about["binary"].as_bool();
  artifact->recipe = TRY(Recipe::from_json(TRY(document_in(files, kRecipeFile))));
  artifact->baseline = TRY(document_in(files, kBaselineFile));
  const auto model = files.find(kModelFile);
  if (model == files.end()) return fail(ErrorCode::invalid, "the model's manifest lists no model.txt");
  artifact->model_text = model->second;
  return std::shared_ptr<const Artifact>(std::move(artifact));
}

std::map<std::string, std::string> manifest_files(const Json& manifest) {
  std::map<std::string, std::string> files;
  if (!manifest["files"].is_array()) return files;
  for (const Json& entry : manifest["files"].as_array())
    files[entry.text_or("name")] = entry.text_or("sha256");
  return files;
}

}  // namespace trimtab::model
