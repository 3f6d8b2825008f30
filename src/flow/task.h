// A step of the graph: an operation, its parameters, and inputs named by their hash. Its key is the hash of
// all that; the same key means the same result, so nothing is ever computed twice.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "table/operation.h"

namespace trimtab::flow {

// A file that a step reads: a blob of the home, or (ingest) a file of the user's, whose content has this
// hash.
struct TaskInput {
  std::string name;
  std::string sha256;          // Empty: not known yet (a plan, with the step that makes it still to run).
  std::filesystem::path path;  // Of a user's file; empty for a blob.
};

struct Task {
  std::string operation;  // "ingest", "clean", …
  std::string label;      // For people: "ingest flights/2013-01-01.csv".
  Json params;
  std::vector<TaskInput> inputs = {};
  int threads = 1;  // In the key: float sums are formed per thread.

  bool is_known() const;  // All input hashes are known.
};

// What an operation is: its function and the version of its code (raised when its output changes).
struct OperationEntry {
  std::string name;
  int version = 1;
  table::Operation run;
  bool is_kept = true;  // False: its result goes to the user and is never used again.
};
// Every operation that exists, in the order of a row's life.
const std::vector<OperationEntry>& operations();
const OperationEntry* find_operation(const std::string& name);

// hash(operation, its version, engine and booster versions, params, threads, inputs' names and hashes).
std::string task_key(const Task& task);

struct OutputFile {
  std::string sha256;
  std::uint64_t size = 0;
};

// What a step used, whether it succeeded or not.
struct Resources {
  double cpu_s = 0;
  double wall_s = 0;
  std::uint64_t peak_rss_bytes = 0;  // Of a process that died: since it started, earlier steps included.
  std::uint64_t bytes_read = 0;      // Size of the inputs.
  std::int64_t rows = 0;             // The result's "rows", when it has one; else how far it had said it was.
};

struct TaskResult {
  std::string key;
  bool cached = false;   // It was there before.
  bool pending = false;  // Plan only: it would run; files and values are empty.
  std::string why;       // Plan only: "new", "its input changed", "its parameters changed: rounds 200 → 300".
  Json values;           // What the operation returned.
  std::map<std::string, OutputFile> files;
  Resources resources;

  // The output's hash, or "" when pending. CHECKs that a finished step has it.
  std::string file(const std::string& name) const;
};

}  // namespace trimtab::flow
