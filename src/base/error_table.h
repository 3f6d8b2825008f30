// The one table of what can go wrong: our code, its HTTP status, MLflow's error_code and the CLI's exit code.
// A new way to fail is a new row here, never a number somewhere else.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace trimtab::base {

enum class ErrorCode : std::uint8_t {
  invalid,          // A value, expression or file that can never be accepted.
  malformed,        // Text that does not parse (JSON, YAML, CSV, HTTP).
  too_large,        // Over a declared limit: body, depth, rows, name length.
  not_found,        // No such project, endpoint, run, file.
  already_exists,   // MLflow answers 400 for this one.
  name_taken,       // Another project of this home owns the name.
  conflict,         // The same id with other content; a stale epoch.
  unauthenticated,  // No token, or a wrong one.
  forbidden,        // A known caller who may not; a foreign Host or Origin.
  check_failed,     // The owner's contract or a gate said no.
  step_failed,      // A worker crashed, hung or broke its memory limit.
  busy,             // A queue is full; try again.
  home_locked,      // Another process owns this home.
  address_in_use,   // The port is taken.
  storage_full,     // ENOSPC.
  storage_broken,   // A failed write or fsync, a checksum that does not match.
  unsupported,      // A real request that this version does not do.
  deadline,         // Took longer than it was allowed.
  cancelled,        // Stopped on request.
  internal,         // Our fault.
};

struct ErrorRow {
  ErrorCode code;
  std::string_view name;  // Stable string of the native API, e.g. "not_found".
  int http_status;
  std::string_view mlflow_code;  // e.g. "RESOURCE_DOES_NOT_EXIST".
  int exit_code;                 // Of the command line.
};

std::span<const ErrorRow> error_table();
const ErrorRow& error_row(ErrorCode code);

}  // namespace trimtab::base
