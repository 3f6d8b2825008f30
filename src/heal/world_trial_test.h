// A drawn world for the policy alone: batches of rows whose true concept is known, faults of random kind,
// time, size and length, and real boosted trees as versions. What a policy costs in it is measured as
// expected error above the best possible, so that variants of the policy can be compared in seconds, by seed.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <numbers>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "heal/policy.h"
#include "model/booster.h"
#include "model/level.h"
#include "watch/batches.h"

namespace trimtab::heal {

inline constexpr int kNumeric = 9, kWidth = 11, kTrialRows = 500;
inline constexpr std::int64_t kHistory = 20;  // Batches before the first that is answered.

enum class Fault : std::uint8_t {
  sudden,
  gradual,
  recurring,
  subpopulation,
  prior,   // the world
  poison,  // labels
  unit,
  default_value,
  missing,
  duplicate,  // data
  push,       // a person's bad version
  harmless,   // a shift that changes nothing in the relation
};
inline constexpr std::array<const char*, 7> kTrialClasses = {"clean", "world", "labels", "data",
                                                             "model", "mixed", "prior"};

struct DrawnFault {
  Fault kind = Fault::sudden;
  std::int64_t from = 0, length = 0;
  int column = 0;
  double size = 0;
};

struct TrialConcept {
  std::array<double, kNumeric> weight{};
  std::array<double, 5> first{};
  std::array<double, 8> second{};
  double intercept = 0;
};

class TrialWorld {
 public:
  TrialWorld(std::uint64_t seed, const std::string& kind) : random_(seed) {
    delay = std::array<std::int64_t, 3>{0, 2, 10}[seed % 3];
    for (double& weight : base_.weight) weight = normal() * 0.8;
    for (double& effect : base_.first) effect = normal() * 0.7;
    for (double& effect : base_.second) effect = normal() * 0.7;
    for (double& phase : phase_) phase = uniform() * 2 * std::numbers::pi;
    for (double& scale : scale_) scale = std::exp(normal());
    for (double& offset : offset_) offset = normal() * 10;
    draw_faults(kind);
  }

  struct Batch {
    std::vector<double> features;  // As they come in: faults included.
    std::vector<double> truth;     // As it is told: poison included.
    std::vector<double> probability;
    bool repeated = false;
  };

  Batch batch(std::int64_t t) {
    if (const DrawnFault* again = active(Fault::duplicate, t); again != nullptr && !last_.truth.empty()) {
      Batch same = last_;
      same.repeated = true;
      return same;
    }
    Batch made;
    for (int i = 0; i < kTrialRows; ++i) add_row(t, made);
    for (const DrawnFault& fault : faults) {
      if (t >= fault.from && t < fault.from + fault.length) corrupt(fault, made);
    }
    last_ = made;
    return made;
  }
  // Does a person put a bad version into service before this batch?
  bool pushes(std::int64_t t) const {
    return std::any_of(faults.begin(), faults.end(),
                       [t](const DrawnFault& fault) { return fault.kind == Fault::push && fault.from == t; });
  }

  std::int64_t delay = 0;  // Batches until the labels are there.
  std::int64_t batches = 150;
  std::vector<DrawnFault> faults;

