// Sealed points of one metric of one run, compressed for good: times and steps as differences of differences,
// values as the bits in which they differ from the one before, CRC32C over all of it. The scheme of times and
// values is that of Pelkonen et al., "Gorilla: a fast, scalable, in-memory time series database" (VLDB 2015),
// with packed bytes in place of its bit ranges for the times.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "registry/metric_batch.h"

namespace trimtab::registry {

// At most this many points are put into one block.
inline constexpr std::size_t kBlockPointsMax = 4'096;

// The keys of the cells are not kept. Any points read back bit for bit and in the same order.
std::string encode_block(std::span<const MetricCell> points);
// Appends the points to `points`, with `key`. Errors: storage_broken (the sum does not match, or the bytes
// end too soon); then `points` is as it was.
Status decode_block(std::string_view bytes, std::uint32_t key, std::vector<MetricCell>& points);

}  // namespace trimtab::registry
