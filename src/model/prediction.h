// One answer that an endpoint gave (or that a shadow would have given): what serve/ logs and watch/ judges.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace trimtab::model {

// What a version is at its endpoint. served: the champion. shadow: scores along and never answers. previous:
// the former champion, on probation. canary: answers a share of the rows and scores along on the others.
// plain: no version of its own, but what the served version itself said, where the answer was moved to the
// expected level (model/level.h).
enum class Role : std::uint8_t { served, shadow, previous, plain, canary };
std::string_view role_name(Role role);

struct VersionScore {
  std::int64_t version = 0;
  Role role = Role::served;
  double score = 0;
};

struct Prediction {
  std::string id;
  bool id_was_made = false;  // By the server: nobody asks under it again.
  std::string endpoint;
  TimeUs event_time = 0;  // Of the request row; the clock when it has none.
  TimeUs received = 0;
  std::string request_json;        // The request columns as one compact object, in schema order, as scored.
  std::uint64_t request_hash = 0;  // Of the row as it was sent: the same id with another input is a conflict.
  std::vector<VersionScore> scores;  // The version that answered first.
  std::vector<double> features;      // Encoded, as that version's learner saw them.
  bool damaged = false;              // Something of the row was repaired before it was scored.
};

}  // namespace trimtab::model
