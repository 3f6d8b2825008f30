// Every prediction on disk, at no cost to the request: appended to a buffer, written as checksummed blocks
// and fsynced every 200 ms or 10,000 rows. A crash may lose that much of the log and nothing else.
// It fails closed. After a failed write or fsync no prediction may be given until the rows in memory stand in
// a fresh segment: what the old one holds is not known any longer, and is not written to again. That is tried
// every 200 ms, so a disk that was full recovers by itself.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/prediction.h"

namespace trimtab::serve {

// How long rows are kept.
struct Retention {
  const base::Clock* clock = nullptr;
  std::optional<TimeUs> keep;  // Nothing: for ever.
};

// Between two blocks of a log; as it is made, before the first one.
struct LogPlace {
  static constexpr std::uint64_t kBehind = UINT64_MAX;  // All of the segment.
  std::string segment;                                  // Its file's name.
  std::uint64_t offset = 0;                             // Bytes.
};

// Segment file log/<first sequence>.seg: blocks of [length u32][crc32 u32][rows]; a torn last block is cut
// off when the log is opened. Thread-safe.
class PredictionLog {
 public:
  // Opens or creates. Takes as long for a log of years as for one of an hour: of the segments before the
  // newest only the first row is looked at. Errors: storage_broken (in the newest segment, a damaged block
  // that is not the last one: names file and offset).
  // Rows that were received longer ago than `retention` says are removed, a whole segment at a time, within
  // an hour of the clock; segments are then short enough that nothing stays for a tenth longer than it may.
  static Result<std::unique_ptr<PredictionLog>> open(std::filesystem::path folder, Retention retention = {});
  ~PredictionLog();  // Writes what is buffered.

  // Removes the segments of a folder all of whose rows were received before `before`; the newest segment
  // stays. The log may be open. Returns how many bytes that frees. Errors: storage_broken.
  static Result<std::uint64_t> forget_before(const std::filesystem::path& folder, TimeUs before);

  void append(std::span<const model::Prediction> predictions);
  void append(const model::Prediction& prediction) { append(std::span(&prediction, 1)); }
  // Whether predictions may be given: false from the first failure until what is in memory is on the disk.
  // Costs nothing while all is well. Errors: storage_full, storage_broken.
  Status accepts() const;
  // Waits until all that was appended before is durable. Errors: storage_full, storage_broken.
  Status flush();
  // Visits what is on disk, oldest first; only rows received at or after `from`. Older segments are not
  // opened. Errors: storage_broken.
  Status read(TimeUs from, const std::function<void(model::Prediction&&)>& visit) const;
  // Visits what is on disk from a place on, until there is no more or a visit gives false, and moves the
  // place behind the last block whose rows were all visited. Errors: storage_broken; the place is then behind
  // the segment that cannot be read.
  Status read_on(LogPlace& place, const std::function<bool(model::Prediction&&)>& visit) const;
  // Where the newest segments begin that hold at least so many rows.
  LogPlace place_of_newest(std::int64_t rows) const;
  // Visits the newest rows on disk, at most `count`, oldest first. What is damaged is passed over.
  Status newest(std::size_t count, const std::function<void(model::Prediction&&)>& visit) const;
  std::int64_t rows() const;  // On disk when it was opened, and appended since.
  // For fsck: recomputes every checksum. One sentence a problem.
  Status check(std::vector<std::string>& problems) const;

 private:
  struct State;
  explicit PredictionLog(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::serve
