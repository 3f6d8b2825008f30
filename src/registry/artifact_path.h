// The paths of MLflow's artifact proxy, which are keys in a table and never paths of this machine. A key is a
// root and a path below it: "5/<run>/artifacts/model/MLmodel" is "model/MLmodel" of the root "run/<run>".
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace trimtab::registry {

struct ArtifactPath {
  // "run/<id>", "logged_model/<id>", "model/<name>/<version>" (what Trimtab trained; nobody changes it), or
  // "proxy" for everything else.
  std::string root;
  std::string path;  // "": the root itself.

  bool operator==(const ArtifactPath&) const = default;
};

// One round of percent decoding; what is no encoding stays.
std::string decode_once(std::string_view text, bool plus_is_blank);

// A decoded path of the proxy. It is refused rather than repaired: "..", an absolute path, a backslash, NUL,
// '#', and what turns into one of these when it is decoded once more. Errors: invalid ("Invalid path").
Result<ArtifactPath> parse_artifact_path(std::string_view path);
// The same for a path below a root that is known already; "" is the root.
Result<std::string> check_artifact_path(std::string_view path);

// Where the files of a run, a logged model or a version are: "mlflow-artifacts:/0/<run>/artifacts/model", or
// "runs:/<run>/model". Errors: unsupported (a place that this server does not keep, "s3://…").
// The same for a place that is deleted with all below it: "0/<run>" and "0/models/<logged model>" are all
// files of the run or the logged model. Errors, too: invalid ("0", "0/models": those of a whole experiment).
Result<ArtifactPath> parse_artifact_folder(std::string_view path);
Result<ArtifactPath> parse_artifact_uri(std::string_view uri);

// A path below `folder`, both checked already.
ArtifactPath below(const ArtifactPath& folder, std::string_view path);

}  // namespace trimtab::registry
