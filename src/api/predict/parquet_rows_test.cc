#include "api/predict/parquet_rows.h"

#include <gtest/gtest.h>
#include <random>

#include "api/served_project.h"
#include "base/file.h"
#include "table/parquet.h"

namespace trimtab::api {
namespace {

constexpr const char* kPath = "/endpoints/late/invocations";
constexpr const char* kType = "application/vnd.apache.parquet";

// A file of so many rows with the column x.
std::string parquet_of(int rows, const char* column = "x") {
  const store::ScratchFolder scratch;
  const std::unique_ptr<table::Engine> engine =
      table::Engine::open({.folders_allowed = {scratch.path()}}).value();
  const table::Schema schema({{column, table::ColumnType::real}, {"at", table::ColumnType::time}});
  auto writer = table::ParquetWriter::create(*engine, scratch / "x.parquet", schema).value();
  table::Batch batch(schema);
  for (int done = 0; done < rows;) {
    const int count = std::min(rows - done, table::kBatchRowsMax);
    batch.reset(count);
    for (int row = 0; row < count; ++row, ++done) {
      if (done % 3 == 2) batch.set_null(0, row);
      if (done % 3 != 2) batch.set_real(0, row, done * 0.1);
      batch.set_time(1, row, kStart);
    }
    EXPECT_TRUE(writer->append(batch));
  }
  EXPECT_TRUE(writer->finish());
  return base::read_file(scratch / "x.parquet").value();
}

Answered send(ServedProject& world, std::string body, const char* type = kType) {
  return world.send(Sent{.path = kPath, .body = std::move(body), .type = type});
}

TEST(ParquetRows, AreJsonWithEveryColumn) {
  const store::ScratchFolder scratch;
  ParquetBodies bodies(scratch / "bodies");
  EXPECT_EQ(*bodies.as_json(parquet_of(3)),
            R"({"dataframe_split":{"columns":["x","at"],"data":[[0.0,"2013-04-01T00:00:00Z"],)"
            R"([0.1,"2013-04-01T00:00:00Z"],[null,"2013-04-01T00:00:00Z"]]}})");
  EXPECT_TRUE(std::filesystem::is_empty(scratch / "bodies")) << "nothing of a body stays";
}

TEST(ParquetRows, AreAnsweredInEveryDialectOfRows) {
  ServedProject world;
  const std::string body = parquet_of(3);
  for (const char* type : {kType, "application/x-parquet"}) {
    const Answered answer = send(world, body, type);
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_EQ(answer.body["predictions"].as_array().size(), 3u);
  }
  for (const char* path : {"/invocations", "/serving-endpoints/late/invocations", "/models/late/invoke"}) {
    const Answered answer = world.send(Sent{.path = path, .body = body, .type = kType});
    EXPECT_EQ(answer.status, 200) << path << answer.text;
  }
}

TEST(ParquetRows, WhatIsWrongIsSaid) {
  ServedProject world;
  EXPECT_EQ(send(world, "PAR1").refusal(),
            "malformed: the body is no Parquet file: it does not begin and end with PAR1");
  EXPECT_EQ(send(world, std::string("PAR1\xff\xff\xff\x7fPAR1")).refusal(),
            "malformed: the body is no Parquet file: its metadata is longer than the file");
  EXPECT_EQ(send(world, parquet_of(table::kBatchRowsMax + 1)).refusal(),
            "too_large: the request has more than 2048 rows (send fewer at once, or score the file with "
            "`trimtab score`)");
  EXPECT_EQ(send(world, parquet_of(0)).refusal(), "invalid: the request has no rows");
  EXPECT_TRUE(send(world, parquet_of(1, "y")).refusal().starts_with("invalid: the request lacks the column"));
}

// Bytes of strangers: whatever they are, the caller is told and the server stays.
TEST(ParquetRows, HostileFilesAreRefused) {
  ServedProject world;
  const std::string body = parquet_of(50);
  std::mt19937 chance(7);
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    std::string hostile = body;
    for (int hit = static_cast<int>(chance() % 6); hit >= 0; --hit) {
      // The metadata decides how the rest is read: every second hit goes there.
      const std::size_t from = hit % 2 == 0 ? body.size() / 2 : 4;
      hostile[from + chance() % (body.size() - from - 8)] = static_cast<char>(chance());
    }
    if (round % 7 == 0)
      hostile = hostile.substr(0, 4 + chance() % body.size()) + body.substr(body.size() - 8);
    const Answered answer = send(world, hostile);
    EXPECT_TRUE(answer.status == 200 || answer.status == 400 || answer.status == 413) << answer.text;
    EXPECT_EQ(answer.text.find(".parquet"), std::string::npos) << answer.text;
    refused += answer.status == 200 ? 0 : 1;
  }
  EXPECT_GT(refused, 100);
  EXPECT_EQ(send(world, body).status, 200);
}

}  // namespace
}  // namespace trimtab::api
