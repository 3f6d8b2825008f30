// A stream of labelled batches for the tests of this room: two features, of which the truth follows one, and
// a champion that knows the first. When the concept changes, the truth follows the second.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "base/clock.h"
#include "model/prediction.h"
#include "watch/batches.h"

namespace trimtab::heal {

// What the world, or a version, believes: the log odds are 3 times feature 0 or 1.
enum class Concept : std::uint8_t { first, second };

struct StreamRow {
  double features[2] = {0, 0};
  double truth = 0;
};

class Stream {
 public:
  explicit Stream(std::uint64_t seed) : random_(seed) {}

  double uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  static double believed(Concept concept_known, const StreamRow& row) {
    return 1 / (1 + std::exp(-3 * row.features[static_cast<std::size_t>(concept_known)]));
  }
  StreamRow row(Concept true_concept) {
    StreamRow made;
    for (double& feature : made.features) feature = uniform() * 2 - 1;
    made.truth = truth_of(true_concept, made);
    return made;
  }
  double truth_of(Concept true_concept, const StreamRow& row) {
    return uniform() < believed(true_concept, row) ? 1 : 0;
  }

  // The batch of one day as version `version` answered it, which knows `known`; `previous` scored along.
  watch::LabelledBatch day(std::int64_t number, Concept true_concept, std::int64_t version = 1,
                           Concept known = Concept::first, int rows = 100) {
    watch::LabelledBatch batch;
    batch.number = number * base::kDayUs;
    batch.end = batch.number + base::kDayUs;
    batch.predictions = rows;
    batch.served_version = version;
    batch.width = 2;
    batch.roles[version] = model::Role::served;
    for (int i = 0; i < rows; ++i) {
      const StreamRow made = row(true_concept);
      batch.ids.push_back(std::to_string(number) + "-" + std::to_string(i));
      batch.times.push_back(batch.number + i);
      batch.truth.push_back(made.truth);
      batch.served.push_back(believed(known, made));
      batch.features.insert(batch.features.end(), made.features, made.features + 2);
    }
    batch.scores[version] = batch.served;
    batch.plain = batch.served;
    return batch;
  }
  // Adds the scores of the former champion.
  static void add_previous(watch::LabelledBatch& batch, std::int64_t version, Concept known) {
    batch.roles[version] = model::Role::previous;
    std::vector<double>& scores = batch.scores[version];
    for (std::size_t i = 0; i < batch.truth.size(); ++i) {
      scores.push_back(believed(known, {{batch.features[2 * i], batch.features[2 * i + 1]}, 0}));
    }
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace trimtab::heal
