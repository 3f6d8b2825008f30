// On disk: <folder>/<first row, 12 digits>.seg, blocks one after the other. A block is the length of its rows
// (u32), their CRC32C (u32), then the rows. A row: lengths and values in the order of model::Prediction,
// little-endian; texts are a length (u32) and bytes. The number of scores has its highest bit set where the
// row is damaged, and the next one where the id was made here: rows that have neither look as they did before
// there were such marks. Nothing in a segment is ever overwritten.
#include "serve/prediction_log.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <map>
#include <mutex>
#include <optional>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "base/checksum.h"
#include "base/file.h"
#include "base/log.h"

namespace trimtab::serve {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kFlushEvery{200};
constexpr std::int64_t kFlushRows = 10'000;
constexpr std::uint64_t kSegmentBytesMax = 64u << 20;
constexpr TimeUs kForgetEvery = base::kHourUs;
constexpr std::uint32_t kDamaged = 1u << 31;
constexpr std::uint32_t kMadeId = 1u << 30;
constexpr std::size_t kHeaderBytes = 2 * sizeof(std::uint32_t);

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string& out, std::string_view text) {
  put(out, static_cast<std::uint32_t>(text.size()));
  out += text;
}

void encode(std::string& out, const model::Prediction& prediction) {
  put_text(out, prediction.id);
  put_text(out, prediction.endpoint);
  put(out, prediction.event_time);
  put(out, prediction.received);
  put_text(out, prediction.request_json);
  put(out, prediction.request_hash);
  const std::uint32_t marks = (prediction.damaged ? kDamaged : 0) | (prediction.id_was_made ? kMadeId : 0);
  put(out, static_cast<std::uint32_t>(prediction.scores.size()) | marks);
  for (const model::VersionScore& score : prediction.scores) {
    put(out, score.version);
    put(out, score.role);
    put(out, score.score);
  }
  put(out, static_cast<std::uint32_t>(prediction.features.size()));
  out.append(reinterpret_cast<const char*>(prediction.features.data()),
             prediction.features.size() * sizeof(double));
}

// Reads what encode wrote. The checksum has been verified, so a bad length is a CHECK.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : bytes_(bytes) {}
  bool at_end() const { return bytes_.empty(); }

  // Into a prediction that may be an old one, whose memory is used again.
  void next(model::Prediction& prediction) {
    prediction.id = text();
    prediction.endpoint = text();
    prediction.event_time = get<TimeUs>();
    prediction.received = get<TimeUs>();
    prediction.request_json = text();
    prediction.request_hash = get<std::uint64_t>();
    const auto scores = get<std::uint32_t>();
    prediction.damaged = (scores & kDamaged) != 0;
    prediction.id_was_made = (scores & kMadeId) != 0;
    prediction.scores.resize(scores & ~(kDamaged | kMadeId));
    for (model::VersionScore& score : prediction.scores) {
      score.version = get<std::int64_t>();
      score.role = get<model::Role>();
      score.score = get<double>();
    }
    prediction.features.resize(get<std::uint32_t>());
    const std::string_view values = take(prediction.features.size() * sizeof(double));
    std::memcpy(prediction.features.data(), values.data(), values.size());
  }
  model::Prediction next() {
    model::Prediction prediction;
    next(prediction);
    return prediction;
  }

 private:
  std::string_view take(std::size_t size) {
    CHECK(size <= bytes_.size());
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  template <class T>
  T get() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string_view text() { return take(get<std::uint32_t>()); }

  std::string_view bytes_;
};

struct Block {
  std::string_view rows;
  std::uint64_t offset = 0;

  std::uint64_t end() const { return offset + kHeaderBytes + rows.size(); }
};

// Cuts a segment into whole blocks, from the one that begins at `offset`. `torn_at` is set where the last one
// is incomplete or does not match its checksum and nothing follows it: what a crash leaves.
Result<std::vector<Block>> blocks_of(const std::string& bytes, const fs::path& file,
                                     std::optional<std::uint64_t>& torn_at, std::uint64_t offset = 0) {
  std::vector<Block> blocks;
  while (offset < bytes.size()) {
    std::uint32_t size = 0;
    std::uint32_t sum = 0;
    const bool has_header = bytes.size() - offset >= kHeaderBytes;
    if (has_header) std::memcpy(&size, bytes.data() + offset, sizeof size);
    if (has_header) std::memcpy(&sum, bytes.data() + offset + sizeof size, sizeof sum);
    const bool is_whole = has_header && bytes.size() - offset - kHeaderBytes >= size;
    const std::string_view rows =
        is_whole ? std::string_view(bytes).substr(offset + kHeaderBytes, size) : std::string_view();
    if (!is_whole || base::crc32c(rows) != sum) {
      const bool is_last = !is_whole || offset + kHeaderBytes + size == bytes.size();
      if (!is_last) {
        return fail(ErrorCode::storage_broken,
                    "the prediction log '" + file.string() + "' is damaged at byte " + std::to_string(offset),
                    "restore the file from a backup, or move it away to go on without its rows");
      }
      torn_at = offset;
      return blocks;
    }
    blocks.push_back({rows, offset});
    offset += kHeaderBytes + size;
  }
  return blocks;
}

