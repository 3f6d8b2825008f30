#include "project/load.h"

#include <sstream>

#include "base/file.h"
#include "project/draft.h"
#include "project/key_schema.h"
#include "project/load_endpoints.h"
#include "project/load_models.h"
#include "project/load_sources.h"
#include "project/load_tables.h"
#include "project/mapping_reader.h"
#include "project/references.h"

namespace trimtab::project {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFileName = "trimtab.yaml";
constexpr std::uint64_t kFileBytesMax = 1024 * 1024;

void read_as_of(const MappingReader& reader, Draft& draft) {
  const YamlNode* node = reader.find("as_of");
  if (node == nullptr) return;
  const Result<TimeUs> time = base::parse_time(node->kind == YamlNode::Kind::scalar ? node->scalar : "");
  if (time) {
    draft.project.as_of = *time;
  } else {
    add_wrong(*node, "'as_of'", wanted(Form::time), draft.diagnostics);
  }
}

void read_project_name(const MappingReader& reader, Draft& draft) {
  const YamlNode* node = reader.find("project");
  if (node == nullptr) return;
  if (node->kind == YamlNode::Kind::scalar && is_thing_name(node->scalar)) {
    draft.project.name = node->scalar;
  } else if (node->kind == YamlNode::Kind::scalar) {
    add_bad_name(node->where, node->scalar, "project", draft.diagnostics);
  } else {
    add_wrong(*node, "'project'", wanted(Form::name), draft.diagnostics);
  }
}

void read_retention(const MappingReader& file, Draft& draft) {
  const YamlNode* node = file.find("retention");
  if (node == nullptr) return;
  const MappingReader reader(*node, node->where, "'retention'", kRetentionKeys, draft.diagnostics);
  Retention retention;
  retention.where = node->where;
  retention.runs = reader.duration("runs");
  retention.predictions = reader.duration("predictions");
  retention.deleted = reader.duration("deleted");
  retention.cache = reader.duration("cache");
  draft.project.retention = retention;
}

void read_file_node(const YamlNode& root, Draft& draft) {
  const SourceRange start{draft.project.file, 1, 1};
  const MappingReader reader(root, start, "the project file", kFileKeys, draft.diagnostics);
  read_project_name(reader, draft);
  read_as_of(reader, draft);
  read_retention(reader, draft);
  const auto is_broken = [&reader](std::string_view key) {
    const YamlNode* section = reader.find(key);
    return section != nullptr && !can_read_section(*section);
  };
  draft.sources_broken = is_broken("sources");
  draft.tables_broken = is_broken("tables");
  draft.models_broken = is_broken("models");
  using Entry = YamlNode::Entry;
  reader.each_section("sources", "source", [&](const Entry& entry) { load_source(entry, draft); });
  reader.each_section("tables", "table", [&](const Entry& entry) { load_table(entry, draft); });
  reader.each_section("models", "model", [&](const Entry& entry) { load_model(entry, draft); });
  reader.each_section("endpoints", "endpoint", [&](const Entry& entry) { load_endpoint(entry, draft); });
}

// `auc: >= 0.6` is a natural thing to write, but YAML takes the > for the start of a folded text.
Error with_quotes_hint(Error error, const std::string& text) {
  if (!error.where || !error.hint.empty()) return error;
  std::istringstream lines(text);
  std::string line;
  for (int number = 0; number < error.where->line && std::getline(lines, line);) ++number;
  if (line.find(": >") != std::string::npos) error.hint = "put a limit in quotes: \">= 0.6\"";
  return error;
}

}  // namespace

Result<Project> load(const fs::path& path) {
  std::error_code ignored;
  const bool is_folder = path.empty() || fs::is_directory(path, ignored);
  // As the user would type it: a project in the current folder is "trimtab.yaml", not "./trimtab.yaml".
  const fs::path file = (is_folder ? path / kFileName : path).lexically_normal();
  Result<std::string> text = base::read_file(file, kFileBytesMax);
  if (!text && text.error().code == ErrorCode::not_found) {
    return fail(ErrorCode::not_found, "there is no project file '" + file.string() + "'",
                "`trimtab init` writes one; or name the folder that holds a " + std::string(kFileName));
  }
  if (!text) return fail(base::wrap(text.error(), "cannot read the project file '" + file.string() + "'"));
  return parse(*text, file.string(), file.parent_path());
}

Result<Project> parse(const std::string& text, const std::string& file, const fs::path& folder) {
  Result<YamlNode> parsed = base::parse_yaml(text, file);
  if (!parsed) return fail(with_quotes_hint(std::move(parsed).error(), text));
  const YamlNode root = std::move(*parsed);
  Draft draft;
  draft.project.file = file;
  draft.project.text = text;
  read_file_node(root, draft);
  check_references(draft);
  if (!draft.diagnostics.empty()) return fail(draft.diagnostics.as_error());

  std::error_code failure;
  const fs::path absolute = fs::absolute(folder.empty() ? fs::path(".") : folder, failure);
  if (failure) return fail(ErrorCode::storage_broken, "the folder of '" + file + "' cannot be found");
  draft.project.folder = absolute.lexically_normal();
  if (!draft.project.folder.has_filename()) draft.project.folder = draft.project.folder.parent_path();
  return std::move(draft.project);
}

Json file_schema() {
  Json schema = schema_of(kFileKeys);
  Json document =
      Json::object({{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", "trimtab.yaml"}});
  for (base::Json::Member& member : schema.as_object()) document.set(member.first, std::move(member.second));
  return document;
}

}  // namespace trimtab::project
