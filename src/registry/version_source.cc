#include "registry/version_source.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "registry/artifact_path.h"
#include "registry/model_rows.h"
#include "registry/model_rules.h"

namespace trimtab::registry {
namespace {

using store::Connection;
using store::Statement;

constexpr std::size_t kSourceMax = 4096;

// scheme:[//host]path
struct Uri {
  std::string scheme;  // In lower case; "" for a plain path.
  std::string host;
  std::string path;
};

Uri split_uri(std::string_view text) {
  Uri uri;
  const std::size_t colon = text.find(':');
  const bool has_scheme =
      colon != std::string_view::npos && colon > 0 &&
      std::isalpha(static_cast<unsigned char>(text[0])) != 0 &&
      std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon),
                  [](unsigned char c) { return std::isalnum(c) != 0 || c == '+' || c == '-' || c == '.'; });
  if (has_scheme) {
    for (const char c : text.substr(0, colon)) {
      uri.scheme += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    text.remove_prefix(colon + 1);
  }
  if (text.starts_with("//")) {
    const std::size_t end = std::min(text.find_first_of("/?#", 2), text.size());
    uri.host = text.substr(2, end - 2);
    text.remove_prefix(end);
  }
  uri.path = text.substr(0, text.find_first_of("?#"));
  return uri;
}

bool has_parent_step(std::string_view text) {
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find_first_of("/\\", begin), text.size());
    if (text.substr(begin, end - begin) == "..") return true;
    begin = end + 1;
  }
  return false;
}

tl::unexpected<Error> invalid_source(const std::string& source, const std::string& why) {
  return fail(ErrorCode::invalid, "Invalid model version source: '" + source + "'. " + why);
}

tl::unexpected<Error> foreign_source(const std::string& source, const std::string& parameter) {
  return invalid_source(
      source, "The " + parameter + " request parameter must identify the resource that contains the source.");
}

tl::unexpected<Error> local_source(const std::string& source, const std::string& parameter) {
  return invalid_source(source,
                        "To use a local path as a model version source, the " + parameter +
                            " request parameter has to be specified and the local path has to be contained "
                            "within the artifact directory of the run specified by the " +
                            parameter + ".");
}

bool is_local(const Uri& uri) { return uri.scheme.empty() || uri.scheme == "file"; }

// Whether the source lies in the artifacts of this very server; it names no host then.
bool is_own_artifact(const Uri& uri) { return uri.scheme == "mlflow-artifacts"; }

// Whoever reads such a source would connect to a host that a stranger has named.
Status check_host(const Uri& uri) {
  constexpr std::array<std::string_view, 10> kSchemes = {
      "ftp", "sftp", "hdfs", "viewfs", "http", "https", "mlflow-artifacts", "r2", "b2", "abfss"};
  const bool names_host = std::find(kSchemes.begin(), kSchemes.end(), uri.scheme) != kSchemes.end() &&
                          (uri.scheme != "mlflow-artifacts" || !uri.host.empty());
  if (!names_host) return {};
  return fail(ErrorCode::invalid,
              "'source' cannot use the '" + uri.scheme + "' scheme: the '" + uri.scheme +
                  "' scheme addresses a host other than the tracking server's configured "
                  "artifact storage, so the server would connect to the host named in the URI.");
}

// A reference to a model: "models:/late/3", "models:/late@champion", "models:/late/Production",
// "models:/late/latest", "models:/m-0123…".
struct ModelReference {
  std::string model_id;
  std::string name, version, stage, alias;
};

Result<ModelReference> parse_model_uri(const std::string& source, const Uri& uri) {
  const auto invalid = [&] { return foreign_source(source, "model_id"); };
  if (!uri.path.starts_with("/") || uri.path.size() < 2) return invalid();
  const std::string path = uri.path.substr(1);
  const std::size_t slash = path.find('/');
  ModelReference reference;
  reference.name = path.substr(0, slash);
  if (reference.name.empty()) return invalid();
  if (slash != std::string::npos) {
    const std::string suffix = path.substr(slash + 1);
    if (suffix.empty() || suffix.find('/') != std::string::npos) return invalid();
    const bool is_number = suffix.find_first_not_of("0123456789") == std::string::npos;
    (is_number ? reference.version : reference.stage) = suffix;
    return reference;
  }
  const std::size_t at = reference.name.rfind('@');
  if (at == std::string::npos) {
    reference.model_id = std::exchange(reference.name, {});
    return reference;
  }
  reference.alias = reference.name.substr(at + 1);
  reference.name.resize(at);
  return reference.alias.empty() ? Result<ModelReference>(invalid()) : reference;
}