std::vector<fs::path> segments(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(folder, absent)) {
    if (entry.path().extension() == ".seg") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string segment_name(std::int64_t first_row) {
  std::string digits = std::to_string(first_row);
  return std::string(12 - std::min<std::size_t>(12, digits.size()), '0') + digits + ".seg";
}

// When the first row of a segment was received. Nothing: it has none.
Result<std::optional<TimeUs>> received_first(const fs::path& file) {
  base::Descriptor segment(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!segment) return fail(base::errno_error(errno, "cannot open '" + file.string() + "'"));
  std::string block(kHeaderBytes, '\0');
  if (::pread(segment.get(), block.data(), block.size(), 0) != std::ssize(block)) return std::nullopt;
  std::uint32_t size = 0;
  std::memcpy(&size, block.data(), sizeof size);
  struct stat facts{};
  if (::fstat(segment.get(), &facts) != 0 || static_cast<std::uint64_t>(facts.st_size) < kHeaderBytes + size)
    return std::nullopt;
  block.resize(kHeaderBytes + size);
  if (::pread(segment.get(), block.data(), block.size(), 0) != std::ssize(block)) return std::nullopt;
  std::optional<std::uint64_t> torn_at;
  const std::vector<Block> first = TRY(blocks_of(block, file, torn_at));
  if (first.empty() || first.front().rows.empty()) return std::nullopt;
  return Decoder(first.front().rows).next().received;
}

// Of each segment but the newest one: when all its rows had been received. They stand in the order of time,
// so that is when the next one's began. A segment without a row says nothing, and is as old as its neighbour.
std::vector<TimeUs> received_by(const std::vector<fs::path>& files) {
  std::vector<TimeUs> times(files.empty() ? 0 : files.size() - 1, INT64_MAX);
  TimeUs next = INT64_MAX;
  for (std::size_t i = times.size(); i-- > 0;) {
    const Result<std::optional<TimeUs>> first = received_first(files[i + 1]);
    if (first && *first) next = **first;
    times[i] = next;
  }
  return times;
}

// Exactly. Stops at the first row that was not.
Result<bool> was_received_before(const fs::path& file, TimeUs before) {
  const std::string bytes = TRY(base::read_file(file));
  std::optional<std::uint64_t> torn_at;
  for (const Block& block : TRY(blocks_of(bytes, file, torn_at))) {
    for (Decoder decoder(block.rows); !decoder.at_end();) {
      if (decoder.next().received >= before) return false;
    }
  }
  return true;
}

std::int64_t first_row(const fs::path& segment) { return std::atoll(segment.stem().c_str()); }

}  // namespace

struct PredictionLog::State {
  fs::path folder;
  std::int64_t rows_at_open = 0;
  Retention retention;
  // Of the writer thread.
  std::int64_t next_row = 0;  // The number of the next row on disk; names segments. Changed under the mutex.
  base::Descriptor segment;
  std::uint64_t segment_bytes = 0;
  fs::path segment_file;
  TimeUs segment_since = 0;
  std::map<fs::path, TimeUs> newest;  // Segment → when all its rows had been received, or later.
  std::optional<TimeUs> forgot_at;

  mutable std::mutex mutex;
  std::condition_variable wake;     // Of the writer.
  std::condition_variable written;  // Of whoever flushes.
  std::string buffer;               // Room for a block's header, and rows not yet handed to the writer.
  std::int64_t buffered = 0;
  std::int64_t appended = 0;            // All rows ever appended here.
  std::int64_t durable = 0;             // Of those, on disk.
  std::uint64_t failures = 0;           // Attempts to write that failed.
  std::optional<Error> last_error;      // Of the last attempt to write.
  std::atomic<bool> is_failing{false};  // last_error is there.
  bool flush_wanted = false;
  bool stopping = false;
  std::thread writer;

