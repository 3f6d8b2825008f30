// A score moved in log odds: how an endpoint answers when whole batches are expected to lie higher or lower
// than its version says (heal/level.h).
#pragma once

namespace trimtab::model {

// The probability whose log odds are those of `score`, moved by `level`. Level 0 changes no bit; NaN stays.
double at_level(double score, double level);
// ln(p / (1 - p)), of p held inside [1e-6, 1 - 1e-6].
double log_odds(double probability);
// The inverse of log_odds.
double sigmoid(double log_odds);

}  // namespace trimtab::model