 private:
  double uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }
  double normal() {
    return std::sqrt(-2 * std::log(1 - uniform())) * std::cos(2 * std::numbers::pi * uniform());
  }
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(uniform() * static_cast<double>(high - low + 1));
  }

  void draw_faults(const std::string& kind) {
    if (kind == "clean") return;
    const std::vector<Fault> world = {Fault::sudden, Fault::gradual, Fault::recurring, Fault::subpopulation,
                                      Fault::prior};
    const std::vector<Fault> data = {Fault::unit, Fault::default_value, Fault::missing, Fault::duplicate,
                                     Fault::harmless};
    std::vector<Fault> from = kind == "world"    ? world
                              : kind == "labels" ? std::vector{Fault::poison}
                              : kind == "data"   ? data
                              : kind == "model"  ? std::vector{Fault::push}
                              : kind == "prior"  ? std::vector{Fault::prior}
                                                 : world;
    if (kind == "mixed") {
      from.insert(from.end(), data.begin(), data.end());
      from.insert(from.end(), {Fault::poison, Fault::push});
    }
    const std::int64_t count = between(1, kind == "mixed" ? 6 : 3);
    for (std::int64_t i = 0; i < count; ++i) {
      DrawnFault fault;
      fault.kind = from[static_cast<std::size_t>(between(0, std::ssize(from) - 1))];
      fault.from = between(10, batches - 15);
      fault.length = is_of_world(fault.kind) ? batches : between(1, 6);
      if (fault.kind == Fault::recurring) fault.length = between(15, 40);
      if (fault.kind == Fault::unit || fault.kind == Fault::harmless) fault.length = between(3, 20);
      fault.column = static_cast<int>(between(0, kNumeric - 1));
      fault.size = 0.3 + uniform() * 1.2;
      faults.push_back(fault);
    }
  }
  static bool is_of_world(Fault kind) { return kind <= Fault::prior; }
  const DrawnFault* active(Fault kind, std::int64_t t) const {
    for (const DrawnFault& fault : faults) {
      if (fault.kind == kind && t >= fault.from && t < fault.from + fault.length) return &fault;
    }
    return nullptr;
  }

  TrialConcept concept_at(std::int64_t t, int first_level) const {
    TrialConcept now = base_;
    for (const DrawnFault& fault : faults) {
      if (!is_of_world(fault.kind) || t < fault.from || t >= fault.from + fault.length) continue;
      const double progress =
          fault.kind == Fault::gradual ? std::min(1.0, static_cast<double>(t - fault.from + 1) / 12) : 1;
      if (fault.kind == Fault::prior) now.intercept += fault.size * (fault.column % 2 == 0 ? 1 : -1);
      if (fault.kind == Fault::prior) continue;
      if (fault.kind == Fault::subpopulation && first_level != fault.column % 5) continue;
      // Some columns begin to mean the contrary.
      const int touched = 1 + static_cast<int>(fault.size * 3);
      for (int i = 0; i < touched; ++i) {
        double& weight = now.weight[static_cast<std::size_t>((fault.column + 2 * i) % kNumeric)];
        weight *= 1 - 2 * progress;
      }
    }
    return now;
  }

  void add_row(std::int64_t t, Batch& made) {
    const double common = normal();
    std::array<double, kNumeric> z{};
    for (std::size_t j = 0; j < kNumeric; ++j) {
      z[j] = 0.6 * common + 0.8 * normal() +
             0.3 * std::sin(2 * std::numbers::pi * static_cast<double>(t) / 30 + phase_[j]);
    }
    const auto first = static_cast<std::size_t>(std::min(4.0, 5 * uniform() * (0.4 + 0.6 * uniform())));
    const auto second = static_cast<std::size_t>(between(0, 7));
    const TrialConcept now = concept_at(t, static_cast<int>(first));
    double odds = now.intercept + now.first[first] + now.second[second] +
                  0.3 * std::sin(2 * std::numbers::pi * static_cast<double>(t) / 40);
    for (std::size_t j = 0; j < kNumeric; ++j) {
      odds += now.weight[j] * z[j];
      made.features.push_back(z[j] * scale_[j] + offset_[j]);
    }
    made.features.push_back(static_cast<double>(first));
    made.features.push_back(static_cast<double>(second));
    const double probability = 1 / (1 + std::exp(-odds));
    made.probability.push_back(probability);
    made.truth.push_back(uniform() < probability ? 1 : 0);
  }

  void corrupt(const DrawnFault& fault, Batch& made) {
    for (std::size_t i = 0; i < made.truth.size(); ++i) {
      double& cell = made.features[i * kWidth + static_cast<std::size_t>(fault.column)];
      const double scale = scale_[static_cast<std::size_t>(fault.column)];
      switch (fault.kind) {
        case Fault::poison:
          if (uniform() < 0.5 + fault.size / 3) made.truth[i] = 1 - made.truth[i];
          break;
        case Fault::unit:
          cell = fault.size < 0.9 ? cell * 1.8 + 32 : cell / 1000;
          break;
        case Fault::default_value:
          if (uniform() < 0.2 + fault.size / 2) cell = -999;
          break;
        case Fault::missing:
          if (uniform() < 0.2 + fault.size / 2) cell = std::nan("");
          break;
        case Fault::harmless:
          cell += 0.5 * fault.size * scale;
          break;
        default:
          break;
      }
    }
  }

  std::mt19937_64 random_;
  TrialConcept base_;
  std::array<double, kNumeric> phase_{}, scale_{}, offset_{};
  Batch last_;
};

