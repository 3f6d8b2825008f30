#include "app/backtest/oracle_refit.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "flow/pipeline.h"
#include "judge/metrics.h"

namespace trimtab::app {
namespace {

constexpr TimeUs kSpan = 28 * base::kDayUs;

struct SpanLoss {
  double log_loss = 0, brier = 0;
  std::int64_t rows = 0;
};

Result<double> value_of(const Json& metrics, const std::string& name) {
  const judge::Measure measure = TRY(judge::Measure::from_json(metrics[name]));
  if (!measure.value) return fail(ErrorCode::invalid, "the oracle has no " + name + ": " + measure.reason);
  return *measure.value;
}

// One refit for rows in [from, until), on older ones from `train_from` on.
Result<SpanLoss> refit(flow::Pipeline& pipeline, const project::Model& model,
                       std::optional<TimeUs> train_from, TimeUs from, TimeUs until,
                       flow::ProgressListener& listener) {
  flow::TrainingRequest request;
  request.model = model.name;
  // By then every label of the span is known; rows after it are looked at by nobody.
  request.as_of = until + std::max(model.label_delay, base::kDayUs);
  request.test_from = from;
  request.train_from = train_from;
  request.left_out = {{until, request.as_of + 1}};
  const flow::Candidate candidate = TRY(pipeline.train(request, listener));
  return SpanLoss{TRY(value_of(candidate.metrics, "log_loss")), TRY(value_of(candidate.metrics, "brier")),
                  candidate.facts.int_or("test_rows")};
}

}  // namespace

OracleResult refit_oracle(Workbench& bench, const project::Model& model, TimeUs from, TimeUs to,
                          flow::ProgressListener& listener) {
  flow::Executor executor(*bench.home, bench.clock, bench.executor);
  flow::Pipeline pipeline(bench.project, *bench.home, *bench.engine, executor, bench.clock);
  OracleResult oracle;
  double log_loss = 0, brier = 0;
  for (TimeUs start = from; start < to; start += kSpan) {
    const TimeUs until = std::min(start + kSpan, to);
    std::optional<SpanLoss> best;
    for (const std::optional<TimeUs> train_from : {std::optional<TimeUs>(), std::optional(start - kSpan)}) {
      const Result<SpanLoss> loss = refit(pipeline, model, train_from, start, until, listener);
      if (!loss) oracle.trouble = base::format_time(start) + ": " + loss.error().message;
      if (loss && (!best || loss->log_loss < best->log_loss)) best = *loss;
    }
    if (!best) continue;
    log_loss += best->log_loss * static_cast<double>(best->rows);
    brier += best->brier * static_cast<double>(best->rows);
    oracle.rows += best->rows;
  }
  if (oracle.rows == 0) return oracle;
  oracle.log_loss = log_loss / static_cast<double>(oracle.rows);
  oracle.brier = brier / static_cast<double>(oracle.rows);
  return oracle;
}

}  // namespace trimtab::app
