#include "flow/single_rows.h"

#include <algorithm>
#include <optional>

#include "base/clock.h"
#include "base/memory.h"
#include "table/parquet.h"

namespace trimtab::flow {
namespace {

constexpr std::size_t kWarmRows = 50;
constexpr std::size_t kTimedRows = 1'000;
constexpr double kCostMegabyte = 1'000'000;

judge::Measure no_cost(std::string reason) {
  return judge::Measure{std::nullopt, std::nullopt, std::nullopt, std::move(reason)};
}

// The first rows of the parts, at most kWarmRows and only of the first part that has any.
Result<std::optional<table::Batch>> warm_rows(const table::OperationRun& run,
                                              const std::vector<std::filesystem::path>& parts) {
  std::optional<table::Batch> warm;
  for (const std::filesystem::path& part : parts) {
    if (warm) break;
    TRY(table::read_parquet(run.engine, {part}, {}, [&warm](const table::Batch& rows) -> Status {
      if (warm || rows.rows() == 0) return {};
      warm.emplace(rows.schema());
      warm->reset(std::min(rows.rows(), static_cast<int>(kWarmRows)));
      for (int column = 0; column < rows.schema().size(); ++column) {
        for (int row = 0; row < warm->rows(); ++row) table::copy_cell(rows, column, row, *warm, column, row);
      }
      return {};
    }));
  }
  return warm;
}

}  // namespace

Result<judge::Measure> time_single_rows(const table::OperationRun& run, RawScorer& scorer,
                                        const std::vector<std::filesystem::path>& parts) {
  std::vector<double> unused(1);
  std::vector<double> taken;
  for (const std::filesystem::path& part : parts) {
    if (taken.size() >= kWarmRows + kTimedRows) break;
    TRY(table::read_parquet(run.engine, {part}, {}, [&](const table::Batch& rows) -> Status {
      for (int row = 0; row < rows.rows() && taken.size() < kWarmRows + kTimedRows; ++row) {
        const TimeUs before = base::steady_now();
        TRY(scorer.score(rows, {{row, 0}}, unused));
        taken.push_back(static_cast<double>(base::steady_now() - before) / 1'000);
      }
      return {};
    }));
  }
  taken.erase(taken.begin(), taken.begin() + static_cast<std::ptrdiff_t>(std::min(kWarmRows, taken.size())));
  if (taken.empty()) return no_cost("too few rows to time");
  std::sort(taken.begin(), taken.end());
  return judge::Measure{taken[taken.size() * 99 / 100], std::nullopt, std::nullopt, ""};
}

Result<judge::Measure> memory_of_single_rows(const table::OperationRun& run,
                                             const std::vector<std::filesystem::path>& parts) {
  const std::optional<table::Batch> rows = TRY(warm_rows(run, parts));
  if (!rows) return no_cost("there are no rows to answer");
  // What earlier work has freed would otherwise hide the growth.
  base::give_back_free_memory();
  const std::uint64_t before = base::resident_bytes();
  RawScorer scorer = TRY(RawScorer::make(run, "candidate"));
  std::vector<double> unused(1);
  for (int row = 0; row < rows->rows(); ++row) TRY(scorer.score(*rows, {{row, 0}}, unused));
  const std::uint64_t after = base::resident_bytes();
  if (before == 0 || after == 0) return no_cost("the system does not say what the process holds");
  const std::uint64_t growth = after > before ? after - before : 0;
  return judge::Measure{static_cast<double>(growth) / kCostMegabyte, std::nullopt, std::nullopt, ""};
}

}  // namespace trimtab::flow
