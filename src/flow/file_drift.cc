#include "flow/file_drift.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/recipe.h"
#include "model/unseen.h"
#include "table/parquet.h"
#include "watch/column_report.h"
#include "watch/row_drift.h"
#include "watch/sample_drift.h"

namespace trimtab::flow {
namespace {

constexpr std::size_t kSampleMax = 100'000;
constexpr std::size_t kTextsMax = 1'000'000;  // Different ones of a column; further ones count as unseen.

using table::ColumnType;

struct CommonColumns {
  std::vector<model::Feature> features;  // As a learner would see them.
  Json left_out = Json::array();         // {"name","why"} of each column that cannot be compared.
};

// Whole numbers become numbers with fractions as soon as one of them is missing, so they compare.
bool are_alike(ColumnType a, ColumnType b) {
  const auto is_number = [](ColumnType type) {
    return type == ColumnType::integer || type == ColumnType::real;
  };
  return a == b || (is_number(a) && is_number(b));
}

Result<CommonColumns> common_columns(table::Engine& engine, const std::filesystem::path& reference,
                                     const std::filesystem::path& current) {
  const table::Schema first = TRY(table::parquet_schema(engine, reference));
  const table::Schema second = TRY(table::parquet_schema(engine, current));
  CommonColumns common;
  const auto leave_out = [&common](const std::string& name, std::string why) {
    common.left_out.push(Json::object({{"name", name}, {"why", std::move(why)}}));
  };
  for (const table::Column& column : first.columns()) {
    const std::optional<int> there = second.find(column.name);
    if (!there) {
      leave_out(column.name, "only in the reference");
    } else if (const ColumnType type = second.at(*there).type; !are_alike(column.type, type)) {
      leave_out(column.name,
                std::string(table::type_name(column.type)) + ", now " + std::string(table::type_name(type)));
    } else {
      common.features.push_back({column.name, column.type, {}});
    }
  }
  for (const table::Column& column : second.columns()) {
    if (!first.find(column.name)) leave_out(column.name, "not in the reference");
  }
  if (common.features.empty()) {
    return fail(ErrorCode::invalid, "the two files have no column of one name and type in common",
                "'" + reference.string() + "' and '" + current.string() + "' hold different tables");
  }
  return common;
}

std::vector<std::string> names_of(const std::vector<model::Feature>& features) {
  std::vector<std::string> names;
  for (const model::Feature& feature : features) names.push_back(feature.name);
  return names;
}

double number_at(const table::Batch& rows, int column, int row) {
  switch (rows.schema().at(column).type) {
    case ColumnType::time:
      return static_cast<double>(rows.time(column, row)) / static_cast<double>(base::kSecondUs);
    case ColumnType::boolean:
      return rows.boolean(column, row) ? 1 : 0;
    case ColumnType::integer:
      return static_cast<double>(rows.integer(column, row));
    default:
      return rows.real(column, row);
  }
}

// What the first reading of the reference leaves of a column.
struct ColumnSample {
  std::vector<double> numbers;  // Every step-th row's.
  std::unordered_map<std::string, std::int64_t> texts;
  double count = 0, mean = 0, squares = 0;

