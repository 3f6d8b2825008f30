#include "bridges/mlflow/import_record.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "bridges/mlflow/mlflow_server.h"
#include "bridges/mlflow/server_record.h"
#include "bridges/mlflow/sqlite_record.h"
#include "registry/artifact_path.h"
#include "store/audit.h"

namespace trimtab::bridges {
namespace {

using store::Connection;

constexpr std::size_t kImportedBetweenWords = 500;
constexpr std::size_t kFilesAtOnce = 200;

class Importer {
 public:
  Importer(store::Home& home, const base::Clock& clock, ForeignRecord& record,
           const std::function<void(const std::string&)>& say)
      : home_(home), clock_(clock), record_(record), say_(say) {}

  Result<TransferReport> bring_all(const std::string& from) {
    for (const char* kind : {"experiments", "runs", "metric points", "logged models", "traces",
                             "registered models", "prompts", "versions", "aliases", "webhooks", "files"}) {
      report_[kind];
    }
    staging_ = TRY(home_.make_staging("import"));
    const Status brought = bring_experiments();
    static_cast<void>(base::remove_tree(staging_));
    TRY(Status(brought));
    TRY(bring_models());
    report_.leave_webhooks(TRY(record_.count_webhooks()));
    TRY(home_.database().write([&](Connection& connection) {
      Json counts = Json::object({{"from", from}, {"runs", report_["runs"].brought}});
      counts.set("versions", report_["versions"].brought).set("files", report_["files"].brought);
      return store::append_audit(connection, clock_.now(), "import", "record.import", "record",
                                 counts.dump());
    }));
    return std::move(report_);
  }

 private:
  // Writes one thing, and counts it by what `place` says.
  template <class Place>
  Result<bool> write(const char* kind, const Place& place) {
    bool is_new = false;
    TRY(home_.database().write([&](Connection& connection) -> Status {
      is_new = TRY(place(connection));
      return {};
    }));
    ++(is_new ? report_[kind].brought : report_[kind].known);
    return is_new;
  }

  Status bring_experiments() {
    for (const registry::ImportedExperiment& experiment : TRY(record_.experiments())) {
      std::int64_t id = 0;
      TRY(write("experiments", [&](Connection& connection) -> Result<bool> {
        const registry::PlacedExperiment placed = TRY(registry::place_experiment(connection, experiment));
        id = placed.id;
        return placed.is_new;
      }));
      TRY(bring_runs(experiment, id));
      TRY(bring_logged_models(experiment, id));
      TRY(bring_traces(experiment, id));
    }
    return {};
  }

  Status bring_runs(const registry::ImportedExperiment& experiment, std::int64_t id) {
    const std::vector<std::string> ids = TRY(record_.run_ids(experiment.id));
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (i > 0 && i % kImportedBetweenWords == 0) {
        say_("experiment '" + experiment.name + "': " + std::to_string(i) + " of " +
             std::to_string(ids.size()) + " runs");
      }
      const registry::ImportedRun run = TRY(record_.run(ids[i]));
      const bool is_new = TRY(
          write("runs", [&](Connection& connection) { return registry::place_run(connection, id, run); }));
      const auto points = static_cast<std::int64_t>(run.points.size());
      (is_new ? report_["metric points"].brought : report_["metric points"].known) += points;
      if (base::is_id(run.info.id)) TRY(bring_files(run.info.artifact_uri, "run/" + run.info.id));
    }
    return {};
  }

  Status bring_logged_models(const registry::ImportedExperiment& experiment, std::int64_t id) {
    for (const registry::ImportedLoggedModel& model : TRY(record_.logged_models(experiment.id))) {
      TRY(write("logged models",
                [&](Connection& connection) { return registry::place_logged_model(connection, id, model); }));
      TRY(bring_files(model.model.location, "logged_model/" + model.model.id));
    }
    return {};
  }

  static bool cannot_be_read(const Error& error) {
    return error.code == ErrorCode::unsupported || error.code == ErrorCode::malformed ||
           error.code == ErrorCode::invalid || error.code == ErrorCode::not_found;
  }

  Status bring_traces(const registry::ImportedExperiment& experiment, std::int64_t id) {
    const Result<std::vector<std::string>> ids = record_.trace_ids(experiment.id);
    if (!ids && ids.error().code != ErrorCode::unsupported) return fail(ids.error());
    if (!ids) report_.note("traces are left behind: " + ids.error().message + "; " + ids.error().hint);
    if (!ids) return {};
    for (const std::string& trace_id : *ids) {
      const Result<registry::ImportedTrace> imported = record_.trace(trace_id);
      if (!imported && !cannot_be_read(imported.error())) return fail(imported.error());
      if (!imported) {
        ++report_["traces"].left;
        report_.note("traces are left behind, as '" + first_trace(trace_id) +
                     "': " + imported.error().message);
        continue;
      }
      TRY(write("traces",
                [&](Connection& connection) { return registry::place_trace(connection, id, *imported); }));
      for (const registry::KeyValue& tag : imported->trace.tags) {
        if (tag.key != registry::kArtifactLocation) continue;
        TRY(bring_files(tag.value, "proxy", registry::trace_folder(id, trace_id) + "/"));
      }
    }
    return {};
  }

  // The first one that was met stands for all.
  const std::string& first_trace(const std::string& id) {
    if (first_trace_.empty()) first_trace_ = id;
    return first_trace_;
  }

