// What is known at once, without labels, of two versions that were asked the same: which of them failed where
// the other answered, and how long each took. Counts only; what they mean is for others to say.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "model/prediction.h"

namespace trimtab::serve {

// A version failed to score, for the first time since it runs beside the other.
struct FirstFailure {
  TimeUs time = 0;  // 0: it has not failed.
  std::string error;

  bool operator==(const FirstFailure&) const = default;
};

// Of the champion and one of the versions that run beside it.
struct PairVitals {
  std::int64_t served = 0;
  std::int64_t other = 0;
  model::Role role = model::Role::shadow;  // Of the other.

  // Requests that both were asked. Rows of one request fail together, so they count once.
  std::int64_t requests = 0;
  std::int64_t served_failed = 0, other_failed = 0;            // Of them, and of these again …
  std::int64_t only_served_failed = 0, only_other_failed = 0;  // … those that the one failed alone.
  FirstFailure served_first, other_first;

  // Single rows of requests that both have answered, asked again one after the other: warm, on one thread.
  std::int64_t timed = 0;
  std::int64_t only_served_slow = 0, only_other_slow = 0;  // By is_slow, where the other one is not.
  double served_us = 0, other_us = 0;                      // In sum.

  bool operator==(const PairVitals&) const = default;
  // Exact, but for the role, which the next deployment says.
  Json to_json() const;
  static PairVitals from_json(const Json& json);
};

// With a limit, what takes longer than that is slow; without, what takes more than kManyTimes as long as the
// other version and a millisecond more: less than that no caller feels.
inline constexpr TimeUs kManyTimes = 3;
inline constexpr TimeUs kFeltUs = 1000;
bool is_slow(TimeUs took, TimeUs of_other, TimeUs limit);

// What became of one request at one version.
struct Asked {
  std::int64_t version = 0;
  bool failed = false;
  std::string error;  // Of a failure.
};

// Thread-safe.
class Vitals {
 public:
  // From now on these pairs are counted; those that were counted before go on, others are forgotten.
  // `time_max_us`: the owner's limit of one row's scoring; 0: there is none.
  void watch(std::vector<PairVitals> pairs, TimeUs time_max_us);
  // What the versions made of one request, or of a part of it: it has failed when one of its parts has.
  void note(std::uint64_t request, std::span<const Asked> asked, TimeUs now);
  void note_times(std::int64_t served, std::int64_t other, TimeUs served_took, TimeUs other_took);
  std::vector<PairVitals> pairs() const;

 private:
  mutable std::mutex mutex_;
  std::vector<PairVitals> pairs_;
  TimeUs time_max_us_ = 0;
  // The parts so far of the last kRequestsKnown requests, in a ring.
  struct Known {
    std::uint64_t request = 0;
    std::vector<Asked> asked;
  };
  std::vector<Known> newest_requests_;
  std::size_t next_ = 0;
};

}  // namespace trimtab::serve
