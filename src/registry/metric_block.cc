#include "registry/metric_block.h"

#include <bit>

#include "base/checksum.h"
#include "registry/packed_bytes.h"

namespace trimtab::registry {
namespace {

constexpr char kBlockVersion = 1;
constexpr std::size_t kSumBytes = 4;
constexpr int kWindowBits = 5 + 6;  // Leading zeros (at most 31), then length - 1.

class BitWriter {
 public:
  explicit BitWriter(std::string& out) : out_(out) {}

  // The lowest `count` bits of `bits`, highest first. `count` ≤ 64.
  void write(std::uint64_t bits, int count) {
    if (count > 32) {
      write(bits >> 32, count - 32);
      count = 32;
    }
    if (count == 0) return;
    pending_ = (pending_ << count) | (bits & (~std::uint64_t{0} >> (64 - count)));
    waiting_ += count;
    while (waiting_ >= 8) {
      waiting_ -= 8;
      out_.push_back(static_cast<char>(pending_ >> waiting_));
    }
  }

  void finish() {
    if (waiting_ > 0) write(0, 8 - waiting_);
  }

 private:
  std::string& out_;
  std::uint64_t pending_ = 0;
  int waiting_ = 0;  // Bits of `pending_` that are not in `out_` yet: below 8 between calls.
};

class BitReader {
 public:
  explicit BitReader(std::string_view bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }

  std::uint64_t read(int count) {
    if (count > 32) {
      const std::uint64_t high = read(count - 32);
      return (high << 32) | read(32);
    }
    while (ready_ < count) {
      if (at_ == bytes_.size()) {
        ok_ = false;
        return 0;
      }
      held_ = (held_ << 8) | static_cast<unsigned char>(bytes_[at_++]);
      ready_ += 8;
    }
    ready_ -= count;
    return (held_ >> ready_) & (~std::uint64_t{0} >> (64 - count));
  }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
  std::uint64_t held_ = 0;
  int ready_ = 0;
  bool ok_ = true;
};

// One column of whole numbers: the first, then the change of the change.
void append_column(std::string& out, std::span<const MetricCell> points, std::int64_t MetricCell::* column) {
  std::int64_t previous = 0;
  std::int64_t slope = 0;
  for (const MetricCell& cell : points) {
    const std::int64_t difference = wrapping_difference(cell.*column, previous);
    append_packed(out, to_zigzag(wrapping_difference(difference, slope)));
    previous = cell.*column;
    slope = difference;
  }
}

void read_column(PackedReader& reader, std::span<MetricCell> points, std::int64_t MetricCell::* column) {
  std::int64_t previous = 0;
  std::int64_t slope = 0;
  for (MetricCell& cell : points) {
    slope = wrapping_sum(slope, from_zigzag(reader.packed()));
    previous = wrapping_sum(previous, slope);
    cell.*column = previous;
  }
}

// A 0 bit: the value is the one before. 10: the bits that differ lie in the window of the last time. 11: a
// new window comes first.
void append_values(std::string& out, std::span<const MetricCell> points) {
  BitWriter writer(out);
  std::uint64_t previous = 0;
  int leading = 64;  // No window yet.
  int trailing = 0;
  for (const MetricCell& cell : points) {
    const auto bits = std::bit_cast<std::uint64_t>(cell.value);
    const std::uint64_t change = bits ^ previous;
    previous = bits;
    if (change == 0) {
      writer.write(0, 1);
      continue;
    }
    const int zeros = std::min(std::countl_zero(change), 31);
    const int zeros_behind = std::countr_zero(change);
    if (zeros < leading || zeros_behind < trailing ||
        (64 - zeros - zeros_behind) + kWindowBits < 64 - leading - trailing) {
      leading = zeros;
      trailing = zeros_behind;
      writer.write(0b11, 2);
      writer.write(static_cast<std::uint64_t>(leading), 5);
      writer.write(static_cast<std::uint64_t>(63 - leading - trailing), 6);
    } else {
      writer.write(0b10, 2);
    }
    writer.write(change >> trailing, 64 - leading - trailing);
  }
  writer.finish();
}

bool read_values(std::string_view bytes, std::span<MetricCell> points) {
  BitReader reader(bytes);
  std::uint64_t previous = 0;
  int leading = 64;
  int length = 0;
  for (MetricCell& cell : points) {
    if (reader.read(1) != 0) {
      if (reader.read(1) != 0) {
        leading = static_cast<int>(reader.read(5));
        length = static_cast<int>(reader.read(6)) + 1;
      }
      if (leading + length > 64 || length == 0) return false;
      previous ^= reader.read(length) << (64 - leading - length);
    }
    cell.value = std::bit_cast<double>(previous);
  }
  return reader.ok();
}

Error broken(const std::string& why) {
  return Error{ErrorCode::storage_broken, "a block of metric points is damaged: " + why,
               "restore meta.db from a backup; `trimtab fsck` says which runs it is about", std::nullopt,
               nullptr};
}

std::string sum_of(std::string_view bytes) {
  const std::uint32_t sum = base::crc32c(bytes);
  return {reinterpret_cast<const char*>(&sum), sizeof sum};
}

}  // namespace

std::string encode_block(std::span<const MetricCell> points) {
  std::string out(1, kBlockVersion);
  append_packed(out, points.size());
  append_column(out, points, &MetricCell::timestamp_ms);
  append_column(out, points, &MetricCell::step);
  append_values(out, points);
  return out + sum_of(out);
}

Status decode_block(std::string_view bytes, std::uint32_t key, std::vector<MetricCell>& points) {
  if (bytes.size() < 2 + kSumBytes) return fail(broken("it is too short"));
  const std::string_view body = bytes.substr(0, bytes.size() - kSumBytes);
  if (sum_of(body) != bytes.substr(body.size())) return fail(broken("its sum does not match"));
  if (body.front() != kBlockVersion) return fail(broken("its version is unknown"));
  PackedReader reader(body.substr(1));
  const std::uint64_t count = reader.packed();
  // Each point takes two bytes at least, so that a wrong count cannot ask for all the memory there is.
  if (count > reader.left() / 2) return fail(broken("it is too short"));
  const std::size_t before = points.size();
  points.resize(before + count);
  const std::span<MetricCell> read = std::span(points).subspan(before);
  for (MetricCell& cell : read) cell.key = key;
  read_column(reader, read, &MetricCell::timestamp_ms);
  read_column(reader, read, &MetricCell::step);
  if (reader.ok() && read_values(reader.text(reader.left()), read)) return {};
  points.resize(before);
  return fail(broken("it is too short"));
}

}  // namespace trimtab::registry
