// What may be the name of a registered model, an alias, a tag of either, or a version, in MLflow's words:
// clients match on these texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "registry/run_facts.h"

namespace trimtab::registry {

// The tag that makes a registered model a prompt, for MLflow's clients.
inline constexpr std::string_view kIsPromptTag = "mlflow.prompt.is_prompt";

// Errors of all: invalid.
Status check_model_name(std::string_view name);
Status check_alias(std::string_view alias);
Status check_alias_is_free(std::string_view alias);  // "latest" and "v3" mean something else.
// "Latest", in any case: the newest version, and nobody's alias.
bool means_latest(std::string_view alias);
Status check_tag_key(std::string_view key);
Status check_model_tag(const KeyValue& tag);
Status check_version_tag(const KeyValue& tag);
Status check_logged_model_name(std::string_view name);
Result<std::int64_t> parse_version(std::string_view text);
// "production" → "Production".
Result<std::string> canonical_stage(std::string_view stage);

bool says_prompt(const KeyValue& tag);

// The path without ".", ".." and doubled slashes, as POSIX would resolve it.
std::string normal_path(std::string_view path);

}  // namespace trimtab::registry
