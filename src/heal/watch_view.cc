#include "heal/watch_view.h"

#include <utility>

#include "base/log.h"
#include "heal/ward.h"
#include "serve/prediction_log.h"

namespace trimtab::heal {

Result<std::unique_ptr<serve::Privacy>> open_privacy(const project::LogRule& rule, const store::Home& home) {
  if (rule.privacy.empty()) return std::unique_ptr<serve::Privacy>();
  return std::make_unique<serve::Privacy>(rule.privacy, TRY(serve::open_privacy_key(home.folder())));
}

std::shared_ptr<const watch::Baseline> load_baseline(store::Home& home, const std::string& model,
                                                     std::int64_t version, const KeptOut& kept_out) {
  const Result<std::shared_ptr<const model::Artifact>> artifact = load_version(home, model, version);
  if (!artifact || (*artifact)->baseline["watch"].is_null()) return nullptr;
  Result<watch::Baseline> baseline = watch::Baseline::from_json((*artifact)->baseline["watch"]);
  if (!baseline) {
    base::log_warning("watch", baseline.error().message);
    return nullptr;
  }
  if (kept_out.privacy != nullptr) {
    // A version that cannot be learnt is refused where it is deployed; here nothing of it is shown.
    const Status learnt = kept_out.privacy->learn(kept_out.engine, version, (*artifact)->recipe);
    const std::vector<bool> withheld = kept_out.privacy->withheld(version);
    for (std::size_t i = 0; i < static_cast<std::size_t>(baseline->width); ++i)
      baseline->columns[i].is_withheld = !learnt || withheld[i];
    baseline->columns.back().is_withheld = baseline->is_any_withheld();
  }
  return std::make_shared<const watch::Baseline>(std::move(*baseline));
}

void count_logged(watch::Watcher& watcher, const model::Prediction& prediction,
                  const watch::TruthById& truths) {
  watcher.add(prediction);
  const auto truth = truths.find(prediction.id);
  if (truth != truths.end()) watcher.add(prediction, truth->second);
}

Result<std::unique_ptr<watch::Watcher>> watcher_from_log(store::Home& home,
                                                         const registry::EndpointFacts& endpoint, TimeUs now,
                                                         const KeptOut& kept_out) {
  auto watcher =
      std::make_unique<watch::Watcher>([&home, model = endpoint.model, kept_out](std::int64_t version) {
        return load_baseline(home, model, version, kept_out);
      });
  const watch::TruthById truths = TRY(watch::read_truths(home, endpoint.name, now - watch::Realised::kKept));
  const std::unique_ptr<serve::PredictionLog> log =
      TRY(serve::PredictionLog::open(home.log_folder() / endpoint.name));
  TRY(log->read(INT64_MIN,
                [&](model::Prediction&& prediction) { count_logged(*watcher, prediction, truths); }));
  return watcher;
}

Result<Json> watch_view(const registry::EndpointFacts& endpoint, watch::Watcher& watcher,
                        const watch::WatchQuery& query, TimeUs now) {
  if (!endpoint.serving_version) {
    return fail(ErrorCode::not_found, "no version of '" + endpoint.name + "' serves yet",
                "run `trimtab apply`");
  }
  Json report = Json::object({{"endpoint", endpoint.name}, {"version", *endpoint.serving_version}});
  report.set("health", endpoint.health).set("serving_since", base::format_time(endpoint.changed_at));
  bool has_baseline = false;
  watcher.look(*endpoint.serving_version, [&](const watch::VersionWatch* version) {
    has_baseline = version != nullptr;
    if (!has_baseline) return;
    const Json seen = watch::watch_report(*version, query, now);
    for (const auto& [name, value] : seen.as_object()) report.set(name, value);
  });
  if (has_baseline) return report;
  return fail(ErrorCode::not_found,
              "version " + std::to_string(*endpoint.serving_version) + " of '" + endpoint.name +
                  "' has no baseline to be held against",
              "it was trained by an older Trimtab; the next training keeps one");
}

}  // namespace trimtab::heal
