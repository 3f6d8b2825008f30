// An endpoint under care: what answers (serve/), what is remembered of its answers (the log), what is known
// of their truth (watch/), and what the policy makes of it. Rebuilt from disk after a restart, for the most
// part while it answers already (recovery.h).
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "heal/declared_health.h"
#include "heal/patient.h"
#include "heal/policy.h"
#include "heal/recovery.h"
#include "heal/watch_view.h"
#include "project/project.h"
#include "serve/endpoint.h"
#include "serve/prediction_log.h"
#include "serve/privacy.h"
#include "store/home.h"
#include "watch/batches.h"
#include "watch/label.h"
#include "watch/watcher.h"

namespace trimtab::heal {

// Reads a version's artifact file by file, each checked against its hash. Errors: not_found, storage_broken.
Result<std::shared_ptr<const model::Artifact>> load_version(store::Home& home, const std::string& model,
                                                            std::int64_t version);

class Ward final : public Patient {
 public:
  // Opens the endpoint's log, deploys the versions that the record names, and begins to recover what was
  // known of its predictions. Errors: storage_broken, and what a version's loading says.
  static Result<std::unique_ptr<Ward>> open(const project::Project& project,
                                            const project::Endpoint& declared, const PolicyOptions& options,
                                            store::Home& home, table::Engine& engine, serve::Lookups& lookups,
                                            const base::Clock& clock);
  ~Ward() override;

  const std::string& name() const override { return declared_.name; }
  const project::Endpoint& declared() const { return declared_; }
  const project::Project& project() const { return project_; }
  const PolicyOptions& options() const override { return options_; }
  serve::Endpoint& endpoint() { return *endpoint_; }
  const serve::Endpoint& endpoint() const { return *endpoint_; }
  serve::PredictionLog& log() { return *log_; }
  // Whether all is known again that was known before a restart. Until then what follows waits for it, and
  // what is answered and labelled is kept for later.
  const Recovery& recovery() const { return recovery_; }
  // With all that was answered until now.
  watch::Batches& batches() override {
    recovery_.wait();
    endpoint_->settle();
    return *batches_;
  }
  watch::Watcher& watcher() {
    recovery_.wait();
    endpoint_->settle();
    return *watcher_;
  }
  KeptOut kept_out() { return {engine_, privacy_.get()}; }
  PolicyState& policy() override {
    recovery_.wait();
    return policy_;
  }
  const PolicyState& policy() const override {
    recovery_.wait();
    return policy_;
  }
  std::vector<serve::PairVitals> vitals() const override { return endpoint_->vitals(); }

  // Deploys what the record says: the champion, the challenger in shadow, the previous champion on probation.
  // A champion that somebody else than the loop has put there gets a clean sheet: what was held against the
  // old one, failed heals included, is not its doing.
  Status redeploy() override;
  // The same without a look at the policy, which is the loop's: thread-safe.
  Status swap();
  Status can_serve(std::int64_t version) override;
  Result<std::vector<double>> score_again(std::int64_t version, const watch::LabelledBatch& batch) override;
  std::optional<watch::Correction> weakness_of(std::int64_t version) override;
  std::vector<model::Feature> features_of(std::int64_t version) override;
  // Looked at anew when a batch has been closed, another version answers, or a minute has passed.
  std::vector<LimitFinding> limits() override;
  void answer_at(double level) override { endpoint_->answer_at(level); }
  // Durable first, then joined; `on_done` hears the report after the commit. Thread-safe.
  void add_labels(std::vector<watch::Label> labels, std::function<void(Result<watch::LabelReport>)> on_done);

 private:
  Ward(const project::Project& project, const project::Endpoint& declared, const PolicyOptions& options,
       store::Home& home, table::Engine& engine, serve::Lookups& lookups, const base::Clock& clock);
  void recall_answers();
  void recall_requests();
  Status recover();
  void note(std::span<model::Prediction> predictions);
  ServiceFigures service_figures(TimeUs now);

  const project::Project& project_;
  const project::Endpoint& declared_;
  PolicyOptions options_;
  store::Home& home_;
  table::Engine& engine_;
  serve::Lookups& lookups_;
  const base::Clock& clock_;
  std::unique_ptr<serve::Privacy> privacy_;  // Null: nothing is kept out.
  std::unique_ptr<serve::PredictionLog> log_;
  std::unique_ptr<watch::Watcher> watcher_;  // Hears of what batches_ joins.
  std::unique_ptr<watch::Batches> batches_;
  std::unique_ptr<serve::Endpoint> endpoint_;
  PolicyState policy_;
  RecentTraffic recent_traffic_;
  // What the limits were last weighed at: newest batch, version that answers, minute.
  std::tuple<std::int64_t, std::int64_t, std::int64_t> weighed_at_ = {-1, -1, -1};
  std::vector<LimitFinding> limits_;
  std::vector<watch::Label> labels_meanwhile_;  // Until it has recovered.
  Recovery recovery_;                           // Ends before what it fills does.
};

}  // namespace trimtab::heal
