#include "flow/task.h"

#include <algorithm>

#include "base/hash.h"
#include "check/contract.h"
#include "clean/recipe_steps.h"
#include "features/frame.h"
#include "flow/learn.h"
#include "flow/score.h"
#include "ingest/ingest.h"
#include "model/booster.h"
#include "profile/column_state.h"
#include "table/engine.h"

namespace trimtab::flow {

bool Task::is_known() const {
  return std::none_of(inputs.begin(), inputs.end(),
                      [](const TaskInput& input) { return input.sha256.empty(); });
}

const std::vector<OperationEntry>& operations() {
  static const std::vector<OperationEntry> entries = {
      // Names and types of the columns of a source's files.
      {"sniff", 1, ingest::sniff},
      // A file becomes a part: typed, null tokens read as nulls, naive times turned into instants.
      {"ingest", 1, ingest::ingest_file},
      // Rows that arrived one by one become a part like any other.
      {"ingest_rows", 1, ingest::ingest_rows},
      // The recipe's row steps and joins.
      {"clean", 1, clean::clean_part},
      // The owner's contract: rows that break it leave here.
      {"check", 1, check::check_part},
      {"check_table", 1, check::check_table},
      // What is known of each column.
      {"profile", 2, profile::profile_part},
      // Features and target of the training and test rows.
      {"frame", 1, features::make_frame},
      // A learner fitted on the frame, together with the recipe: an artifact.
      {"train", 4, train_artifact},
      // The artifact scored from the raw rows, measured, and held against the champion.
      {"judge", 2, judge_artifact},
      // A user's files with a prediction for each row.
      {"score", 1, score_files, false},
  };
  return entries;
}

const OperationEntry* find_operation(const std::string& name) {
  for (const OperationEntry& entry : operations()) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

std::string task_key(const Task& task) {
  const OperationEntry* operation = find_operation(task.operation);
  CHECK(operation != nullptr);
  base::Sha256 hash;
  // Each word is preceded by its length, so that no two lists of words hash alike.
  const auto word = [&hash](const std::string& text) {
    hash.update(std::to_string(text.size()) + ":" + text);
  };
  word(task.operation);
  word(std::to_string(operation->version));
  word(table::engine_version());
  word(model::booster_version());
  word(std::to_string(task.threads));
  word(task.params.dump());
  for (const TaskInput& input : task.inputs) {
    word(input.name);
    word(input.sha256);
  }
  return hash.finish();
}

std::string TaskResult::file(const std::string& name) const {
  if (pending) return {};
  const auto found = files.find(name);
  CHECK(found != files.end());
  return found->second.sha256;
}

}  // namespace trimtab::flow
