#include "app/backtest/backtest.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <thread>
#include <utility>

#include "app/life_of_a_row.h"
#include "app/verbs/workbench.h"
#include "base/diagnostics.h"
#include "base/file.h"
#include "base/hash.h"
#include "heal/naive_policy.h"
#include "model/artifact.h"
#include "plan/apply.h"
#include "project/load.h"
#include "registry/endpoints.h"
#include "registry/record.h"

namespace trimtab::app {
namespace {

namespace fs = std::filesystem;

struct PolicyChoice {
  std::string name;
  std::string policy;  // For `serve --policy`.
};

Result<PolicyChoice> choice_of(const std::string& name) {
  if (name == "never") return PolicyChoice{name, "never"};
  if (name == "weekly") return PolicyChoice{name, "every:7d"};
  if (name == "trimtab") return PolicyChoice{name, "declared"};
  if (heal::parse_policy(name)) return PolicyChoice{name, name};
  return fail(ErrorCode::invalid, "'" + name + "' is no policy",
              "trimtab, never, weekly, every:3d, every-batch, every-batches:5, psi, or loss-3sigma");
}

std::string folder_name(std::string policy) {
  std::replace(policy.begin(), policy.end(), ':', '-');
  return policy;
}

// A link costs nothing and cannot be half written; another file system wants a copy.
Status link_file(const fs::path& from, const fs::path& to) {
  TRY(base::make_folders(to.parent_path()));
  std::error_code failed;
  fs::create_hard_link(from, to, failed);
  if (failed) fs::copy_file(from, to, fs::copy_options::overwrite_existing, failed);
  if (failed)
    return fail(ErrorCode::storage_broken, "cannot copy '" + from.string() + "': " + failed.message());
  return {};
}

// A copy of a home that nobody owns now. The database is copied, all else is linked: blobs never change.
Status copy_home(const fs::path& from, const fs::path& to) {
  std::error_code failed;
  for (const auto& entry : fs::recursive_directory_iterator(from, failed)) {
    const fs::path relative = entry.path().lexically_relative(from);
    const std::string first = relative.begin()->string();
    if (!entry.is_regular_file() || first == "lock" || first == "server.json" || first == "staging") continue;
    if (first == "blobs") {
      TRY(link_file(entry.path(), to / relative));
      continue;
    }
    TRY(base::make_folders((to / relative).parent_path()));
    fs::copy_file(entry.path(), to / relative, fs::copy_options::overwrite_existing, failed);
    if (failed)
      return fail(ErrorCode::storage_broken,
                  "cannot copy '" + entry.path().string() + "': " + failed.message());
  }
  return {};
}

class Backtest {
 public:
  Backtest(const project::Project& project, const BacktestOptions& options, flow::ProgressListener& listener)
      : project_(project), options_(options), listener_(listener) {}

  Result<BacktestReport> run() {
    endpoint_ = TRY(endpoint());
    if (options_.to && *options_.to <= options_.from) {
      return fail(ErrorCode::invalid,
                  "the replay would end at " + base::format_time(*options_.to) + ", before it begins at " +
                      base::format_time(options_.from),
                  "--to must be later than --from");
    }
    for (const std::string& name : options_.policies) choices_.push_back(TRY(choice_of(name)));
    project::Project adjusted = project_;
    for (const std::string& setting : options_.settings) TRY(project::set_heal(adjusted, setting));
    // What was asked names the folder, so that another question starts afresh and the same one goes on.
    std::string question = project_.text + "|" + base::format_time(options_.from) + "|" +
                           (options_.to ? base::format_time(*options_.to) : "") + "|" + endpoint_;
    for (const std::string& setting : options_.settings) question += "|" + setting;
    folder_ = fs::path(options_.home) / "backtests" / base::sha256(question).substr(0, 12);
    TRY(base::make_folders(folder_));
    const HistoryFeed feed = TRY(prepare());
    if (feed.requests.empty()) {
      return fail(ErrorCode::invalid,
                  "there is no row to replay from " + base::format_time(options_.from) + " on",
                  "--from must leave rows to be asked about");
    }
    options_.say(std::to_string(feed.requests.size()) + " requests, " + std::to_string(feed.labels.size()) +
                 " labels, " + std::to_string(choices_.size()) + " policies");
    return replay(feed);
  }