  void run();
  void forget_old();
  bool is_full() const;
  void note(const Status& status, std::string& block, std::int64_t count);
  Status go_on_behind(const std::vector<fs::path>& files);
  Status write_block(std::string& block);
  Status open_segment();
  fs::path fresh_file() const;
};

// Takes up a log of earlier lives. A segment's rows are counted by its name and the next one's; only the
// newest, which a crash may have torn, is read.
Status PredictionLog::State::go_on_behind(const std::vector<fs::path>& files) {
  if (retention.keep) {
    const std::vector<TimeUs> times = received_by(files);
    for (std::size_t i = 0; i < times.size(); ++i) newest.emplace(files[i], times[i]);
  }
  const fs::path& last = files.back();
  const std::string bytes = TRY(base::read_file(last));
  std::optional<std::uint64_t> torn_at;
  TimeUs received = INT64_MIN;
  next_row = first_row(last);
  for (const Block& block : TRY(blocks_of(bytes, last, torn_at))) {
    for (Decoder decoder(block.rows); !decoder.at_end(); ++next_row) {
      received = std::max(received, decoder.next().received);
    }
  }
  newest.emplace(last, received);
  rows_at_open = next_row - first_row(files.front());
  if (torn_at && ::truncate(last.c_str(), static_cast<off_t>(*torn_at)) != 0)
    return fail(base::errno_error(errno, "cannot cut the torn end off '" + last.string() + "'"));
  return {};
}

// Named by its first row; the next free number when a segment that failed has that name.
fs::path PredictionLog::State::fresh_file() const {
  std::error_code ignored;
  for (std::int64_t first = next_row;; ++first) {
    fs::path file = folder / segment_name(first);
    if (!fs::exists(file, ignored)) return file;
  }
}

bool PredictionLog::State::is_full() const {
  if (segment_bytes >= kSegmentBytesMax) return true;
  return retention.keep && retention.clock->now() - segment_since > *retention.keep / 10;
}

// Removes the segments of which nothing is to be kept. Should one not go, it is tried again in an hour.
void PredictionLog::State::forget_old() {
  if (!retention.keep) return;
  const TimeUs now = retention.clock->now();
  if (forgot_at && now - *forgot_at < kForgetEvery) return;
  forgot_at = now;
  const TimeUs before = now - *retention.keep;
  for (auto oldest = newest.begin(); oldest != newest.end(); oldest = newest.erase(oldest)) {
    const auto& [file, received] = *oldest;
    if (received >= before && !was_received_before(file, before).value_or(false)) return;
    if (segment && file == segment_file) segment = base::Descriptor();
    std::error_code failed;
    fs::remove(file, failed);
    if (failed) return;
  }
}

Status PredictionLog::State::open_segment() {
  if (segment && !is_full()) return {};
  const fs::path file = fresh_file();
  segment = base::Descriptor(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600));
  if (!segment) return fail(base::errno_error(errno, "cannot open '" + file.string() + "'"));
  struct stat facts{};
  if (::fstat(segment.get(), &facts) != 0)
    return fail(base::errno_error(errno, "cannot read '" + file.string() + "'"));
  segment_bytes = static_cast<std::uint64_t>(facts.st_size);
  segment_file = file;
  if (retention.keep) segment_since = retention.clock->now();
  return base::sync_folder(folder);
}

// After a failure the segment is left for good. What it got of the block is a torn end or, when only the
// fsync failed, perhaps the whole: the rows then stand in two segments, and of two rows with one id the first
// counts.
Status PredictionLog::State::write_block(std::string& block) {
  TRY(open_segment());
  const std::string_view rows = std::string_view(block).substr(kHeaderBytes);
  const std::uint32_t header[] = {static_cast<std::uint32_t>(rows.size()), base::crc32c(rows)};
  static_assert(sizeof header == kHeaderBytes);
  std::memcpy(block.data(), header, sizeof header);
  std::string_view left = block;
  while (!left.empty()) {
    const ssize_t written = ::write(segment.get(), left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const Error error = base::errno_error(errno, "cannot write the prediction log");
      // Gives a full disk its space back. Should it fail, the torn end is cut off at the next start.
      (void)!::ftruncate(segment.get(), static_cast<off_t>(segment_bytes));
      return fail(error);
    }
    left.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fdatasync(segment.get()) != 0)
    return fail(base::errno_error(errno, "cannot bring the prediction log to the disk"));
  segment_bytes += block.size();
  if (retention.keep) newest[segment_file] = retention.clock->now();
  return {};
}

