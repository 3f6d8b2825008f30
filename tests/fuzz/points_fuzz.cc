// Fuzzes what is read back of metric points: rows of the journal and sealed blocks, damaged or not. What can
// be read must be the same after it was written again.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/checksum.h"
#include "registry/metric_batch.h"
#include "registry/metric_block.h"

namespace {

using trimtab::registry::MetricCell;

bool same(const std::vector<MetricCell>& a, const std::vector<MetricCell>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto bits = [](const MetricCell& cell) { return std::bit_cast<std::uint64_t>(cell.value); };
    if (bits(a[i]) != bits(b[i]) || a[i].step != b[i].step) return false;
    if (a[i].timestamp_ms != b[i].timestamp_ms) return false;
  }
  return true;
}

void read_block(const std::string& bytes) {
  std::vector<MetricCell> points;
  if (!trimtab::registry::decode_block(bytes, 7, points)) {
    CHECK(points.empty());
    return;
  }
  std::vector<MetricCell> again;
  CHECK(trimtab::registry::decode_block(trimtab::registry::encode_block(points), 7, again));
  CHECK(same(points, again));
}

// A sum that fits, so that more than the sum is tried. It stands at the end, as encode_block puts it.
std::string with_sum(std::string bytes) {
  const std::uint32_t sum = trimtab::base::crc32c(bytes);
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(sum >> shift));
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  read_block(bytes);
  read_block(with_sum(bytes));
  const auto batch = trimtab::registry::decode_batch(bytes);
  if (!batch) return 0;
  const auto again = trimtab::registry::decode_batch(trimtab::registry::encode_batch(*batch));
  CHECK(again && same(batch->points, again->points) && batch->keys == again->keys);
  return 0;
}
