// Moves the schema forward one numbered file at a time. Every migration brings its own proof:
// NNNN_title.sql (up), NNNN_title.down.sql, NNNN_title.check.sql (one row of 1s when the new schema is
// right). A shipped file is never edited: the database keeps the hash of each one it ran.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace trimtab::store {

class Connection;

struct Migration {
  int number = 0;
  std::string name;  // "0001_home"
  std::string up;
  std::string down;
  std::string check;
  std::string sha256;  // Of `up`.
};

// The embedded ones, in order. CHECKs that numbers run 1..n and each has its three files.
std::vector<Migration> known_migrations();

// Runs what is missing, each migration with its check in one transaction of the caller's making.
// Errors: storage_broken (a newer schema than this program knows, an edited file, a check that says no).
Status migrate(Connection& connection, const std::vector<Migration>& migrations, std::int64_t now_us);

}  // namespace trimtab::store