  void add(const table::Batch& rows, int column, int row, bool is_sampled) {
    if (rows.is_null(column, row)) return;
    if (rows.schema().at(column).type == ColumnType::text) {
      const std::string text(rows.text(column, row));
      if (texts.size() < kTextsMax || texts.contains(text)) ++texts[text];
      return;
    }
    const double value = number_at(rows, column, row);
    if (is_sampled) numbers.push_back(value);
    if (!std::isfinite(value)) return;
    const double delta = value - mean;
    mean += delta / ++count;
    squares += delta * (value - mean);
  }
};

// The texts by falling count, then by bytes: as training orders them.
std::vector<std::string> levels_of(const ColumnSample& sample) {
  std::vector<std::pair<std::string, std::int64_t>> counted(sample.texts.begin(), sample.texts.end());
  std::sort(counted.begin(), counted.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  std::vector<std::string> levels;
  for (auto& [text, count] : counted) levels.push_back(std::move(text));
  return levels;
}

Result<std::vector<ColumnSample>> sample_file(table::Engine& engine, const std::filesystem::path& file,
                                              const std::vector<std::string>& names) {
  std::vector<ColumnSample> samples(names.size());
  // The sample is thinned to every second row whenever it is full.
  std::size_t step = 1;
  std::size_t row_number = 0;
  TRY(table::read_parquet(engine, {file}, names, [&](const table::Batch& rows) -> Status {
    for (int row = 0; row < rows.rows(); ++row, ++row_number) {
      const bool is_sampled = row_number % step == 0;
      for (std::size_t i = 0; i < samples.size(); ++i)
        samples[i].add(rows, static_cast<int>(i), row, is_sampled);
      if (!is_sampled || row_number / step < kSampleMax) continue;
      step *= 2;
      for (ColumnSample& sample : samples) {
        std::size_t kept = 0;
        for (std::size_t i = 0; i < sample.numbers.size(); i += 2) sample.numbers[kept++] = sample.numbers[i];
        sample.numbers.resize(kept);
      }
    }
    return {};
  }));
  return samples;
}

// Codes of the texts; numbers are what they are.
class RowEncoder {
 public:
  explicit RowEncoder(const std::vector<model::Feature>& features) {
    for (const model::Feature& feature : features) {
      codes_.emplace_back();
      for (const std::string& level : feature.levels)
        codes_.back().emplace(level, static_cast<double>(codes_.back().size()));
    }
  }
  void encode(const table::Batch& rows, int row, std::vector<double>& out) const {
    for (std::size_t i = 0; i < codes_.size(); ++i) {
      const int column = static_cast<int>(i);
      out[i] = model::kMissing;
      if (rows.is_null(column, row)) continue;
      if (rows.schema().at(column).type != ColumnType::text) {
        out[i] = number_at(rows, column, row);
        continue;
      }
      const auto code = codes_[i].find(std::string(rows.text(column, row)));
      out[i] = code == codes_[i].end() ? model::kUnseen : code->second;
    }
  }

 private:
  std::vector<std::unordered_map<std::string, double>> codes_;
};

// An even sample of rows that pass by (Vitter 1985, algorithm R).
struct RowSample {
  static constexpr std::uint64_t kRowsMax = 10'000;
  std::vector<double> values;
  std::uint64_t seen = 0;
  std::mt19937_64 random{1};

  void add(const std::vector<double>& row) {
    ++seen;
    if (seen <= kRowsMax) {
      values.insert(values.end(), row.begin(), row.end());
    } else if (const std::uint64_t at = random() % seen; at < kRowsMax) {
      std::copy(row.begin(), row.end(), values.begin() + static_cast<std::ptrdiff_t>(at * row.size()));
    }
  }
};

Result<watch::RowCounts> count_file(table::Engine& engine, const std::filesystem::path& file,
                                    const watch::Baseline& baseline, const RowEncoder& encoder,
                                    RowSample* sample) {
  watch::RowCounts counts;
  std::vector<std::string> names;
  for (const watch::WatchedColumn& column : baseline.columns) names.push_back(column.name);
  std::vector<double> encoded(names.size());
  TRY(table::read_parquet(engine, {file}, names, [&](const table::Batch& rows) -> Status {
    for (int row = 0; row < rows.rows(); ++row) {
      encoder.encode(rows, row, encoded);
      counts.add(baseline, encoded, 0);
      if (sample != nullptr) sample->add(encoded);
    }
    return {};
  }));
  return counts;
}

}  // namespace

Result<Json> compare_files(table::Engine& engine, const std::filesystem::path& reference,
                           const std::filesystem::path& current, bool row_by_row) {
  CommonColumns common = TRY(common_columns(engine, reference, current));
  std::vector<model::Feature>& features = common.features;
  const std::vector<ColumnSample> samples = TRY(sample_file(engine, reference, names_of(features)));
  watch::Baseline baseline;
  baseline.width = static_cast<int>(features.size());
  for (std::size_t i = 0; i < features.size(); ++i) {
    features[i].levels = levels_of(samples[i]);
    watch::WatchedColumn column = watch::column_of(features[i], samples[i].numbers);
    column.mean = samples[i].mean;
    column.scale = samples[i].count < 2 ? 0 : std::sqrt(samples[i].squares / (samples[i].count - 1));
    baseline.columns.push_back(std::move(column));
  }
  const RowEncoder encoder(features);
  RowSample sample_before;
  RowSample sample_now;
  const watch::RowCounts before =
      TRY(count_file(engine, reference, baseline, encoder, row_by_row ? &sample_before : nullptr));
  watch::Compared compared;
  compared.current = TRY(count_file(engine, current, baseline, encoder, row_by_row ? &sample_now : nullptr));
  for (int i = 0; i < baseline.width; ++i) compared.reference.push_back(before.of_column(baseline, i));
  Json report = watch::report_columns(baseline, compared, {});
  report.set("reference_rows", before.rows).set("rows", compared.current.rows);
  report.set("not_compared", std::move(common.left_out));
  if (!row_by_row) return report;
  std::vector<int> categorical;
  for (std::size_t i = 0; i < features.size(); ++i) {
    if (features[i].type == ColumnType::text) categorical.push_back(static_cast<int>(i));
  }
  const watch::RowPair rows{sample_before.values, sample_now.values, names_of(features), categorical};
  return report.set("row_by_row", Json::object({{"classifier", TRY(watch::tell_apart(rows)).to_json()},
                                                {"samples", watch::compare_samples(rows).to_json()}}));
}

}  // namespace trimtab::flow
