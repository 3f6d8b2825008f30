// What scoring with a version takes: its artifact, the parts of its joined tables, and how its source's files
// are read. The owner of the home knows it; a worker that sees nothing but blobs can work with it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "project/project.h"
#include "store/home.h"

namespace trimtab::flow {

struct ScoringKit {
  std::string model;
  std::int64_t version = 0;
  Json read;                                              // ingest::ingest_params of the model's source.
  std::map<std::string, std::vector<std::string>> blobs;  // Name of an input of the step "score" → SHA-256s.

  Json to_json() const;
  static Result<ScoringKit> from_json(const Json& json);
};

// `target`: an endpoint (the version that it serves) or a model (its newest version that passed its gates);
// "NAME@3" is version 3. Joined tables are as the last apply or refresh left them.
// Errors: not_found (did you mean; nothing serves; nothing passed), invalid (no version behind the '@').
Result<ScoringKit> find_scoring_kit(const project::Project& project, store::Home& home,
                                    const std::string& target);

}  // namespace trimtab::flow