 private:
  Result<std::string> endpoint() const {
    if (options_.endpoint.empty() && project_.endpoints.size() == 1) return project_.endpoints.front().name;
    if (project_.find_endpoint(options_.endpoint) != nullptr) return options_.endpoint;
    std::vector<std::string> names;
    for (const project::Endpoint& known : project_.endpoints) names.push_back(known.name);
    if (!options_.endpoint.empty()) {
      return fail(ErrorCode::not_found, "there is no endpoint '" + options_.endpoint + "'",
                  base::did_you_mean(options_.endpoint, names));
    }
    return fail(ErrorCode::invalid, "the project has " + std::to_string(names.size()) + " endpoints",
                names.empty() ? "declare one under `endpoints:`" : "name the one to replay with --endpoint");
  }

  // Everything ingested once, the world of the first day applied once, and a copy of it for each policy.
  Result<HistoryFeed> prepare() {
    std::unique_ptr<Workbench> bench = TRY(open_bench(folder_ / "feed", project_));
    const History history = TRY(ingest_history(*bench, listener_));
    to_ = options_.to.value_or(end_of(history));
    const std::vector<std::string> start = files_before(*bench, history, options_.from);
    if (start.empty()) {
      return fail(ErrorCode::invalid, "no file ends before " + base::format_time(options_.from),
                  "--from must leave something to train on");
    }
    bench.reset();
    TRY(apply_first_day(start));
    for (const PolicyChoice& choice : choices_) TRY(make_policy_folder(choice));
    bench = TRY(open_bench(folder_ / "feed", project_));
    return load_feed(*bench, history, endpoint_, request_columns_, options_.from, to_);
  }

  static TimeUs end_of(const History& history) {
    TimeUs end = 0;
    for (const auto& [name, snapshot] : history.sources) {
      for (const table::Part& part : snapshot.parts) end = std::max(end, part.time_max.value_or(0) + 1);
    }
    return end;
  }

  Result<std::unique_ptr<Workbench>> open_bench(const fs::path& home, const project::Project& project) const {
    std::unique_ptr<Workbench> bench = TRY(open_workbench(home.string(), project));
    bench->executor.limits = options_.limits;
    return bench;
  }

  fs::path base_folder() const { return folder_ / "base"; }

  Status apply_first_day(const std::vector<std::string>& start) {
    const fs::path project_folder = base_folder() / "project";
    const fs::path home = base_folder() / "home";
    if (!fs::exists(base_folder() / "ready")) {
      TRY(base::remove_tree(base_folder()));
      TRY(base::make_folders(project_folder));
      TRY(base::write_file_durably(project_folder / "trimtab.yaml", project_.text));
      for (const std::string& file : start) TRY(link_file(project_.folder / file, project_folder / file));
      TRY(copy_home(folder_ / "feed", home));
      TRY(base::write_file_durably(base_folder() / "ready", ""));
    }
    project::Project applied = TRY(project::load(project_folder));
    if (project::take_approvals_as_given(applied))
      options_.say("approvals are taken as given: nobody is there to ask");
    const std::unique_ptr<Workbench> bench = TRY(open_bench(home, applied));
    const auto nobody_serves = [](const std::string&) -> Status { return {}; };
    TRY(live_until_served(bench->workplace(), options_.from, listener_, nobody_serves));
    const registry::EndpointFacts facts = TRY(registry::find_endpoint(*bench->home, endpoint_));
    CHECK(facts.serving_version);
    const registry::VersionFacts version =
        TRY(registry::find_version(*bench->home, facts.model, *facts.serving_version));
    const Json manifest = TRY(base::parse_json(TRY(bench->home->blobs().get(version.manifest_sha256))));
    const std::string recipe_blob = model::manifest_files(manifest).at("recipe.json");
    const Json recipe_json = TRY(base::parse_json(TRY(bench->home->blobs().get(recipe_blob))));
    request_columns_ = TRY(model::Recipe::from_json(recipe_json)).request.names();
    // The event time says which batch a row belongs to, whether the model reads it or not.
    const std::string& table = project_.find_model(facts.model)->from;
    const std::string& time = project_.find_source(project_.find_table(table)->from)->time;
    if (std::find(request_columns_.begin(), request_columns_.end(), time) == request_columns_.end()) {
      request_columns_.push_back(time);
    }
    return {};
  }

