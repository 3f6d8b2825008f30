#include "table/parquet.h"

#include <fstream>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "table/engine_fixture_test.h"
#include "table/random_rows_test.h"

namespace trimtab::table {
namespace {

class ParquetTest : public EngineFixture {
 protected:
  std::filesystem::path path(const std::string& name) const { return allowed() / name; }

  // Writes the rows in batches of `batch_rows`.
  Status write(Engine& engine, const std::filesystem::path& path, const std::vector<Row>& rows,
               std::size_t batch_rows, const Schema& schema = all_types()) {
    auto writer = TRY(ParquetWriter::create(engine, path, schema));
    Batch batch(schema);
    for (std::size_t first = 0; first < rows.size(); first += batch_rows) {
      write_rows(batch, rows, first, std::min(batch_rows, rows.size() - first));
      TRY(writer->append(batch));
    }
    EXPECT_EQ(writer->rows(), static_cast<std::int64_t>(rows.size()));
    return writer->finish();
  }

  Result<std::vector<Row>> read(const std::vector<std::filesystem::path>& paths,
                                const std::vector<std::string>& columns = {}) {
    std::vector<Row> rows;
    TRY(read_parquet(engine(), paths, columns, [&](const Batch& batch) -> Status {
      for (int row = 0; row < batch.rows(); ++row) rows.push_back(read_row(batch, row));
      return {};
    }));
    return rows;
  }

  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(allowed()))
      names.push_back(entry.path().filename());
    return names;
  }
};

// The engine's dictionaries hold one zero, of the sign that came first.
void take_signs_off_zeros(std::vector<Row>& rows) {
  for (Row& row : rows) {
    if (row[2] == Cell{std::bit_cast<std::uint64_t>(-0.0)}) row[2] = {std::bit_cast<std::uint64_t>(0.0)};
  }
}

TEST_F(ParquetTest, ReadsBackWhatWasWritten) {
  bool holds = rc::check([&] {
    std::vector<Row> rows = any_rows(60);
    take_signs_off_zeros(rows);
    RC_ASSERT(write(engine(), path("rows.parquet"), rows, 7).has_value());
    auto found = read({path("rows.parquet")});
    RC_ASSERT(found.has_value());
    RC_ASSERT(*found == rows);
    RC_ASSERT(*parquet_schema(engine(), path("rows.parquet")) == all_types());
  });
  EXPECT_TRUE(holds);
}