struct TrialResult {
  double excess = 0;  // Batches predicted wrong above the best possible.
  int retrains = 0, promotions = 0, bad_promotions = 0, levels = 0, rollbacks = 0;
  double cost() const { return excess + 0.02 * retrains + 0.2 * bad_promotions; }
};

// How a retraining of the trial learns.
struct TrialLearner {
  double weight_before = 1;  // Of rows older than the change.
  int rounds = 60;
  int leaves = 15;
};

// One life of one policy in one world.
class Trial {
 public:
  Trial(std::uint64_t seed, const std::string& kind, PolicyOptions options, TrialLearner learner)
      : world_(seed, kind), options_(std::move(options)), learner_(learner) {}

  TrialResult live() {
    for (std::int64_t t = -kHistory; t < 0; ++t) keep(t, world_.batch(t));
    versions_[1] = fit({}, 0, 0);
    state_.served_version = 1;
    for (std::int64_t t = 0; t < world_.batches; ++t) {
      push_if_due(t);
      answer(t);
      if (t >= world_.delay) look(t - world_.delay, t);
    }
    return result_;
  }
  std::string story;

 private:
  struct Row {
    TimeUs time;
    std::size_t at;
  };
  static TimeUs time_of(std::int64_t t) { return (15'000 + t) * base::kDayUs; }
  static std::int64_t day_of(TimeUs time) { return time / base::kDayUs - 15'000; }

  void keep(std::int64_t t, TrialWorld::Batch batch) { history_[t] = std::move(batch); }

  std::shared_ptr<model::Booster> fit(const Verdict& verdict, std::int64_t before, std::int64_t since) {
    model::TrainingData data;
    data.width = kWidth;
    data.categorical = {9, 10};
    for (int j = 0; j < kWidth; ++j) data.feature_names.push_back("f" + std::to_string(j));
    for (const auto& [t, batch] : history_) {
      if (t >= before || (verdict.train_from > 0 && time_of(t) < verdict.train_from)) continue;
      const bool is_out =
          std::any_of(verdict.left_out.begin(), verdict.left_out.end(),
                      [t = time_of(t)](const auto& span) { return t >= span.from && t < span.until; });
      if (is_out) continue;
      data.values.insert(data.values.end(), batch.features.begin(), batch.features.end());
      for (const double truth : batch.truth) {
        data.targets.push_back(static_cast<float>(truth));
        data.weights.push_back(static_cast<float>(t < since ? weight_before_ : 1));
      }
    }
    model::BoosterOptions options;
    options.rounds = learner_.rounds;
    options.leaves = learner_.leaves;
    options.learning_rate = 0.1;
    options.threads = 1;
    const auto trained = model::train_booster(data, nullptr, options, [](std::int64_t) { return true; });
    if (!trained) return nullptr;
    return model::Booster::load(trained->text, kWidth).value();
  }

  std::vector<double> scores(std::int64_t version, const TrialWorld::Batch& batch) {
    std::vector<double> out(batch.truth.size());
    versions_.at(version)->predict(batch.features, out.data());
    if (bad_.contains(version)) {
      for (double& score : out) score = 1 - score;
    }
    return out;
  }
  static double error_of(const TrialWorld::Batch& batch, const std::vector<double>& score) {
    double error = 0;
    for (std::size_t i = 0; i < score.size(); ++i) {
      const double p = batch.probability[i];
      error += (score[i] > 0.5 ? 1 - p : p) - std::min(p, 1 - p);
    }
    return error / static_cast<double>(score.size());
  }

  void push_if_due(std::int64_t t) {
    if (!world_.pushes(t)) return;
    const std::int64_t made = std::ssize(versions_) + 1;
    versions_[made] = versions_.at(*state_.served_version);
    bad_.insert({made, true});
    serve(made, t);
    note_champion(state_, made);
  }
  void serve(std::int64_t version, std::int64_t) { state_previous_ = state_.served_version, (void)version; }

  void answer(std::int64_t t) {
    TrialWorld::Batch batch = world_.batch(t);
    watch::LabelledBatch labelled;
    labelled.number = time_of(t);
    labelled.end = time_of(t + 1);
    labelled.predictions = kTrialRows;
    labelled.width = kWidth;
    labelled.served_version = *state_.served_version;
    labelled.truth = batch.truth;
    labelled.features = batch.features;
    labelled.plain = scores(labelled.served_version, batch);
    labelled.served = labelled.plain;
    for (double& score : labelled.served) score = model::at_level(score, state_.levels.served());
    for (std::size_t i = 0; i < batch.truth.size(); ++i) {
      labelled.ids.push_back(std::to_string(t) + "/" + std::to_string(i));
      labelled.times.push_back(labelled.number + static_cast<TimeUs>(i));
    }
    labelled.scores[labelled.served_version] = labelled.plain;
    labelled.roles[labelled.served_version] = model::Role::served;
    result_.excess += error_of(batch, labelled.served);
    answered_[t] = std::move(labelled);
    keep(t, std::move(batch));
  }

  void look(std::int64_t t, std::int64_t now) {
    watch::LabelledBatch& batch = answered_.at(t);
    for (const std::int64_t version : versions_to_score(state_)) {
      if (batch.scores.contains(version) || !versions_.contains(version)) continue;
      batch.scores[version] = scores(version, history_.at(t));
      batch.roles[version] = model::Role::previous;
    }
    const Verdict verdict = decide(options_, state_, batch, time_of(now + 1));
    if (verdict.treatment != Treatment::none && verdict.treatment != Treatment::hold) {
      story += std::to_string(now) + ": " + verdict.to_json().dump() + "\n";
    }
    treat(verdict, now);
    answered_.erase(t);
  }

  void treat(const Verdict& verdict, std::int64_t now) {
    const TimeUs time = time_of(now + 1);
    switch (verdict.treatment) {
      case Treatment::retrain:
        return retrain(verdict, now);
      case Treatment::roll_back:
        ++result_.rollbacks;
        note_rollback(state_, *verdict.back_to, time);
        return;
      case Treatment::follow_level:
      case Treatment::leave_level:
        ++result_.levels;
        note_level(state_, verdict.treatment == Treatment::follow_level);
        return;
      default:
        return;
    }
  }

  void retrain(const Verdict& verdict, std::int64_t now) {
    ++result_.retrains;
    const std::int64_t known = now - world_.delay;  // The newest batch with labels.
    const std::int64_t test = std::min(day_of(verdict.test_from), known + 1);
    const std::int64_t since = verdict.since > 0 ? day_of(verdict.since) : INT64_MIN;
    weight_before_ = learner_.weight_before;
    const std::shared_ptr<model::Booster> made = fit(verdict, test, since);
    const std::int64_t version = std::ssize(versions_) + 1;
    if (made != nullptr) versions_[version] = made;
    const bool passes = made != nullptr && (!verdict.gated || beats(version, test, known));
    story += passes ? "   promoted\n" : "   refused\n";
    if (!passes) return note_refusal(state_, time_of(now + 1));
    ++result_.promotions;
    TrialWorld probe = world_;
    const TrialWorld::Batch next = probe.batch(now + 1);
    if (error_of(next, scores(version, next)) > error_of(next, scores(*state_.served_version, next)) + 0.01) {
      ++result_.bad_promotions;
      story += "   which is a bad one\n";
    }
    note_promotion(state_, version, time_of(now + 1));
  }
  bool beats(std::int64_t version, std::int64_t from, std::int64_t until) {
    double sum = 0, squares = 0, rows = 0;
    for (std::int64_t t = from; t <= until; ++t) {
      const TrialWorld::Batch& batch = history_.at(t);
      const std::vector<double> of_new = scores(version, batch),
                                of_old = scores(*state_.served_version, batch);
      for (std::size_t i = 0; i < of_new.size(); ++i) {
        const double gain = std::pow(of_old[i] - batch.truth[i], 2) - std::pow(of_new[i] - batch.truth[i], 2);
        sum += gain, squares += gain * gain, rows += 1;
      }
    }
    const double mean = sum / rows;
    return mean > 1.64 * std::sqrt((squares / rows - mean * mean) / rows);
  }

  TrialWorld world_;
  PolicyOptions options_;
  TrialLearner learner_;
  double weight_before_ = 1;
  PolicyState state_;
  std::optional<std::int64_t> state_previous_;
  std::map<std::int64_t, TrialWorld::Batch> history_;
  std::map<std::int64_t, watch::LabelledBatch> answered_;
  std::map<std::int64_t, std::shared_ptr<model::Booster>> versions_;
  std::map<std::int64_t, bool> bad_;
  TrialResult result_;
};

}  // namespace trimtab::heal