// What came of an attempt to write `count` rows.
void PredictionLog::State::note(const Status& status, std::string& block, std::int64_t count) {
  if (status) {
    if (last_error) base::log_info("serve", "the prediction log is written again");
    next_row += count;
    durable += count;
    last_error.reset();
  } else {
    segment = base::Descriptor();
    ++failures;
    if (!last_error) base::log_warning("serve", status.error().message + "; no predictions until it can");
    last_error = status.error();
    if (last_error->code != ErrorCode::storage_full) last_error->code = ErrorCode::storage_broken;
    // Kept for the next attempt, in front of what came meanwhile.
    if (buffered > 0) block.append(buffer, kHeaderBytes);
    buffer.swap(block);
    buffered += count;
  }
  is_failing = last_error.has_value();
}

void PredictionLog::State::run() {
  std::string block;  // What is being written. It and the buffer change places, and keep their memory.
  std::unique_lock lock(mutex);
  while (!stopping || buffered > 0) {
    const auto is_wanted = [this] { return stopping || flush_wanted || buffered >= kFlushRows; };
    if (last_error && !stopping) wake.wait_for(lock, kFlushEvery, [this] { return stopping; });
    if (!last_error) wake.wait_for(lock, kFlushEvery, is_wanted);
    flush_wanted = false;
    if (buffered == 0) {
      lock.unlock();
      forget_old();
      lock.lock();
      written.notify_all();
      continue;
    }
    block.clear();
    block.swap(buffer);
    const std::int64_t count = std::exchange(buffered, 0);
    const bool is_last = stopping;
    lock.unlock();
    const Status status = write_block(block);
    lock.lock();
    note(status, block, count);
    written.notify_all();
    if (status || !is_last) continue;
    base::log_warning("serve", std::to_string(buffered) +
                                   " rows of the prediction log were lost: " + status.error().message);
    return;
  }
}

PredictionLog::PredictionLog(std::unique_ptr<State> state) : state_(std::move(state)) {}

