#include "ingest/column_types.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "ingest/cell.h"
#include "ingest/csv_file.h"
#include "table/expression.h"
#include "table/parquet.h"

namespace trimtab::ingest {
namespace {

using table::ColumnType;

// Sources up to this size are read whole, so that no later row can contradict; of larger ones, the first rows
// of each file.
constexpr std::uint64_t kBytesReadWhole = 256ull << 20;
constexpr std::int64_t kRowsOfLarge = 50'000;

// One query can read all files with the same header.
struct FileGroup {
  CsvHeader header;
  std::vector<std::filesystem::path> paths;
};

ColumnType wider(ColumnType a, ColumnType b) {
  if (a == b) return a;
  const bool numbers = (a == ColumnType::integer || a == ColumnType::real) &&
                       (b == ColumnType::integer || b == ColumnType::real);
  return numbers ? ColumnType::real : ColumnType::text;
}

std::string differing_name(const table::Schema& a, const table::Schema& b) {
  for (const table::Column& column : a.columns()) {
    if (!b.find(column.name)) return column.name;
  }
  return {};
}

// All files have the columns of the first one.
Status expect_same_columns(const table::Schema& first, const std::filesystem::path& first_path,
                           const table::Schema& other, const std::filesystem::path& path) {
  const std::string missing = differing_name(first, other);
  const std::string extra = differing_name(other, first);
  if (missing.empty() && extra.empty()) return {};
  const std::string what = missing.empty()
                               ? "has a column '" + extra + "' that " + short_name(first_path) + " lacks"
                               : "lacks the column '" + missing + "' of " + short_name(first_path);
  return fail(Error{ErrorCode::invalid, "the header " + what,
                    "all files of a source have the same columns, in any order",
                    SourceRange{short_name(path), 1, 0}, nullptr});
}

std::uint64_t bytes_of(const std::vector<std::filesystem::path>& paths) {
  std::uint64_t bytes = 0;
  for (const std::filesystem::path& path : paths) {
    std::error_code ignored;
    const std::uint64_t size = std::filesystem::file_size(path, ignored);
    if (!ignored) bytes += size;
  }
  return bytes;
}

class TypeFinder {
 public:
  TypeFinder(table::Engine& engine, const std::set<std::string, std::less<>>& nulls)
      : engine_(engine), nulls_(nulls) {}

  Result<table::Schema> find(const std::vector<std::filesystem::path>& paths) {
    for (const std::filesystem::path& path : paths) {
      if (TRY(kind_of(path)) == FileKind::parquet) {
        TRY(add_parquet(path));
      } else {
        TRY(add_csv(path));
      }
    }
    const bool whole = bytes_of(paths) <= kBytesReadWhole;
    for (const FileGroup& group : groups_) {
      if (whole) {
        TRY(vote(group.header, group.paths, ""));
        continue;
      }
      for (const std::filesystem::path& path : group.paths) {
        TRY(vote(group.header, {path}, " LIMIT " + std::to_string(kRowsOfLarge)));
      }
    }
    return schema();
  }

 private:
  Status add_columns(const table::Schema& schema, const std::filesystem::path& path) {
    if (first_path_.empty()) {
      first_path_ = path;
      columns_ = schema;
      votes_.resize(schema.columns().size());
      return {};
    }
    return expect_same_columns(columns_, first_path_, schema, path);
  }

  Status add_csv(const std::filesystem::path& path) {
    CsvHeader header = TRY(read_header(engine_, path));
    table::Schema schema;
    for (const std::string& name : header.names) schema.add({name, ColumnType::text});
    TRY(add_columns(schema, path));
    has_csv_ = true;
    const auto same = std::find_if(groups_.begin(), groups_.end(),
                                   [&](const FileGroup& group) { return group.header == header; });
    if (same != groups_.end()) {
      same->paths.push_back(path);
    } else {
      groups_.push_back({std::move(header), {path}});
    }
    return {};
  }

  Status add_parquet(const std::filesystem::path& path) {
    const table::Schema schema = TRY(table::parquet_schema(engine_, path));
    TRY(add_columns(schema, path));
    if (!parquet_) parquet_ = schema;
    for (const table::Column& column : schema.columns()) {
      const ColumnType known = parquet_->at(*parquet_->find(column.name)).type;
      parquet_->set({column.name, wider(known, column.type)});
    }
    return {};
  }

  Status vote(const CsvHeader& header, const std::vector<std::filesystem::path>& paths,
              const std::string& limit) {
    std::vector<std::size_t> places;  // Of each column of the header among the source's columns.
    for (const std::string& name : header.names)
      places.push_back(static_cast<std::size_t>(*columns_.find(name)));
    const auto visit = [&](const table::Batch& texts) -> Status {
      for (int column = 0; column < texts.schema().size(); ++column) {
        TypeVote& vote = votes_[places[static_cast<std::size_t>(column)]];
        for (int row = 0; row < texts.rows(); ++row) {
          const std::string_view text = texts.text(column, row);
          if (!nulls_.contains(text)) vote.add(text);
        }
      }
      return {};
    };
    Status read = engine_.query("SELECT * FROM " + csv_table(header, paths) + limit, visit);
    if (!read) return fail(csv_error(engine_, std::move(read).error(), paths.front(), header));
    return {};
  }

  table::Schema schema() const {
    table::Schema schema;
    for (int i = 0; i < columns_.size(); ++i) {
      const std::string& name = columns_.at(i).name;
      std::optional<ColumnType> type;
      if (parquet_) type = parquet_->at(*parquet_->find(name)).type;
      const TypeVote& vote = votes_[static_cast<std::size_t>(i)];
      if (has_csv_ && vote.has_value()) type = type ? wider(*type, vote.winner()) : vote.winner();
      schema.add({name, type.value_or(ColumnType::text)});
    }
    return schema;
  }

  table::Engine& engine_;
  const std::set<std::string, std::less<>>& nulls_;
  std::filesystem::path first_path_;
  table::Schema columns_;        // Names of the first file; their types mean nothing.
  std::vector<TypeVote> votes_;  // Of each column, by the CSV files.
  std::vector<FileGroup> groups_;
  bool has_csv_ = false;
  std::optional<table::Schema> parquet_;  // Widened over the Parquet files.
};

}  // namespace

Result<table::Schema> find_column_types(table::Engine& engine,
                                        const std::vector<std::filesystem::path>& paths,
                                        const std::set<std::string, std::less<>>& nulls) {
  return TypeFinder(engine, nulls).find(paths);
}

}  // namespace trimtab::ingest