  // Made beside its place and moved there whole.
  Status make_policy_folder(const PolicyChoice& choice) {
    const fs::path place = folder_ / folder_name(choice.name);
    if (fs::exists(place)) return {};
    const fs::path making = folder_ / (folder_name(choice.name) + ".new");
    TRY(base::remove_tree(making));
    TRY(copy_home(base_folder() / "home", making / "home"));
    for (const auto& entry : fs::recursive_directory_iterator(base_folder() / "project")) {
      if (!entry.is_regular_file()) continue;
      TRY(link_file(entry.path(),
                    making / "project" / entry.path().lexically_relative(base_folder() / "project")));
    }
    std::error_code failed;
    fs::create_directory_symlink(project_.folder, making / "origin", failed);
    if (!failed) fs::rename(making, place, failed);
    if (failed)
      return fail(ErrorCode::storage_broken, "cannot make '" + place.string() + "': " + failed.message());
    return {};
  }

  // The policies side by side: each has a server and a connection of its own.
  Result<BacktestReport> replay(const HistoryFeed& feed) {
    std::vector<Result<PolicyResult>> results(choices_.size(), fail(ErrorCode::internal, "not run"));
    std::vector<std::atomic<std::int64_t>> done(choices_.size());
    std::atomic<std::int64_t> total{1};
    std::atomic<std::size_t> running{choices_.size()};
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < choices_.size(); ++i) {
      threads.emplace_back([&, i] {
        PolicySettings settings{choices_[i].name,
                                choices_[i].policy,
                                options_.settings,
                                folder_ / folder_name(choices_[i].name),
                                endpoint_,
                                options_.from,
                                to_,
                                options_.limits};
        results[i] = run_policy(settings, feed, [&, i](std::int64_t ticks, std::int64_t all) {
          done[i] = ticks;
          total = all;
        });
        --running;
      });
    }
    const TimeUs started = base::steady_now();
    const auto report_until = [&](std::size_t few) { report_while(running, few, started, done, total); };
    // There are cores for few things at a time: the oracle keeps the last policy company.
    report_until(1);
    Result<OracleResult> oracle = consult_oracle();
    report_until(0);
    for (std::thread& thread : threads) thread.join();
    BacktestReport report;
    report.oracle = TRY(std::move(oracle));
    for (Result<PolicyResult>& result : results) report.policies.push_back(TRY(std::move(result)));
    return report;
  }

  Result<OracleResult> consult_oracle() {
    const std::unique_ptr<Workbench> bench = TRY(open_bench(folder_ / "feed", project_));
    const project::Model& model = *project_.find_model(project_.find_endpoint(endpoint_)->model);
    if (model.task != project::Task::binary) return OracleResult{};
    options_.say("refitting the oracle: before every 28 days, each label known at once");
    OracleResult oracle = refit_oracle(*bench, model, options_.from, to_, listener_);
    if (!oracle.trouble.empty()) options_.say("the oracle lacks a span: " + oracle.trouble);
    return oracle;
  }

  // Until only `few` policies still run.
  void report_while(const std::atomic<std::size_t>& running, std::size_t few, TimeUs started,
                    const std::vector<std::atomic<std::int64_t>>& done,
                    const std::atomic<std::int64_t>& total) const {
    TimeUs said = base::steady_now();
    while (running > few) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (base::steady_now() - said < 10 * base::kSecondUs) continue;
      said = base::steady_now();
      std::string line = "replaying:";
      for (std::size_t i = 0; i < choices_.size(); ++i) {
        line += " " + choices_[i].name + " " +
                std::to_string(100 * done[i] / std::max<std::int64_t>(total, 1)) + " %";
      }
      options_.say(line + ", " + std::to_string((said - started) / base::kSecondUs) + " s");
    }
  }

  const project::Project& project_;
  const BacktestOptions& options_;
  flow::ProgressListener& listener_;
  std::string endpoint_;
  std::vector<PolicyChoice> choices_;
  fs::path folder_;
  TimeUs to_ = 0;
  std::vector<std::string> request_columns_;
};

