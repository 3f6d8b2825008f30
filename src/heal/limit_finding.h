// How one limit under `health:` stands.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/json.h"

namespace trimtab::heal {

struct LimitFinding {
  std::string limit;            // "auc >= 0.66"
  std::optional<double> value;  // freshness in seconds, errors as a share; nothing: see `why`.
  std::optional<double> low, high;
  double threshold = 0;
  std::int64_t rows = 0;  // Labelled rows, or requests.
  bool is_out = false;
  std::string why;  // Why there is no value.

  Json to_json() const;
  std::string to_text() const;  // "auc 0.104 (0.0774 to 0.13) where >= 0.6 is declared"
};

}  // namespace trimtab::heal