TEST_F(ParquetTest, TheSameRowsMakeTheSameBytes) {
  // Three row groups, the last one short; cut into batches in two ways, on one thread and on four.
  std::vector<Row> some = random_rows(1500, 5);
  take_signs_off_zeros(some);
  std::vector<Row> rows;
  while (rows.size() < 250'000) rows.insert(rows.end(), some.begin(), some.end());
  auto other = open(4);
  ASSERT_TRUE(write(engine(), path("a.parquet"), rows, 2048));
  ASSERT_TRUE(write(*other, path("b.parquet"), rows, 2048));
  ASSERT_TRUE(write(*other, path("c.parquet"), rows, 777));
  std::string hash = *base::sha256_file(path("a.parquet"));
  EXPECT_EQ(*base::sha256_file(path("b.parquet")), hash);
  EXPECT_EQ(*base::sha256_file(path("c.parquet")), hash);
  std::string groups =
      "SELECT count(DISTINCT row_group_id) FROM parquet_metadata('" + path("a.parquet").string() + "')";
  EXPECT_EQ(engine().query_row(groups)->at(0), Json(3));
  std::vector<Row> found = *read({path("a.parquet")});
  ASSERT_EQ(found.size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(found[i], rows[i]) << i;
}

TEST_F(ParquetTest, ReadsFilesInTheOrderGiven) {
  std::vector<Row> first = random_rows(10, 1), second = random_rows(3000, 2);
  ASSERT_TRUE(write(engine(), path("z.parquet"), first, 10));
  ASSERT_TRUE(write(engine(), path("a.parquet"), second, 1000));
  std::vector<Row> both = first;
  both.insert(both.end(), second.begin(), second.end());
  EXPECT_EQ(*read({path("z.parquet"), path("a.parquet")}), both);
  EXPECT_EQ(*read({}), std::vector<Row>());
}

TEST_F(ParquetTest, ReadsOnlyTheColumnsWanted) {
  std::vector<Row> rows = random_rows(5, 3);
  ASSERT_TRUE(write(engine(), path("a.parquet"), rows, 5));
  auto found = read({path("a.parquet")}, {"s", "B"});
  ASSERT_TRUE(found) << base::render(found.error());
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(found->at(i), (Row{rows[i][3], rows[i][0]}));
  EXPECT_EQ(read({path("a.parquet")}, {"absent"}).error().code, ErrorCode::invalid);
}

TEST_F(ParquetTest, KeepsNamesThatSqlWouldMisread) {
  Schema schema(
      {{"select", ColumnType::integer}, {"a \"b\" c", ColumnType::text}, {"ü.x", ColumnType::real}});
  Row row = {Cell{std::int64_t{1}}, Cell{std::string("x")}, Cell{}};
  std::filesystem::path odd = path("it's [1] *.parquet");
  ASSERT_TRUE(write(engine(), odd, {row}, 1, schema));
  ASSERT_TRUE(write(engine(), path("it's 1 x.parquet"), {row, row}, 2, schema));
  EXPECT_EQ(*parquet_schema(engine(), odd), schema);
  EXPECT_EQ(*read({odd}, {"a \"b\" c", "select"}), (std::vector<Row>{{row[1], row[0]}}));
}

TEST_F(ParquetTest, AFileWithoutRowsKeepsItsColumns) {
  ASSERT_TRUE(write(engine(), path("none.parquet"), {}, 1));
  EXPECT_EQ(*parquet_schema(engine(), path("none.parquet")), all_types());
  EXPECT_EQ(*read({path("none.parquet")}), std::vector<Row>());
}

TEST_F(ParquetTest, NothingIsThereUntilItIsFinished) {
  {
    auto writer = ParquetWriter::create(engine(), path("a.parquet"), all_types());
    ASSERT_TRUE(writer) << base::render(writer.error());
    Batch batch(all_types());
    write_rows(batch, random_rows(100, 4), 0, 100);
    ASSERT_TRUE((*writer)->append(batch));
    EXPECT_FALSE(std::filesystem::exists(path("a.parquet")));
  }
  EXPECT_EQ(files(), std::vector<std::string>());
}

TEST_F(ParquetTest, SaysWhatIsWrongWithAFile) {
  auto code = [&](const std::vector<std::filesystem::path>& paths) { return read(paths).error().code; };
  ASSERT_TRUE(write(engine(), path("a.parquet"), random_rows(100, 6), 100));
  Schema other({{"b", ColumnType::boolean}});
  ASSERT_TRUE(write(engine(), path("other.parquet"), {Row{Cell{true}}}, 1, other));
  EXPECT_EQ(code({path("absent.parquet")}), ErrorCode::not_found);
  EXPECT_EQ(code({path("a.parquet"), path("other.parquet")}), ErrorCode::invalid);
  std::ofstream(path("damaged.parquet")) << "PAR1 this is no footer PAR1";
  EXPECT_EQ(code({path("damaged.parquet")}), ErrorCode::storage_broken);
  std::filesystem::resize_file(path("a.parquet"), std::filesystem::file_size(path("a.parquet")) / 2);
  EXPECT_EQ(code({path("a.parquet")}), ErrorCode::storage_broken);
  std::ofstream(folder_ / "outside.parquet") << "x";
  EXPECT_EQ(code({folder_ / "outside.parquet"}), ErrorCode::forbidden);

  auto create = [&](const std::filesystem::path& file, const Schema& schema) {
    return ParquetWriter::create(engine(), file, schema).error().code;
  };
  EXPECT_EQ(create(folder_ / "outside.parquet", other), ErrorCode::forbidden);
  EXPECT_EQ(create(path("no/such/folder.parquet"), other), ErrorCode::not_found);
  EXPECT_EQ(create(path("x.parquet"), Schema()), ErrorCode::invalid);
}

TEST_F(ParquetTest, PassesOnTheVisitorsRefusal) {
  ASSERT_TRUE(write(engine(), path("a.parquet"), random_rows(5, 7), 5));
  auto refuse = [](const Batch&) -> Status { return fail(ErrorCode::invalid, "enough"); };
  EXPECT_EQ(read_parquet(engine(), {path("a.parquet")}, {}, refuse).error().message, "enough");
}

// What a writer says and leaves behind on a disk of 64 KiB; "" when all is as it should be.
std::string outcome_on_a_full_disk(const std::filesystem::path& disk, std::size_t rows_count) {
  if (mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=64k") != 0) return "cannot mount";
  EngineOptions options;
  options.folders_allowed = {disk.string()};
  auto engine = Engine::open(options);
  Schema schema({{"a", ColumnType::integer}});
  Status outcome = [&]() -> Status {
    auto writer = TRY(ParquetWriter::create(**engine, disk / "a.parquet", schema));
    Batch batch(schema);
    std::uint64_t noise = 1;
    for (std::size_t first = 0; first < rows_count; first += kBatchRowsMax) {
      batch.reset(kBatchRowsMax);
      for (int row = 0; row < kBatchRowsMax; ++row) {
        noise = noise * 6364136223846793005ull + 1442695040888963407ull;
        batch.set_integer(0, row, static_cast<std::int64_t>(noise));
      }
      TRY(writer->append(batch));
    }
    return writer->finish();
  }();
  std::string said = outcome ? "it was written" : std::string(base::error_row(outcome.error().code).name);
  bool empty = std::filesystem::is_empty(disk);
  umount(disk.c_str());
  return said + (empty ? "" : ", and left a file behind");
}

TEST_F(ParquetTest, AFullDiskIsSaidAndLeavesNothing) {
  // A child must not inherit locks that threads of an engine hold.
  engine_.reset();
  // The first is full when a row group is written in between, the second when the last one is.
  for (std::size_t rows : {300'000u, 20'000u}) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    // A child with a file system view of its own, in which it may mount a small disk.
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      bool alone = unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
      if (alone) alone = mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
      std::string said = alone ? outcome_on_a_full_disk(allowed(), rows) : "cannot mount";
      _exit(::write(ends[1], said.data(), said.size()) < 0);
    }
    close(ends[1]);
    char said[200] = {};
    EXPECT_GE(::read(ends[0], said, sizeof said - 1), 0);
    close(ends[0]);
    waitpid(child, nullptr, 0);
    if (std::string(said) == "cannot mount")
      GTEST_SKIP() << "this test needs the right to mount a small disk";
    EXPECT_STREQ(said, "storage_full");
  }
}

TEST_F(ParquetTest, PartsAreReadWithTheirIndex) {
  const std::vector<Row> rows = random_rows(5000, 3);
  ASSERT_TRUE(write(engine(), path("a.parquet"), rows, 2048));
  ASSERT_TRUE(write(engine(), path("empty.parquet"), {}, 1));
  ASSERT_TRUE(write(engine(), path("b[1].parquet"), {rows[0], rows[1]}, 2));
  std::vector<std::int64_t> parts;
  std::vector<Cell> cells;
  const auto visit = [&](const Batch& batch) -> Status {
    for (int row = 0; row < batch.rows(); ++row) {
      cells.push_back(read_cell(batch, 0, row));
      parts.push_back(batch.integer(1, row));
    }
    return {};
  };
  const auto paths = {path("b[1].parquet"), path("empty.parquet"), path("a.parquet")};
  const Status read = read_parts(engine(), paths, {"s"}, "part", visit);
  ASSERT_TRUE(read) << base::render(read.error());
  ASSERT_EQ(cells.size(), rows.size() + 2);
  EXPECT_EQ(parts[1], 0);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    ASSERT_EQ(cells[row + 2], rows[row][3]);
    ASSERT_EQ(parts[row + 2], 2);
  }
}

