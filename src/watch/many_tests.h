// Decisions over many columns at once, and over and over again, with the chance of a false alarm kept where
// it was promised. An e-value is what a bet against "nothing has changed" has made of 1: its mean is at most
// 1 as long as nothing has. Pure functions and one small value.
#pragma once

#include <array>
#include <span>
#include <vector>

namespace trimtab::watch {

inline constexpr double kFalseShare = 0.05;  // Of what is called moved, at most so much is false on average.

// ln of an e-value from ln p: the mixture ∫κ p^(κ-1)dκ = (1 - p + p ln p) / (p ln²p) over all κ in (0,1)
// (Vovk & Wang 2021).
double log_e_of(double log_p);
// e-BH (Wang & Ramdas 2022): which of the hypotheses to reject so that the expected share of false ones among
// them is at most `share`, however they depend on one another.
std::vector<bool> e_bh(std::span<const double> log_e, double share = kFalseShare);

// What bets on one set of rows have made of 1, as logarithms: sums over the rows, so that sets of rows merge
// by adding. `higher` bets that outcomes lie above their scores by more than kTolerance, `lower` that they
// lie below.
struct Wealth {
  static constexpr std::array<double, 3> kBets = {0.05, 0.2, 0.5};
  static constexpr double kTolerance = 0.02;

  std::array<double, kBets.size()> higher{}, lower{};

  // One outcome in [0,1] and what had been said of it; `sign` -1 takes it back.
  void add(double outcome, double score, double sign = 1);
  void merge(const Wealth& other);
};

// Whether outcomes lie where the scores said, watched for ever: an e-detector (Shin, Ramdas & Rinaldo 2022).
// Restarted at every batch (M ← (1 + M)·e), so that a change at any time is found. While every score is right
// to the tolerance, an alarm comes on average no sooner than after 1/kAlarm batches. A season that the score
// knows of cancels out. For one thread.
class OutcomeDetector {
 public:
  static constexpr double kAlarm = 0.001;

  void push(const Wealth& batch);

  double log_value() const { return log_value_; }  // ln of the larger side.
  bool alarms() const;
  bool is_higher() const { return is_higher_; }  // The truth lies above the scores (else below).
  int batches() const { return batches_; }

 private:
  static constexpr double kNothing = -1e300;
  double log_higher_ = kNothing, log_lower_ = kNothing;
  double log_value_ = kNothing;
  bool is_higher_ = false;
  int batches_ = 0;
};

}  // namespace trimtab::watch