  // Files that cannot be had are left behind with a note; the record itself comes. `folder` within the root:
  // "" or "3/traces/tr-…/artifacts/".
  Status bring_files(const std::string& location, const std::string& root, const std::string& folder = "") {
    const Result<std::vector<ForeignFile>> files = record_.files(location);
    if (!files) {
      const ErrorCode code = files.error().code;
      if (code != ErrorCode::unsupported && code != ErrorCode::not_found) return fail(files.error());
      // The places differ by run; a note for each would say nothing more.
      if (code == ErrorCode::unsupported) {
        ++report_["files"].left;
        report_.note("files of runs or models are left behind, as in: " + first_words(files.error()));
      }
      return {};
    }
    std::map<std::string, std::int64_t> known;
    TRY(home_.database().read([&](Connection& connection) -> Status {
      known = TRY(registry::known_files(connection, root, folder));
      return {};
    }));
    std::vector<registry::ImportedFile> fresh;
    for (const ForeignFile& file : *files) {
      TRY(bring_file(location, file, folder, known, fresh));
      if (fresh.size() >= kFilesAtOnce) TRY(keep_files(root, fresh));
    }
    return keep_files(root, fresh);
  }

  // The first place that was met stands for all.
  const std::string& first_words(const Error& error) {
    if (left_behind_.empty()) left_behind_ = error.message + " (" + error.hint + ")";
    return left_behind_;
  }

  Status bring_file(const std::string& location, const ForeignFile& file, const std::string& folder,
                    const std::map<std::string, std::int64_t>& known,
                    std::vector<registry::ImportedFile>& fresh) {
    const Result<std::string> path = registry::check_artifact_path(folder + file.path);
    if (!path) {
      ++report_["files"].left;
      report_.note("a file is left behind whose name no artifact may have");
      return {};
    }
    const auto held = known.find(*path);
    if (held != known.end() && held->second == file.size) {
      ++report_["files"].known;
      return {};
    }
    const std::filesystem::path staged = staging_ / base::random_hex(8);
    const Status fetched = record_.fetch(location, file.path, staged);
    if (!fetched && fetched.error().code != ErrorCode::malformed) return fetched;
    if (!fetched) {
      ++report_["files"].left;
      report_.note("'" + file.path + "' is left behind: " + fetched.error().message);
      return {};
    }
    std::error_code failure;
    const auto size = static_cast<std::int64_t>(std::filesystem::file_size(staged, failure));
    fresh.push_back({*path, TRY(home_.blobs().put_file(staged)), size});
    ++report_["files"].brought;
    report_.file_bytes += static_cast<std::uint64_t>(size);
    return {};
  }

  Status keep_files(const std::string& root, std::vector<registry::ImportedFile>& files) {
    if (files.empty()) return {};
    TRY(home_.database().write(
        [&](Connection& connection) { return registry::place_files(connection, root, files); }));
    files.clear();
    return {};
  }

  Status bring_models() {
    const TimeUs now = clock_.now();
    for (const registry::ImportedModel& imported : TRY(record_.models())) {
      const std::string& name = imported.model.name;
      const bool is_prompt = std::any_of(imported.model.tags.begin(), imported.model.tags.end(),
                                         [](const registry::KeyValue& tag) {
                                           return tag.key == "mlflow.prompt.is_prompt" && tag.value == "true";
                                         });
      TRY(write(is_prompt ? "prompts" : "registered models",
                [&](Connection& connection) { return registry::place_model(connection, imported.model); }));
      for (const registry::ModelVersion& version : imported.versions) {
        TRY(write("versions",
                  [&](Connection& connection) { return registry::place_version(connection, version, now); }));
      }
      for (const registry::AliasFact& alias : imported.model.aliases) {
        TRY(write("aliases", [&](Connection& connection) {
          return registry::place_alias(connection, name, alias, now);
        }));
      }
    }
    return {};
  }

  store::Home& home_;
  const base::Clock& clock_;
  ForeignRecord& record_;
  const std::function<void(const std::string&)>& say_;
  TransferReport report_;
  std::filesystem::path staging_;
  std::string left_behind_;
  std::string first_trace_;
};

// What people give most often and that cannot be read, each with its way. Passwords in an address stay there.
Status expect_no_other_store(const std::string& from) {
  const std::string scheme = from.substr(0, from.find_first_of("+:"));
  for (const char* database : {"postgresql", "postgres", "mysql", "mssql"}) {
    if (scheme != database || from.find("://") == std::string::npos) continue;
    return fail(
        ErrorCode::unsupported,
        "'" + scheme + "://…' is a database server: only SQLite files and running MLflow servers are read",
        "start `mlflow server` with it as --backend-store-uri and give that server's http://HOST:PORT");
  }
  std::error_code unknown;
  if (!std::filesystem::is_directory(from.starts_with("file://") ? from.substr(7) : from, unknown)) return {};
  return fail(
      ErrorCode::unsupported, "'" + from + "' is a folder: a file store of MLflow's, which is not read",
      "`mlflow migrate-filestore --source " + from +
          " --target sqlite:///mlflow.db` makes a database of it for --from, with --artifacts " + from +
          "; or start `mlflow server --backend-store-uri " + from + "` and give its http://HOST:PORT");
}

}  // namespace

Result<std::unique_ptr<ForeignRecord>> open_record(const std::string& from, const std::string& artifacts) {
  if (from.starts_with("http://") || from.starts_with("https://")) {
    return make_server_record(TRY(MlflowServer::connect(from)));
  }
  // SQLAlchemy's URI: three slashes and a relative path, or four and an absolute one.
  constexpr std::string_view kScheme = "sqlite:///";
  const std::string file = from.starts_with(kScheme) ? from.substr(kScheme.size()) : from;
  TRY(expect_no_other_store(file));
  return open_sqlite_record(file, TRY(ArtifactFolder::open(artifacts)));
}

Result<TransferReport> import_record(store::Home& home, const base::Clock& clock, ForeignRecord& record,
                                     const std::string& from,
                                     const std::function<void(const std::string&)>& say) {
  return Importer(home, clock, record, say).bring_all(from);
}

}  // namespace trimtab::bridges
