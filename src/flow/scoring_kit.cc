#include "flow/scoring_kit.h"

#include <charconv>
#include <optional>
#include <utility>

#include "base/diagnostics.h"
#include "flow/source_refresh.h"
#include "ingest/ingest.h"
#include "model/artifact.h"
#include "registry/endpoints.h"
#include "registry/record.h"

namespace trimtab::flow {
namespace {

struct Target {
  std::string name;
  std::optional<std::int64_t> version;
};

Result<Target> read_target(const std::string& text) {
  Target target;
  const std::size_t at = text.find('@');
  target.name = text.substr(0, at);
  if (at == std::string::npos) return target;
  const std::string number = text.substr(at + 1);
  std::int64_t version = 0;
  const auto [end, failed] = std::from_chars(number.data(), number.data() + number.size(), version);
  if (failed != std::errc() || end != number.data() + number.size() || version < 1) {
    return fail(ErrorCode::invalid, "'" + number + "' is no version",
                "a version is a whole number, as in " + target.name + "@3");
  }
  target.version = version;
  return target;
}

Error unknown(const project::Project& project, const std::string& name) {
  std::vector<std::string> names;
  for (const project::Endpoint& endpoint : project.endpoints) names.push_back(endpoint.name);
  for (const project::Model& model : project.models) names.push_back(model.name);
  std::string hint = base::did_you_mean(name, names);
  if (hint.empty()) hint = "`trimtab status` lists the endpoints";
  return {ErrorCode::not_found, "there is no endpoint and no model '" + name + "'", hint, std::nullopt,
          nullptr};
}

Result<registry::VersionFacts> newest_passed(store::Home& home, const std::string& model) {
  std::optional<registry::VersionFacts> newest;
  for (registry::VersionFacts& facts : TRY(registry::list_versions(home, model))) {
    const bool is_newer = !newest || facts.version > newest->version;
    if (facts.gates == "passed" && is_newer) newest = std::move(facts);
  }
  if (newest) return *std::move(newest);
  return fail(ErrorCode::not_found, "the model '" + model + "' has no version that passed its gates",
              "run `trimtab apply`, or name a version, as in " + model + "@1");
}

Result<registry::VersionFacts> find_target(const project::Project& project, store::Home& home,
                                           const Target& target) {
  const Result<registry::EndpointFacts> endpoint = registry::find_endpoint(home, target.name);
  if (!endpoint && endpoint.error().code != ErrorCode::not_found) return fail(endpoint.error());
  if (endpoint) {
    if (target.version) return registry::find_version(home, endpoint->model, *target.version);
    if (endpoint->serving_version)
      return registry::find_version(home, endpoint->model, *endpoint->serving_version);
    return fail(ErrorCode::not_found, "the endpoint '" + target.name + "' serves no version yet",
                "run `trimtab apply`");
  }
  if (const project::Endpoint* declared = project.find_endpoint(target.name);
      declared != nullptr && project.find_model(target.name) == nullptr) {
    return fail(ErrorCode::not_found, "the endpoint '" + target.name + "' serves no version yet",
                "run `trimtab apply`");
  }
  if (project.find_model(target.name) == nullptr) return fail(unknown(project, target.name));
  if (target.version) return registry::find_version(home, target.name, *target.version);
  return newest_passed(home, target.name);
}

Result<const project::Source*> source_of(const project::Project& project, const std::string& model) {
  const project::Model* declared = project.find_model(model);
  const project::Table* table = declared == nullptr ? nullptr : project.find_table(declared->from);
  const project::Source* source = table == nullptr ? nullptr : project.find_source(table->from);
  if (source != nullptr) return source;
  return fail(ErrorCode::not_found,
              "the model '" + model + "' is not declared any longer, so nobody knows how its files are read",
              "declare it again in " + project.file);
}

Status add_artifact(store::Home& home, const std::string& manifest, ScoringKit& kit) {
  kit.blobs["artifact/manifest.json"] = {manifest};
  const Json listed = TRY(base::parse_json(TRY(home.blobs().get(manifest))));
  for (const auto& [name, sha256] : model::manifest_files(listed)) kit.blobs["artifact/" + name] = {sha256};
  return {};
}

Status add_joined_rows(const project::Project& project, store::Home& home, ScoringKit& kit) {
  const std::string text = TRY(home.blobs().get(kit.blobs.at("artifact/recipe.json").front()));
  const model::Recipe recipe = TRY(model::Recipe::from_json(TRY(base::parse_json(text))));
  for (const model::JoinedTable& joined : recipe.joined) {
    const auto snapshot = TRY(load_snapshot(home, project.name, source_dataset(joined.source)));
    std::vector<std::string>& parts = kit.blobs["rows/" + joined.source];
    parts.clear();
    if (!snapshot) continue;
    for (const table::Part& part : snapshot->parts) parts.push_back(part.blob_sha256);
  }
  return {};
}

}  // namespace

Result<ScoringKit> find_scoring_kit(const project::Project& project, store::Home& home,
                                    const std::string& text) {
  const Target target = TRY(read_target(text));
  const registry::VersionFacts facts = TRY(find_target(project, home, target));
  const project::Source& source = *TRY(source_of(project, facts.model));
  const std::optional<table::Schema> raw = TRY(frozen_schema(home, project.name, source));
  if (!raw) {
    return fail(ErrorCode::not_found,
                "the source '" + source.name + "' has not been read since its declaration changed",
                "run `trimtab apply`");
  }
  ScoringKit kit{facts.model, facts.version, ingest::ingest_params(source, *raw), {}};
  TRY(add_artifact(home, facts.manifest_sha256, kit));
  TRY(add_joined_rows(project, home, kit));
  return kit;
}

Json ScoringKit::to_json() const {
  Json inputs = Json::object();
  for (const auto& [name, hashes] : blobs) {
    Json list = Json::array();
    for (const std::string& hash : hashes) list.push(hash);
    inputs.set(name, std::move(list));
  }
  Json json = Json::object({{"model", model}, {"version", version}, {"read", read}});
  return json.set("blobs", std::move(inputs));
}

Result<ScoringKit> ScoringKit::from_json(const Json& json) {
  ScoringKit kit{json.text_or("model"), json.int_or("version"), json["read"], {}};
  if (!json["blobs"].is_object()) return fail(ErrorCode::malformed, "a scoring kit without blobs");
  for (const auto& [name, hashes] : json["blobs"].as_object()) {
    if (!hashes.is_array()) return fail(ErrorCode::malformed, "'" + name + "' is no list of blobs");
    std::vector<std::string>& list = kit.blobs[name];
    for (const Json& hash : hashes.as_array()) list.push_back(hash.is_string() ? hash.as_string() : "");
  }
  return kit;
}

}  // namespace trimtab::flow
