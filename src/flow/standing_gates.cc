#include "flow/standing_gates.h"

#include <string>
#include <vector>

#include "model/artifact.h"

namespace trimtab::flow {
namespace {

constexpr std::string_view kLineage = "lineage";
constexpr std::string_view kSchema = "schema";

judge::GateResult standing(std::string_view gate, std::size_t found, std::string detail) {
  judge::GateResult result;
  result.gate = gate;
  result.measured.value = static_cast<double>(found);
  result.threshold = 0;
  result.verdict = found > 0 ? judge::Verdict::fail : judge::Verdict::pass;
  result.detail = std::move(detail);
  return result;
}

Result<bool> is_known_step(store::Home& home, const std::string& key) {
  bool known = false;
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    store::Statement row =
        connection.prepare("SELECT 1 FROM step_result WHERE step_key = ? AND outcome = 'done'");
    known = TRY(row.with(key).step());
    return {};
  }));
  return known;
}

// What is wrong with a stored file, or "".
std::string stored_problem(const store::Blobs& blobs, const std::string& name, const std::string& sha256) {
  const Status verified = blobs.verify(sha256);
  return verified ? "" : "file " + name + ": " + verified.error().message;
}

std::vector<std::string> file_problems(store::Home& home, const TaskResult& fitted) {
  std::vector<std::string> problems;
  for (const auto& [name, file] : fitted.files) {
    if (std::string problem = stored_problem(home.blobs(), name, file.sha256); !problem.empty())
      problems.push_back(std::move(problem));
  }
  const Result<std::string> text = home.blobs().get(fitted.file("manifest.json"));
  const Result<Json> manifest = text ? base::parse_json(*text) : Result<Json>(fail(text.error()));
  if (!manifest) return problems;  // The manifest is among the files above.
  for (const auto& [name, sha256] : model::manifest_files(*manifest)) {
    const auto made = fitted.files.find(name);
    if (made == fitted.files.end())
      problems.push_back("file " + name + ": the training step did not make it");
    if (made != fitted.files.end() && made->second.sha256 != sha256)
      problems.push_back("file " + name + ": the manifest has another hash than the training step");
  }
  return problems;
}

std::string columns_text(const std::vector<std::string>& columns, std::string_view what) {
  std::string text;
  for (const std::string& column : columns) text += (text.empty() ? "" : ", ") + column;
  return text.empty() ? text : std::string(what) + " " + text;
}

}  // namespace

bool is_standing_gate(std::string_view gate) { return gate == kLineage || gate == kSchema; }

Result<std::optional<judge::GateResult>> lineage_gate(store::Home& home, const TaskResult& fitted,
                                                      const table::Snapshot& table) {
  std::vector<std::string> problems = file_problems(home, fitted);
  if (!TRY(is_known_step(home, fitted.key))) problems.emplace_back("the training step is not known");
  for (const table::Part& part : table.parts) {
    // Reading every row again would take as long as training; a file that was cut or is gone shows by its
    // size.
    const std::optional<store::Blobs::Facts> facts = home.blobs().facts(part.blob_sha256, 0);
    if (!facts) problems.push_back("part " + part.origin + " of the table is not stored");
    if (facts && facts->bytes != part.bytes)
      problems.push_back("part " + part.origin + " of the table is stored with another size");
  }
  if (problems.empty()) return std::optional<judge::GateResult>();
  return std::optional(standing(kLineage, problems.size(), problems.front()));
}

std::optional<judge::GateResult> schema_gate(const table::Schema& candidate, const table::Schema& champion) {
  std::vector<std::string> added, gone, wider, changed;
  for (const table::Column& column : candidate.columns()) {
    const std::optional<int> before = champion.find(column.name);
    const std::string type(table::type_name(column.type));
    if (!before) {
      added.push_back(column.name + " (" + type + ")");
    } else if (champion.at(*before).type != column.type) {
      const table::ColumnType was = champion.at(*before).type;
      // A request that held whole numbers is as right as before.
      const bool is_wider = was == table::ColumnType::integer && column.type == table::ColumnType::real;
      (is_wider ? wider : changed)
          .push_back(column.name + " was " + std::string(table::type_name(was)) + ", is " + type);
    }
  }
  for (const table::Column& column : champion.columns()) {
    if (!candidate.find(column.name)) gone.push_back(column.name);
  }
  std::string detail;
  for (const std::string& text : {columns_text(changed, "another type:"), columns_text(wider, "wider:"),
                                  columns_text(added, "new:"), columns_text(gone, "gone:")}) {
    if (!text.empty()) detail += (detail.empty() ? "" : "; ") + text;
  }
  if (detail.empty()) return std::nullopt;
  return standing(kSchema, changed.size(), detail);
}

}  // namespace trimtab::flow
