// The door to DuckDB: one hardened in-memory instance. Opened with autoinstall and autoload off, file access
// only below the given folders, configuration locked.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "table/batch.h"
#include "table/schema.h"

namespace trimtab::table {

struct EngineOptions {
  std::vector<std::string> folders_allowed;  // Empty: no file at all.
  std::string spill_folder;                  // "": never spill to disk.
  std::uint64_t memory_bytes_max = 4ull << 30;
  int threads = 1;
};

// Thread-safe: each call uses a connection of its own.
class Engine {
 public:
  static Result<std::unique_ptr<Engine>> open(const EngineOptions& options);
  // Starts the instance when it is first used, which then has open's errors too. For a process that may never
  // need it: the instance takes some 10 MB.
  static std::unique_ptr<Engine> on_first_use(const EngineOptions& options);
  ~Engine();

  // Runs one statement of our own making and drops its rows. `time_zone` is the session's zone.
  // Errors: invalid (with the engine's message), not_found (a file), forbidden (a file outside of its
  // folders), too_large (for the engine's memory), storage_full, storage_broken, internal.
  Status run(const std::string& sql, const std::string& time_zone = "UTC");

  // Runs a query and hands over its rows in batches of at most 2048, in result order. Columns come as our
  // five types (whole numbers widened, decimals as real, dates as time at midnight in `time_zone`, the rest
  // as text).
  Status query(const std::string& sql, const std::function<Status(const Batch&)>& visit,
               const std::string& time_zone = "UTC");
  // The schema that `query` would deliver.
  Result<Schema> describe(const std::string& sql, const std::string& time_zone = "UTC");
  // The first row's cells as JSON; for aggregates. Errors: not_found when there is no row.
  Result<std::vector<Json>> query_row(const std::string& sql, const std::string& time_zone = "UTC");

  struct State;
  State& state() { return *state_; }  // For this room only.

 private:
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Whether a refusal of the engine's was for want of memory.
bool is_out_of_memory(const Error& error);

// Version of the engine that is linked in, e.g. "v1.5.5"; part of every step's key.
std::string engine_version();

}  // namespace trimtab::table