PredictionLog::~PredictionLog() {
  {
    std::scoped_lock lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_all();
  if (state_->writer.joinable()) state_->writer.join();
}

Result<std::unique_ptr<PredictionLog>> PredictionLog::open(std::filesystem::path folder,
                                                           Retention retention) {
  CHECK(!retention.keep || retention.clock != nullptr);
  TRY(base::make_folders(folder));
  auto state = std::make_unique<State>();
  state->folder = std::move(folder);
  state->retention = retention;
  const std::vector<fs::path> files = segments(state->folder);
  if (!files.empty()) TRY(state->go_on_behind(files));
  State* self = state.get();
  state->writer = std::thread([self] { self->run(); });
  return std::unique_ptr<PredictionLog>(new PredictionLog(std::move(state)));
}

Result<std::uint64_t> PredictionLog::forget_before(const fs::path& folder, TimeUs before) {
  std::uint64_t bytes = 0;
  const std::vector<fs::path> files = segments(folder);
  const std::vector<TimeUs> times = received_by(files);
  for (std::size_t i = 0; i < times.size(); ++i) {
    // They are in the order of time: behind the first that stays, all stay.
    if (times[i] >= before && !TRY(was_received_before(files[i], before))) break;
    std::error_code ignored;
    const std::uintmax_t size = fs::file_size(files[i], ignored);
    TRY(base::remove_tree(files[i]));
    if (!ignored) bytes += size;
  }
  return bytes;
}

void PredictionLog::append(std::span<const model::Prediction> predictions) {
  State& state = *state_;
  const std::int64_t count = std::ssize(predictions);
  std::scoped_lock lock(state.mutex);
  if (state.buffered == 0) state.buffer.assign(kHeaderBytes, '\0');
  for (const model::Prediction& prediction : predictions) encode(state.buffer, prediction);
  const bool was_enough = state.buffered >= kFlushRows;
  state.buffered += count;
  state.appended += count;
  if (!was_enough && state.buffered >= kFlushRows) state.wake.notify_one();
}

Status PredictionLog::accepts() const {
  if (!state_->is_failing) return {};
  std::scoped_lock lock(state_->mutex);
  if (!state_->last_error) return {};
  const bool is_full = state_->last_error->code == ErrorCode::storage_full;
  return fail(state_->last_error->code, "no predictions can be logged: " + state_->last_error->message,
              is_full ? "free some space: answering then goes on by itself"
                      : "see to the disk: answering goes on by itself once the log can be written");
}

Status PredictionLog::flush() {
  std::unique_lock lock(state_->mutex);
  const std::int64_t target = state_->appended;
  if (state_->durable >= target) return {};
  const std::uint64_t failures = state_->failures;
  state_->flush_wanted = true;
  state_->wake.notify_one();
  state_->written.wait(lock, [&] { return state_->durable >= target || state_->failures > failures; });
  if (state_->durable >= target) return {};
  return fail(*state_->last_error);
}

Status PredictionLog::read(TimeUs from, const std::function<void(model::Prediction&&)>& visit) const {
  LogPlace place;
  if (from > INT64_MIN) {
    const std::vector<fs::path> files = segments(state_->folder);
    const std::vector<TimeUs> times = received_by(files);
    // Requests overtake each other by a little.
    const auto is_old = [from](TimeUs time) { return time < from - base::kMinuteUs; };
    const auto older = std::find_if_not(times.begin(), times.end(), is_old) - times.begin();
    if (older > 0) place.segment = files[static_cast<std::size_t>(older)].filename();
  }
  return read_on(place, [from, &visit](model::Prediction&& prediction) {
    if (prediction.received >= from) visit(std::move(prediction));
    return true;
  });
}

Status PredictionLog::read_on(LogPlace& place, const std::function<bool(model::Prediction&&)>& visit) const {
  model::Prediction row;  // Unless a visit keeps it, the next row takes its memory.
  for (const fs::path& file : segments(state_->folder)) {
    const std::string name = file.filename();
    if (name < place.segment || (name == place.segment && place.offset == LogPlace::kBehind)) continue;
    const std::uint64_t begin = name == place.segment ? place.offset : 0;
    place = {name, LogPlace::kBehind};
    Result<std::string> read = base::read_file(file);
    std::error_code failed;
    if (!read && !fs::exists(file, failed)) continue;  // Too old, and gone since.
    const std::string bytes = TRY(std::move(read));
    std::optional<std::uint64_t> torn_at;
    const std::vector<Block> blocks = TRY(blocks_of(bytes, file, torn_at, begin));
    place.offset = begin;
    for (const Block& block : blocks) {
      for (Decoder decoder(block.rows); !decoder.at_end();) {
        decoder.next(row);
        if (!visit(std::move(row))) return {};
      }
      place.offset = block.end();
    }
  }
  return {};
}

LogPlace PredictionLog::place_of_newest(std::int64_t rows) const {
  const std::vector<fs::path> files = segments(state_->folder);
  std::unique_lock lock(state_->mutex);
  const std::int64_t first = state_->next_row - rows;
  lock.unlock();
  const auto later = std::find_if(files.begin(), files.end(),
                                  [first](const fs::path& file) { return first_row(file) > first; });
  if (later == files.begin()) return {};
  return {(later - 1)->filename(), 0};
}

Status PredictionLog::newest(std::size_t count, const std::function<void(model::Prediction&&)>& visit) const {
  std::deque<model::Prediction> rows;
  const std::vector<fs::path> files = segments(state_->folder);
  for (auto file = files.rbegin(); file != files.rend() && rows.size() < count; ++file) {
    const std::string bytes = TRY(base::read_file(*file));
    std::optional<std::uint64_t> torn_at;
    const Result<std::vector<Block>> blocks = blocks_of(bytes, *file, torn_at);
    if (!blocks) continue;
    for (auto block = blocks->rbegin(); block != blocks->rend() && rows.size() < count; ++block) {
      std::deque<model::Prediction> of_block;
      for (Decoder decoder(block->rows); !decoder.at_end();) of_block.push_back(decoder.next());
      rows.insert(rows.begin(), std::make_move_iterator(of_block.begin()),
                  std::make_move_iterator(of_block.end()));
    }
  }
  while (rows.size() > count) rows.pop_front();
  for (model::Prediction& row : rows) visit(std::move(row));
  return {};
}

std::int64_t PredictionLog::rows() const {
  std::scoped_lock lock(state_->mutex);
  return state_->rows_at_open + state_->appended;
}

Status PredictionLog::check(std::vector<std::string>& problems) const {
  for (const fs::path& file : segments(state_->folder)) {
    const std::string bytes = TRY(base::read_file(file));
    std::optional<std::uint64_t> torn_at;
    const Result<std::vector<Block>> blocks = blocks_of(bytes, file, torn_at);
    if (!blocks) problems.push_back(blocks.error().message);
    if (torn_at) problems.push_back("the prediction log '" + file.string() + "' has a torn end");
  }
  return {};
}

}  // namespace trimtab::serve
