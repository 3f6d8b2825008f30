#include "registry/model_rules.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <vector>

#include "base/json.h"
#include "registry/run_rules.h"

namespace trimtab::registry {
namespace {

constexpr std::size_t kTagKeyMax = 250;
constexpr std::size_t kTagValueMax = 100'000;
constexpr std::size_t kAliasMax = 255;
constexpr std::string_view kPromptTextTag = "mlflow.prompt.text";

tl::unexpected<Error> invalid_value(std::string_view parameter, std::string_view value,
                                    std::string_view why) {
  return invalid("Invalid value " + Json(value).dump() + " for parameter '" + std::string(parameter) +
                 "' supplied: " + std::string(why));
}

Status check_length(std::string_view parameter, std::size_t limit, std::string_view value) {
  if (count_characters(value) <= limit) return {};
  return invalid("'" + std::string(parameter) + "' exceeds the maximum length of " + std::to_string(limit) +
                 " characters");
}

// A letter of any alphabet, a digit or "_", as Python's \w has it; what is not ASCII counts as a letter.
bool is_word(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || std::isalnum(byte) != 0 || c == '_';
}

bool all_of_set(std::string_view text, std::string_view more) {
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return is_word(c) || more.find(c) != std::string_view::npos; });
}

// MLflow treats names as files; one that resolves to another would be two names of one file.
Status check_resolves_to_itself(std::string_view parameter, std::string_view name) {
  const std::string normal = normal_path(name);
  if (normal == name && normal != "." && !normal.starts_with("..") && !normal.starts_with("/")) return {};
  return invalid_value(parameter, name,
                       "Names may be treated as files in certain cases, and must not resolve to other names "
                       "when treated as such. This name would resolve to " +
                           python_repr(normal));
}

bool is_blank(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; });
}

std::string lower(std::string_view text) {
  std::string low(text);
  std::transform(low.begin(), low.end(), low.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return low;
}

}  // namespace

std::string normal_path(std::string_view path) {
  if (path.empty()) return ".";
  const std::size_t slashes = std::min(path.find_first_not_of('/'), path.size());
  // POSIX leaves the meaning of exactly two leading slashes open, so they are kept.
  const std::string root = slashes == 2 ? "//" : slashes > 0 ? "/" : "";
  std::vector<std::string_view> steps;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view step = path.substr(begin, end - begin);
    begin = end + 1;
    if (step.empty() || step == ".") continue;
    if (step != ".." || (root.empty() && steps.empty()) || (!steps.empty() && steps.back() == "..")) {
      steps.push_back(step);
    } else if (!steps.empty()) {
      steps.pop_back();
    }
  }
  std::string normal = root;
  for (std::size_t i = 0; i < steps.size(); ++i) normal.append(i == 0 ? "" : "/").append(steps[i]);
  return normal.empty() ? "." : normal;
}

Status check_model_name(std::string_view name) {
  if (is_blank(name)) return invalid("Missing value for required parameter 'name'.");
  // MLflow takes it and can then neither show nor address the model.
  if (name.find('\0') != std::string_view::npos)
    return invalid("Invalid model name: it holds a NUL character.");
  if (name.find_first_of("/:") != std::string_view::npos) {
    return invalid("Invalid model name '" + std::string(name) + "'. Names cannot contain '/' or ':'.");
  }
  return check_resolves_to_itself("name", name);
}

Status check_alias(std::string_view alias) {
  if (alias.empty()) return invalid("Registered model alias name cannot be empty.");
  if (!all_of_set(alias, "-")) {
    return invalid("Invalid alias name: '" + std::string(alias) +
                   "'. Names may only contain alphanumerics, underscores (_), and dashes (-).");
  }
  return check_length("Registered model alias name", kAliasMax, alias);
}

bool means_latest(std::string_view alias) { return lower(alias) == "latest"; }

Status check_alias_is_free(std::string_view alias) {
  if (means_latest(alias)) return invalid("'latest' alias name (case insensitive) is reserved.");
  const bool is_version = alias.size() > 1 && (alias[0] == 'v' || alias[0] == 'V') &&
                          alias.find_first_not_of("0123456789", 1) == std::string_view::npos;
  if (is_version) return invalid("Version alias name '" + std::string(alias) + "' is reserved.");
  return {};
}

Status check_tag_key(std::string_view key) {
  if (!all_of_set(key, "/.- :")) {
    return invalid_value(
        "key", key,
        "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces "
        "( ), colon(:) and slashes (/).");
  }
  return check_resolves_to_itself("key", key);
}

Status check_model_tag(const KeyValue& tag) {
  TRY(check_tag_key(tag.key));
  TRY(check_length("key", kTagKeyMax, tag.key));
  return check_length("value", kTagValueMax, tag.value);
}

Status check_version_tag(const KeyValue& tag) {
  TRY(check_tag_key(tag.key));
  TRY(check_length("key", kTagKeyMax, tag.key));
  if (tag.key == kPromptTextTag && count_characters(tag.value) > kTagValueMax) {
    return invalid("Prompt text exceeds max length of " + std::to_string(kTagValueMax) + " characters.");
  }
  return check_length("value", kTagValueMax, tag.value);
}

Status check_logged_model_name(std::string_view name) {
  if (!name.empty() && name.find_first_of(std::string_view("/:.%\"'\0", 7)) == std::string_view::npos)
    return {};
  return invalid(
      "Invalid model name (" + python_repr(name) +
      ") provided. Model name must be a non-empty string and cannot contain the following characters: "
      "('/', ':', '.', '%', '\"', \"'\")");
}

Result<std::int64_t> parse_version(std::string_view text) {
  std::int64_t version = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (failed == std::errc() && end == text.data() + text.size()) return version;
  return invalid("Parameter 'version' must be an integer, got '" + std::string(text) + "'.");
}

Result<std::string> canonical_stage(std::string_view stage) {
  for (const std::string_view known : {"None", "Staging", "Production", "Archived"}) {
    if (lower(known) == lower(stage)) return std::string(known);
  }
  return invalid("Invalid Model Version stage: " + std::string(stage) +
                 ". Value must be one of None, Staging, Production, Archived.");
}

bool says_prompt(const KeyValue& tag) { return tag.key == kIsPromptTag && lower(tag.value) == "true"; }

}  // namespace trimtab::registry
