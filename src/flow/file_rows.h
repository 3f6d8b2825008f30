// Rows of a user's file as the answers that an endpoint would give to them: its columns become those that the
// recipe wants, and go through the whole of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "model/artifact.h"
#include "table/batch.h"
#include "table/engine.h"
#include "table/operation.h"
#include "table/schema.h"

namespace trimtab::flow {

// The columns of a file as they stand: CSV knows names only, so all of them are texts.
Result<table::Schema> file_columns(table::Engine& engine, const std::filesystem::path& path);

// Copies the columns that both have; each has as many rows.
void copy_columns(const table::Batch& from, table::Batch& to);

// Belongs to one thread.
class FileRows {
 public:
  // `read`: how the source's files are read, as ingest::ingest_params has it. `found`: the file's columns.
  // `file`: what messages call it. A declared column is computed when the file has what it is made of, and
  // else taken from the file; a joined column that the file has goes before the join. The rows of the joined
  // tables are the inputs "rows/<source>". Errors: invalid: columns that are missing, all of them named; a
  // column whose type is not the one that was learnt.
  static Result<std::unique_ptr<FileRows>> make(const table::OperationRun& run, const Json& read,
                                                const std::shared_ptr<const model::Artifact>& artifact,
                                                const table::Schema& found, const std::string& file);
  ~FileRows();

  const table::Schema& columns() const;  // Of the file, typed: what `visit` gives and `score` takes.
  // The file's rows in their order; `first` is the batch's first row. Errors: those of
  // ingest::visit_typed_rows, and `visit`'s.
  Status visit(const std::filesystem::path& path,
               const std::function<Status(const table::Batch& rows, std::int64_t first)>& visit) const;
  // One answer a row; holds until the next call.
  Result<std::span<const double>> score(const table::Batch& rows);

 private:
  struct State;
  explicit FileRows(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::flow
