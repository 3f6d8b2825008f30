// Bodies of prediction requests that are Parquet files, rewritten as the JSON that endpoints read.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/message.h"
#include "table/engine.h"

namespace trimtab::api {

// application/vnd.apache.parquet, and SageMaker's application/x-parquet.
bool is_parquet_body(const http::Request& request);

// An engine of its own, with little memory and no file but the body, because files of strangers are read by
// it. Thread-safe.
class ParquetBodies {
 public:
  // `folder`: where a body lies while it is read; is made, and emptied at the server's next start.
  explicit ParquetBodies(std::filesystem::path folder);

  // {"dataframe_split":{…}} with all columns of the file. Errors: malformed (no Parquet file, or a damaged
  // one), too_large (more than table::kBatchRowsMax rows, or too much for the engine), storage_full,
  // storage_broken.
  Result<std::string> as_json(std::string_view body);

 private:
  std::filesystem::path folder_;
  std::mutex mutex_;  // One body at a time has the engine's memory.
  std::unique_ptr<table::Engine> engine_;
  std::atomic<std::uint64_t> number_{0};
};

}  // namespace trimtab::api