std::string cell(const Json& value, const char* format) {
  char text[32] = "-";
  if (value.is_number()) std::snprintf(text, sizeof text, format, value.as_double());
  return text;
}

Json difference(const Json& value, const Json& from) {
  return value.is_number() && from.is_number() ? Json(value.as_double() - from.as_double()) : Json();
}

// In batches answered wrong: Brier loss above the oracle's, and what acting costs (as in the healing bench).
Json cost_of(const PolicyResult& policy, const OracleResult& oracle) {
  constexpr double kOfRetrain = 0.02, kOfUselessHeal = 0.02;
  const Json excess = difference(policy.brier, oracle.brier);
  if (excess.is_null()) return {};
  return Json(excess.as_double() * static_cast<double>(policy.batches) +
              kOfRetrain * static_cast<double>(policy.retrains) +
              kOfUselessHeal * static_cast<double>(policy.useless));
}

constexpr std::size_t kEvidenceWidth = 150;  // Then no further figure is begun.

std::string short_evidence(const Json& evidence) {
  std::string text;
  if (!evidence.is_object()) return text;
  for (const auto& [name, value] : evidence.as_object()) {
    if (!value.is_number()) continue;
    text += (text.empty() ? "" : ", ") + name + " " + cell(value, "%.4g");
    if (text.size() > kEvidenceWidth) break;
  }
  return text;
}

}  // namespace

Result<BacktestReport> run_backtest(const project::Project& project, const BacktestOptions& options,
                                    flow::ProgressListener& listener) {
  return Backtest(project, options, listener).run();
}

Json BacktestReport::to_json() const {
  Json list = Json::array();
  Json timeline = Json::array();
  for (const PolicyResult& policy : policies) {
    Json json = policy.to_json();
    json.set("regret", difference(policy.log_loss, oracle.log_loss)).set("cost", cost_of(policy, oracle));
    list.push(std::move(json));
    if (policy.name == "trimtab") timeline = policy.timeline;
  }
  Json of_oracle = Json::object({{"log_loss", oracle.log_loss}, {"brier", oracle.brier}});
  of_oracle.set("rows", oracle.rows);
  Json json = Json::object({{"policies", std::move(list)}, {"oracle", std::move(of_oracle)}});
  return json.set("timeline", std::move(timeline));
}

std::string BacktestReport::to_text() const {
  char line[256];
  std::string text =
      "policy      log loss     AUC  predictions   labels  retrains  promoted  rolled back  incidents"
      "   regret    cost  useless  detect    heal\n";
  for (const PolicyResult& policy : policies) {
    std::snprintf(
        line, sizeof line, "%-10s %9s %7s %12lld %8lld %9lld %9lld %12lld %10lld%9s%8s%9lld%8s%8s\n",
        policy.name.c_str(), cell(policy.log_loss, "%.5f").c_str(), cell(policy.auc, "%.4f").c_str(),
        static_cast<long long>(policy.predictions), static_cast<long long>(policy.labels),
        static_cast<long long>(policy.retrains), static_cast<long long>(policy.promotions),
        static_cast<long long>(policy.rollbacks), static_cast<long long>(policy.incidents),
        cell(difference(policy.log_loss, oracle.log_loss), "%+.4f").c_str(),
        cell(cost_of(policy, oracle), "%.2f").c_str(), static_cast<long long>(policy.useless),
        cell(policy.days_to_detect, "%.1f d").c_str(), cell(policy.days_to_heal, "%.1f d").c_str());
    text += line;
  }
  if (!oracle.log_loss.is_null()) {
    text += "oracle      " + cell(oracle.log_loss, "%.5f") + "  refitted before every 28 days\n";
  }
  for (const PolicyResult& policy : policies) {
    if (policy.name != "trimtab") continue;
    text += "\nTimeline of trimtab's own policy\n";
    if (policy.timeline.as_array().empty()) text += "  nothing was done\n";
    for (const Json& entry : policy.timeline.as_array()) {
      text += "  " + entry.text_or("time").substr(0, 16) + "  " + entry.text_or("event") + "\n" +
              "      evidence: " + short_evidence(entry["evidence"]) + "\n" +
              "      action:   " + entry.text_or("action") + "\n";
    }
  }
  return text;
}

}  // namespace trimtab::app