Result<std::int64_t> version_of(Connection& connection, const ModelReference& reference) {
  if (!reference.version.empty()) return parse_version(reference.version);
  if (!reference.alias.empty()) {
    for (const AliasFact& known : TRY(select_aliases(connection, reference.name))) {
      if (known.alias == reference.alias) return known.version;
    }
    return fail(ErrorCode::invalid, "Registered model alias " + reference.alias + " not found.");
  }
  const bool is_latest = means_latest(reference.stage);
  const std::string stage = is_latest ? "" : TRY(canonical_stage(reference.stage));
  std::int64_t newest = 0;
  for (const ModelVersion& version : TRY(select_latest(connection, reference.name))) {
    if (is_latest || version.stage == stage) newest = version.version;
  }
  if (newest != 0) return newest;
  return fail(ErrorCode::not_found, "No versions of model with name '" + reference.name + "' and stage '" +
                                        reference.stage + "' found");
}

// A version of a version: the same files, and by default the same run.
Result<VersionSource> follow_version(Connection& connection, const NewModelVersion& version,
                                     const ModelReference& reference) {
  TRY(require_model(connection, reference.name));
  for (const KeyValue& tag : TRY(select_model_tags(connection, reference.name))) {
    if (says_prompt(tag)) {
      return invalid_source(version.source, "Prompt versions cannot be used as model version sources.");
    }
  }
  const ModelVersion from =
      TRY(select_version(connection, reference.name, TRY(version_of(connection, reference))));
  const bool is_other_run = version.run_id && *version.run_id != from.run_id.value_or("");
  if (is_other_run || (version.model_id && !version.model_id->empty())) {
    return invalid_source(
        version.source,
        "The run_id and model_id request parameters must match the referenced model version.");
  }
  VersionSource resolved;
  resolved.source = "models:/" + from.model + "/" + std::to_string(from.version);
  resolved.location = from.location;
  resolved.run_id = version.run_id ? version.run_id : from.run_id;
  return resolved;
}

struct LoggedOrigin {
  std::string location, run_id;
};

Result<std::optional<LoggedOrigin>> logged_origin(Connection& connection, const std::string& model_id) {
  Statement row = connection.prepare(
      "SELECT location, source_run_id FROM logged_model WHERE id = ? AND deleted_ms IS NULL");
  if (!TRY(row.with(model_id).step())) return std::optional<LoggedOrigin>();
  return std::optional(LoggedOrigin{row.text(0), row.text(1)});
}

bool lies_within(const Uri& uri, const std::string& root) {
  if (uri.scheme != "mlflow-artifacts" || !uri.host.empty()) return false;
  const Result<ArtifactPath> path =
      parse_artifact_path(uri.path.substr(std::min<std::size_t>(1, uri.path.size())));
  return path && path->root == root;
}

// A source that a logged model holds.
Result<VersionSource> of_logged_model(Connection& connection, const NewModelVersion& version, const Uri& uri,
                                      const ModelReference* reference) {
  const std::string model_id = *version.model_id;
  if (is_local(uri)) return local_source(version.source, "model_id");
  TRY(check_source_path(version.source));
  if (uri.scheme == "runs") return foreign_source(version.source, "model_id");
  if (reference != nullptr && reference->model_id != model_id)
    return foreign_source(version.source, "model_id");
  const std::optional<LoggedOrigin> origin = TRY(logged_origin(connection, model_id));
  if (!origin) {
    if (is_own_artifact(uri)) return foreign_source(version.source, "model_id");
    return fail(ErrorCode::not_found, "Logged model with ID '" + model_id + "' not found.");
  }
  if (is_own_artifact(uri) && !lies_within(uri, "logged_model/" + model_id)) {
    return foreign_source(version.source, "model_id");
  }
  VersionSource resolved{version.source, reference != nullptr ? origin->location : version.source,
                         version.run_id, model_id};
  if (!resolved.run_id || resolved.run_id->empty()) resolved.run_id = origin->run_id;
  return resolved;
}

