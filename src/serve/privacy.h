// What an owner declares under `log: privacy:`: columns of the request that nobody may read in the log.
// Applied before a prediction is kept anywhere, so a value that is not allowed is neither on the disk nor in
// what watches and heals.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/prediction.h"
#include "model/recipe.h"
#include "project/project.h"
#include "table/engine.h"

namespace trimtab::serve {

// The key of a home's hashes: privacy_key (0600) in its folder, made when it is first asked for. It is in no
// backup: who has the log alone cannot try values out. Errors: storage_broken, storage_full.
Result<std::string> open_privacy_key(const std::filesystem::path& home);

// Thread-safe.
class Privacy {
 public:
  Privacy(std::vector<project::PrivateColumn> columns, std::string key);
  ~Privacy();

  // What a version's features are made of; called before the version answers. A feature that is made of a
  // private column is not kept, whatever is kept of the column: one that is the column itself and is rounded
  // is kept rounded. Errors: invalid (a column that no request has: did you mean), and what binding says.
  Status learn(table::Engine& engine, std::int64_t version, const model::Recipe& recipe);

  // Makes a prediction one that may be kept: request, features and event time. Of a version that was never
  // learnt no feature is kept.
  void treat(model::Prediction& prediction) const;
  // A request as it may be logged. What does not fit its treatment (a text to be rounded) is dropped.
  std::string treat_request(const std::string& request_json) const;
  // Of each feature of a learnt version: whether something of it is withheld. Empty: never learnt.
  std::vector<bool> withheld(std::int64_t version) const;
  // Hashes of requests that are kept begin with it, so that nobody finds a request by trying.
  std::uint64_t request_seed() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::serve
