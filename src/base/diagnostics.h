// Collects everything that is wrong with a text, so that a user fixes it in one round instead of one by one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace trimtab::base {

class Diagnostics {
 public:
  void add(Error error) { errors_.push_back(std::move(error)); }
  void add(SourceRange where, std::string message, std::string hint = {});
  bool empty() const { return errors_.empty(); }
  const std::vector<Error>& errors() const { return errors_; }
  // One Error that holds all of them: the first one itself when it is alone, otherwise "N errors" whose
  // rendering lists each. CHECKs that there is one.
  Error as_error() const;

 private:
  std::vector<Error> errors_;  // In the order they were found; as_error sorts them by place.
};

// The candidate closest to `word` by edit distance, when it is close enough to be a likely slip; else "".
std::string_view closest(std::string_view word, const std::vector<std::string>& candidates);
// "did you mean 'x'?", or "" when nothing is close.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace trimtab::base
