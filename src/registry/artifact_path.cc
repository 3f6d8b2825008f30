#include "registry/artifact_path.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include "base/id.h"

namespace trimtab::registry {
namespace {

constexpr std::size_t kPathMax = 4096;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char low = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

std::vector<std::string_view> steps_of(std::string_view path) {
  std::vector<std::string_view> steps;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) steps.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return steps;
}

// Whether it may name something, in any of its decodings.
bool is_harmless(std::string_view path) {
  if (path.starts_with('/') || path.find_first_of(std::string_view("\\#\0", 3)) != std::string_view::npos)
    return false;
  const bool is_drive =
      path.size() > 1 && path[1] == ':' && std::isalpha(static_cast<unsigned char>(path[0])) != 0;
  if (is_drive || path.starts_with("file:")) return false;
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::any_of(path.begin(), path.end(), is_control)) return false;
  for (const std::string_view step : steps_of(path)) {
    if (step == "..") return false;
  }
  return true;
}

std::string joined(const std::vector<std::string_view>& steps, std::size_t from) {
  std::string path;
  for (std::size_t i = from; i < steps.size(); ++i) path.append(i == from ? "" : "/").append(steps[i]);
  return path;
}

bool is_model_id(std::string_view step) { return step.starts_with("m-") && base::is_id(step.substr(2)); }

bool is_number(std::string_view step) {
  return !step.empty() && step.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

std::string decode_once(std::string_view text, bool plus_is_blank) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_coded =
        text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0;
    if (is_coded) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += plus_is_blank && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

// An honest file name may hold "%41" or even "%2e%2e" once decoded by the router; what is refused is that it
// would become dangerous for a program that decodes again, as several of MLflow's holes did.
Result<std::string> check_artifact_path(std::string_view path) {
  std::string decoded(path);
  bool is_fine = path.size() <= kPathMax;
  for (std::string before; is_fine && before != decoded;) {
    is_fine = is_harmless(decoded);
    before = decoded;
    decoded = decode_once(decoded, false);
  }
  if (!is_fine) return fail(ErrorCode::invalid, "Invalid path");
  // "." is no step: "a/./b" and "a//b" are the key "a/b".
  std::vector<std::string_view> steps = steps_of(path);
  std::erase(steps, ".");
  return joined(steps, 0);
}

Result<ArtifactPath> parse_artifact_path(std::string_view path) {
  const std::string key = TRY(check_artifact_path(path));
  const std::vector<std::string_view> steps = steps_of(key);
  for (std::size_t i = 0; i + 1 < steps.size(); ++i) {
    if (steps[i + 1] != "artifacts") continue;
    if (base::is_id(steps[i])) return ArtifactPath{"run/" + std::string(steps[i]), joined(steps, i + 2)};
    if (i > 0 && steps[i - 1] == "models" && is_model_id(steps[i])) {
      return ArtifactPath{"logged_model/" + std::string(steps[i]), joined(steps, i + 2)};
    }
  }
  if (steps.size() > 2 && steps[0] == "models" && is_number(steps[2])) {
    return ArtifactPath{"model/" + std::string(steps[1]) + "/" + std::string(steps[2]), joined(steps, 3)};
  }
  return ArtifactPath{"proxy", key};
}

Result<ArtifactPath> parse_artifact_folder(std::string_view path) {
  const ArtifactPath key = TRY(parse_artifact_path(path));
  if (key.root != "proxy") return key;
  const std::vector<std::string_view> steps = steps_of(key.path);
  if (steps.empty() || !is_number(steps[0])) return key;
  const bool has_models = steps.size() > 1 && steps[1] == "models";
  if (steps.size() == 2 && base::is_id(steps[1])) return ArtifactPath{"run/" + std::string(steps[1]), ""};
  if (steps.size() == 3 && has_models && is_model_id(steps[2]))
    return ArtifactPath{"logged_model/" + std::string(steps[2]), ""};
  if (steps.size() > 2 || (steps.size() == 2 && !has_models)) return key;
  return fail(ErrorCode::invalid,
              "Invalid path: '" + key.path + "' holds the artifacts of a whole experiment",
              "delete them run by run and model by model");
}

Result<ArtifactPath> parse_artifact_uri(std::string_view uri) {
  constexpr std::string_view kProxy = "mlflow-artifacts:/";
  constexpr std::string_view kRuns = "runs:/";
  if (uri.starts_with(kProxy) && !uri.substr(kProxy.size()).starts_with('/')) {
    return parse_artifact_path(uri.substr(kProxy.size()));
  }
  if (uri.starts_with(kRuns) && uri.size() > kRuns.size()) {
    const std::string path = TRY(check_artifact_path(uri.substr(kRuns.size())));
    const std::size_t slash = std::min(path.find('/'), path.size());
    return ArtifactPath{"run/" + path.substr(0, slash), path.substr(std::min(slash + 1, path.size()))};
  }
  return fail(ErrorCode::unsupported,
              "the artifacts are at '" + std::string(uri) + "', which this server does not keep",
              "read them from there, as MLflow's clients do");
}

ArtifactPath below(const ArtifactPath& folder, std::string_view path) {
  ArtifactPath key = folder;
  if (!path.empty()) key.path.append(key.path.empty() ? "" : "/").append(path);
  return key;
}

}  // namespace trimtab::registry
