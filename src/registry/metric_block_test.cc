#include "registry/metric_block.h"

#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>

#include "registry/metric_batch.h"

namespace trimtab::registry {
namespace {

// Points of many kinds: curves, jumps, repeats, and any bits at all.
std::vector<MetricCell> random_points(std::mt19937_64& random, std::size_t count) {
  std::vector<MetricCell> points;
  const bool is_curve = random() % 2 == 0;
  std::int64_t step = static_cast<std::int64_t>(random());
  for (std::size_t i = 0; i < count; ++i) {
    MetricCell cell;
    if (is_curve) {
      cell.step = static_cast<std::int64_t>(i);
      cell.timestamp_ms = 1'700'000'000'000 + static_cast<std::int64_t>(1'000 * i + random() % 7);
      cell.value = random() % 5 == 0 && !points.empty() ? points.back().value : std::exp(-0.01 * double(i));
    } else {
      cell.step = random() % 3 == 0 ? static_cast<std::int64_t>(random()) : ++step;
      cell.timestamp_ms = static_cast<std::int64_t>(random());
      cell.value = std::bit_cast<double>(random());
    }
    points.push_back(cell);
  }
  return points;
}

void expect_same(const std::vector<MetricCell>& a, const std::vector<MetricCell>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].step, b[i].step);
    EXPECT_EQ(a[i].timestamp_ms, b[i].timestamp_ms);
    EXPECT_EQ(std::bit_cast<std::uint64_t>(a[i].value), std::bit_cast<std::uint64_t>(b[i].value));
  }
}

TEST(MetricBlock, AnyPointsReadBackBitForBit) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 500; ++round) {
    const std::vector<MetricCell> points = random_points(random, random() % 300);
    std::vector<MetricCell> read;
    ASSERT_TRUE(decode_block(encode_block(points), 7, read));
    expect_same(points, read);
    for (const MetricCell& cell : read) EXPECT_EQ(cell.key, 7u);
  }
}

TEST(MetricBlock, ACurveTakesFewBytes) {
  std::vector<MetricCell> points;
  for (int i = 0; i < 1'000; ++i) points.push_back({0.5, 1'700'000'000'000 + 1'000 * i, i, 0});
  EXPECT_LT(encode_block(points).size(), 2'500u);
}

TEST(MetricBlock, EveryFlippedByteIsNoticed) {
  std::mt19937_64 random(2);
  const std::vector<MetricCell> points = random_points(random, 40);
  const std::string bytes = encode_block(points);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 + random() % 255));
    std::vector<MetricCell> read(1);
    const Status status = decode_block(damaged, 0, read);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::storage_broken);
    EXPECT_EQ(status.error().message, "a block of metric points is damaged: its sum does not match");
    EXPECT_EQ(read.size(), 1u);
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    std::vector<MetricCell> read;
    EXPECT_FALSE(decode_block(std::string_view(bytes).substr(0, size), 0, read));
  }
}

TEST(MetricBatch, AnyRequestReadsBackAsItWas) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 200; ++round) {
    MetricBatch batch;
    const std::size_t keys = 1 + random() % 5;
    for (std::size_t i = 0; i < keys; ++i) batch.keys.push_back("key " + std::to_string(i));
    batch.points = random_points(random, random() % 50);
    for (MetricCell& cell : batch.points) cell.key = static_cast<std::uint32_t>(random() % keys);
    const Result<MetricBatch> read = decode_batch(encode_batch(batch));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->keys, batch.keys);
    expect_same(read->points, batch.points);
    for (std::size_t i = 0; i < batch.points.size(); ++i) EXPECT_EQ(read->points[i].key, batch.points[i].key);
  }
}

TEST(MetricBatch, TheTextOfAMigrationIsRead) {
  const MetricBatch batch = decode_batch(R"([["auc",5,1,"0.10000000000000001"],["loss",6,2,"NaN"],)"
                                         R"(["auc",7,-1,"1.7976931348623156223e+308"]])")
                                .value();
  EXPECT_EQ(batch.keys, (std::vector<std::string>{"auc", "loss"}));
  EXPECT_EQ(batch.points[0].value, 0.1);
  EXPECT_TRUE(std::isnan(batch.points[1].value));
  EXPECT_EQ(batch.points[2].value, std::numeric_limits<double>::max());
  EXPECT_EQ(batch.points[2].step, -1);
}

TEST(MetricBatch, OtherBytesAreRefused) {
  std::mt19937_64 random(4);
  for (const std::string_view bytes :
       {"", "{}", "[1]", "[[1,2,3,4]]", R"([["a",1,2,"x"]])", "\x01", "\x02"}) {
    const auto read = decode_batch(bytes);
    ASSERT_FALSE(read) << bytes;
  }
  EXPECT_EQ(decode_batch("").error().message, "a row of metric points cannot be read");
  // Whatever the bytes are, reading them ends.
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes(1, '\x01');
    for (std::size_t size = random() % 40; size > 0; --size) bytes += static_cast<char>(random());
    static_cast<void>(decode_batch(bytes));
  }
}

}  // namespace
}  // namespace trimtab::registry
