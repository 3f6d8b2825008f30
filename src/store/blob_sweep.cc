#include "store/blob_sweep.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/hash.h"
#include "store/home.h"

namespace trimtab::store {
namespace {

constexpr std::size_t kNameLength = 64;
// A manifest is never longer; what is, is data and names nothing.
constexpr std::uint64_t kManifestBytesMax = 64u << 20;
constexpr std::size_t kResultsAtOnce = 500;

// Tables whose texts are what users write, or history: both may hold a hash and need no blob for it. The
// results of steps and the files of artifacts are looked at by themselves.
constexpr auto kTablesWithoutBlobs = std::to_array<std::string_view>({
    "artifact",
    "step_result",
    "audit",
    "schema_migration",
    "setting",
    "source_file",
    "arrived_row",
    "label",
    "run",
    "run_param",
    "run_tag",
    "experiment",
    "metric_journal",
    "metric_block",
    "metric_summary",
    "experiment_tag",
    "trace",
    "registered_model_tag",
    "trace_tag",
    "model_version_tag",
    "trace_span",
    "trace_metadata",
    "delivery",
    "trace_assessment",
});

bool is_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

// Calls visit(name) for each SHA-256 in `text` that stands by itself.
template <class Visit>
void each_name(std::string_view text, const Visit& visit) {
  // The snapshot that another one grew from is not needed for it.
  constexpr std::string_view kParent = "\"parent_sha256\":\"";
  for (std::size_t at = 0; at < text.size();) {
    if (!is_digit(text[at])) {
      ++at;
      continue;
    }
    const std::size_t begin = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    if (at - begin == kNameLength && !text.substr(0, begin).ends_with(kParent)) {
      visit(std::string(text.substr(begin, kNameLength)));
    }
  }
}

// The blobs that are needed, found from the rows of one snapshot.
class Needed {
 public:
  Needed(const Blobs& blobs, const std::vector<std::string>& present) : blobs_(blobs) {
    for (const std::string& name : present) present_.insert(name);
  }

  Status collect(Connection& connection, const SweepOptions& options) {
    TRY(collect_artifacts(connection, options.roots_going));
    TRY(collect_texts(connection));
    return collect_results(connection, options.results_before);
  }
  bool has(const std::string& name) const { return needed_.contains(name); }
  const std::vector<std::string>& expired_results() const { return expired_results_; }

 private:
  // The files of artifacts are leaves, but for a version's manifest.
  Status collect_artifacts(Connection& connection, const std::set<std::string>& roots_going) {
    Statement row = connection.prepare("SELECT root, path, blob_sha256 FROM artifact");
    while (TRY(row.step())) {
      if (roots_going.contains(row.text(0))) continue;
      if (row.text(1) == "manifest.json") {
        TRY(need(row.text(2)));
      } else {
        needed_.insert(row.text(2));
      }
    }
    return {};
  }

  Status collect_texts(Connection& connection) {
    std::vector<std::string> queries;
    {
      Statement row = connection.prepare(
          "SELECT t.name, group_concat('coalesce(\"' || c.name || '\", '''')', ' || '' '' || ') "
          "FROM sqlite_schema t JOIN pragma_table_info(t.name) c "
          "WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND c.type = 'TEXT' GROUP BY "
          "t.name");
      while (TRY(row.step())) {
        const auto& without = kTablesWithoutBlobs;
        if (std::find(without.begin(), without.end(), row.text(0)) != without.end()) continue;
        queries.push_back("SELECT " + row.text(1) + " FROM \"" + row.text(0) + "\"");
      }
    }
    for (const std::string& query : queries) {
      Statement row = connection.prepare(query);
      while (TRY(row.step())) TRY(need_all_in(row.text(0)));
    }
    return {};
  }

  // A result lives on with any of its files: it is how the next step is found to be done.
  Status collect_results(Connection& connection, TimeUs before) {
    Statement row =
        connection.prepare("SELECT step_key, outputs_json, finished_at, outcome FROM step_result");
    std::vector<std::string> living;
    while (TRY(row.step())) {
      bool has_files = false;
      bool is_needed = false;
      each_name(row.text(1), [&](const std::string& name) {
        has_files = has_files || present_.contains(name);
        is_needed = is_needed || needed_.contains(name);
      });
      const bool is_small = !has_files && row.text(3) == "done";
      if (row.integer(2) >= before || is_needed || is_small) {
        living.push_back(row.text(1));
      } else {
        expired_results_.push_back(row.text(0));
      }
    }
    for (const std::string& outputs : living) TRY(need_all_in(outputs));
    return {};
  }

  Status need_all_in(std::string_view text) {
    std::vector<std::string> names;
    each_name(text, [&](std::string name) { names.push_back(std::move(name)); });
    for (const std::string& name : names) TRY(need(name));
    return {};
  }

  // With all that it names, when it is a manifest.
  Status need(const std::string& name) {
    if (!present_.contains(name) || !traced_.insert(name).second) return {};
    needed_.insert(name);
    const std::optional<Blobs::Facts> facts = blobs_.facts(name, 0);
    if (!facts || facts->bytes > kManifestBytesMax) return {};
    if (std::ifstream(blobs_.path(name)).peek() != '{') return {};
    return need_all_in(TRY(base::read_file(blobs_.path(name))));
  }

  const Blobs& blobs_;
  std::unordered_set<std::string> present_;
  std::unordered_set<std::string> needed_;
  std::unordered_set<std::string> traced_;
  std::vector<std::string> expired_results_;
};

Status forget_results(Database& database, const std::vector<std::string>& keys) {
  for (std::size_t start = 0; start < keys.size(); start += kResultsAtOnce) {
    const std::size_t end = std::min(keys.size(), start + kResultsAtOnce);
    TRY(database.write([&](Connection& connection) -> Status {
      for (std::size_t i = start; i < end; ++i) {
        TRY(connection.prepare("DELETE FROM step_result WHERE step_key = ?").with(keys[i]).run());
      }
      return {};
    }));
  }
  return {};
}

}  // namespace

Result<SweepReport> sweep_blobs(Home& home, const SweepOptions& options) {
  Blobs& blobs = home.blobs();
  // What is listed before the snapshot is named by a row in it, on its way there and young, or not needed.
  const std::vector<std::string> present = blobs.list();
  Needed needed(blobs, present);
  TRY(home.database().read([&](Connection& connection) { return needed.collect(connection, options); }));
  SweepReport report;
  report.results_removed = static_cast<std::int64_t>(needed.expired_results().size());
  if (!options.dry_run) TRY(forget_results(home.database(), needed.expired_results()));
  for (const std::string& name : present) {
    const std::optional<Blobs::Facts> facts = blobs.facts(name, options.young_us);
    if (!facts) continue;
    const bool is_unused = !needed.has(name);
    std::optional<std::uint64_t> freed;
    if (is_unused && !facts->is_young) {
      freed = options.dry_run ? facts->bytes : TRY(blobs.remove_unless_young(name, options.young_us));
    }
    if (freed) {
      ++report.blobs_removed;
      report.bytes_removed += *freed;
    } else {
      ++report.blobs_kept;
      report.bytes_kept += facts->bytes;
      if (is_unused) ++report.blobs_young;
    }
  }
  return report;
}

}  // namespace trimtab::store
