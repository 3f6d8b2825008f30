#include "bridges/mlflow/artifact_folder.h"

#include <algorithm>
#include <string_view>
#include <system_error>

#include "base/file.h"
#include "registry/imported_rows.h"

namespace trimtab::bridges {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kProxy = "mlflow-artifacts:/";

tl::unexpected<Error> elsewhere(const std::string& location) {
  return fail(ErrorCode::unsupported,
              "the artifacts at '" + location + "' are not below the folder of --artifacts",
              "name the folder that holds them, or copy them there");
}

bool is_below(const fs::path& inner, const fs::path& outer) {
  const fs::path relative = inner.lexically_relative(outer);
  return !relative.empty() && *relative.begin() != "..";
}

}  // namespace

Result<ArtifactFolder> ArtifactFolder::open(const fs::path& root) {
  if (root.empty()) return ArtifactFolder(root);
  std::error_code failure;
  const fs::path real = fs::canonical(root, failure);
  if (!failure && fs::is_directory(real, failure)) return ArtifactFolder(real);
  return fail(ErrorCode::not_found, "there is no folder '" + root.string() + "'",
              "name the folder that holds the artifacts: --artifacts-destination of the server, or mlruns");
}

// A path of there is looked for under its own name, and then by its end, for a folder that has been moved:
// "/home/x/mlruns/3/<run>/artifacts" is "3/<run>/artifacts" here.
Result<fs::path> ArtifactFolder::place_of(const std::string& location) const {
  if (root_.empty()) return elsewhere(location);
  std::string text = location;
  if (text.starts_with("file://")) text.erase(0, 7);
  if (text.starts_with("file:")) text.erase(0, 5);
  std::error_code ignored;
  if (!text.starts_with(kProxy)) {
    const fs::path itself = fs::weakly_canonical(fs::absolute(text, ignored), ignored);
    if (text.find(":/") == std::string::npos && is_below(itself, root_)) return itself;
    text = registry::location_here(location);
    if (!text.starts_with(kProxy)) return elsewhere(location);
  }
  // Without the host of "mlflow-artifacts://host/3/…".
  if (text.starts_with("mlflow-artifacts://")) text = registry::location_here(text);
  const fs::path place = fs::weakly_canonical(root_ / text.substr(kProxy.size()), ignored);
  if (!is_below(place, root_)) return elsewhere(location);
  return place;
}

Result<std::vector<ForeignFile>> ArtifactFolder::files(const std::string& location) const {
  const fs::path place = TRY(place_of(location));
  std::vector<ForeignFile> files;
  std::error_code failure;
  for (fs::recursive_directory_iterator entry(place, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    // A link may lead anywhere.
    if (entry->is_symlink() || !entry->is_regular_file()) continue;
    files.push_back({entry->path().lexically_relative(place).generic_string(),
                     static_cast<std::int64_t>(entry->file_size())});
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return files;
}

Status ArtifactFolder::fetch(const std::string& location, const std::string& path, const fs::path& to) const {
  const fs::path from = (TRY(place_of(location)) / path).lexically_relative(root_);
  const Result<base::Descriptor> file = base::open_beneath(root_, from);
  if (!file && file.error().code == ErrorCode::forbidden) return elsewhere(location);
  if (!file) return fail(file.error());
  // The name of what is open: whatever lies under its old name by now is not looked at.
  const fs::path opened = fs::path("/proc/self/fd") / std::to_string(file->get());
  std::error_code failure;
  fs::copy_file(opened, to, failure);
  if (failure) return fail(base::errno_error(failure.value(), "cannot copy '" + from.string() + "'"));
  return {};
}

}  // namespace trimtab::bridges