// A source that a run holds, or one elsewhere.
Result<VersionSource> of_run(Connection& connection, const NewModelVersion& version, const Uri& uri) {
  if (is_local(uri)) return local_source(version.source, "run_id");
  TRY(check_source_path(version.source));
  const std::string run_id = version.run_id.value_or("");
  if (uri.scheme == "runs") {
    const std::string path = uri.path.substr(std::min<std::size_t>(1, uri.path.size()));
    const bool is_same = !run_id.empty() && path.substr(0, path.find('/')) == run_id;
    if (!uri.host.empty() || !is_same) return foreign_source(version.source, "run_id");
  }
  if (is_own_artifact(uri)) {
    Statement run = connection.prepare("SELECT 1 FROM run WHERE id = ?");
    const bool is_known = !run_id.empty() && TRY(run.with(run_id).step());
    if (!is_known || !lies_within(uri, "run/" + run_id)) return foreign_source(version.source, "run_id");
  }
  return VersionSource{version.source, version.source, version.run_id, std::nullopt};
}

}  // namespace

Status check_source_path(std::string_view source) {
  const std::string given(source);
  std::string decoded = given;
  // Every round but the last makes it shorter or turns a '+' into a blank.
  const auto decode = [](const std::string& text) { return decode_once(text, true); };
  for (std::string next = decode(decoded); next != decoded; next = decode(decoded)) decoded = next;
  const std::string path = split_uri(decoded).path;
  std::string plain = path;
  while (!plain.empty() && plain.back() == '/') plain.pop_back();
  plain.erase(std::unique(plain.begin(), plain.end(), [](char a, char b) { return a == '/' && b == '/'; }),
              plain.end());
  const bool is_plain = plain.starts_with('/') && normal_path(plain) == plain;
  if (is_plain && !has_parent_step(decoded) && decoded.find('\0') == std::string::npos) return {};
  return invalid_source(
      given,
      "If supplying a source as an http, https, local file path, ftp, objectstore, or "
      "mlflow-artifacts uri, an absolute path must be provided without relative path references "
      "present. Please provide an absolute path.");
}

Result<VersionSource> resolve_source(Connection& connection, const NewModelVersion& version) {
  // Decoding it again and again is quadratic, and no file is that deep.
  if (version.source.size() > kSourceMax) {
    return fail(ErrorCode::invalid, "Invalid model version source: it is longer than " +
                                        std::to_string(kSourceMax) + " characters.");
  }
  const bool is_prompt = std::any_of(version.tags.begin(), version.tags.end(),
                                     [](const KeyValue& tag) { return says_prompt(tag); });
  if (is_prompt) {
    // The tag once skipped all other checks; a prompt has no files, so it may name none.
    if (version.source != "dummy-source" && version.source != "prompt-template") {
      return fail(ErrorCode::invalid, "Invalid prompt source: '" + version.source +
                                          "'. Prompt sources must use an MLflow placeholder.");
    }
    return VersionSource{version.source, version.source, version.run_id, std::nullopt};
  }
  const Uri uri = split_uri(version.source);
  TRY(check_host(uri));
  ModelReference reference;
  const bool is_reference = uri.scheme == "models";
  if (is_reference) {
    if (!uri.host.empty()) {
      return invalid_source(version.source, "Registered model sources must use the active model registry.");
    }
    reference = TRY(parse_model_uri(version.source, uri));
    if (reference.model_id.empty()) return follow_version(connection, version, reference);
  }
  if (version.model_id && !version.model_id->empty()) {
    return of_logged_model(connection, version, uri, is_reference ? &reference : nullptr);
  }
  if (is_reference) return foreign_source(version.source, "model_id");
  return of_run(connection, version, uri);
}

}  // namespace trimtab::registry