TEST_F(ParquetTest, PartsThatCannotBeReadAreAnError) {
  const auto nothing = [](const Batch&) -> Status { return {}; };
  EXPECT_TRUE(read_parts(engine(), {}, {"s"}, "part", nothing));
  EXPECT_EQ(read_parts(engine(), {path("gone.parquet")}, {"s"}, "part", nothing).error().code,
            ErrorCode::not_found);
  ASSERT_TRUE(write(engine(), path("a.parquet"), {}, 1));
  EXPECT_EQ(read_parts(engine(), {path("a.parquet")}, {"x"}, "part", nothing).error().code,
            ErrorCode::invalid);
  const auto stop = [](const Batch&) -> Status { return fail(ErrorCode::cancelled, "stopped"); };
  ASSERT_TRUE(write(engine(), path("b.parquet"), random_rows(3, 1), 3));
  EXPECT_EQ(read_parts(engine(), {path("b.parquet")}, {"s"}, "part", stop).error().message, "stopped");
  std::ofstream(path("broken.parquet")) << "PAR1 is no Parquet file";
  EXPECT_EQ(
      read_parts(engine(), {path("b.parquet"), path("broken.parquet")}, {"s"}, "part", nothing).error().code,
      ErrorCode::storage_broken);
}

}  // namespace
}  // namespace trimtab::table
