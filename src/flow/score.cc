#include "flow/score.h"

#include <cmath>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "flow/artifact_inputs.h"
#include "flow/file_rows.h"
#include "flow/scored_parts.h"
#include "ingest/csv_file.h"

namespace trimtab::flow {
namespace {

// Rows of the files in, the same rows with their predictions out.
class FileScorer {
 public:
  static Result<std::unique_ptr<FileScorer>> make(const table::OperationRun& run) {
    const auto artifact = TRY(read_artifact(run, "artifact"));
    const std::filesystem::path& first = run.files("file").front();
    const table::Schema found = TRY(file_columns(run.engine, first));
    if (found.find(kPredictionColumn)) {
      return fail(Error{ErrorCode::invalid, "there is a column 'prediction' already", "rename it in the file",
                        SourceRange{ingest::short_name(first), 0, 0}, nullptr});
    }
    std::unique_ptr<FileScorer> made(new FileScorer(run));
    made->file_ = TRY(FileRows::make(run, run.params["read"], artifact, found, ingest::short_name(first)));
    table::Schema out = made->file_->columns();
    out.add({kPredictionColumn, table::ColumnType::real});
    made->out_ = table::Batch(out);
    const std::filesystem::path name = run.params.text_or("output");
    TRY(check_scored_name(name));
    made->parts_ =
        TRY(ScoredParts::open(run.engine, run.output_folder / "parts", name.extension().string(), out));
    return made;
  }

  Status score(const std::filesystem::path& path) {
    if (const std::optional<std::int64_t> known = TRY(parts_->begin_file())) {
      rows_ += *known;
      return tell_progress();
    }
    TRY(score_rows(path));
    return parts_->end_file();
  }

  Result<Json> finish() {
    TRY(parts_->assemble(run_.output_folder / run_.params.text_or("output")));
    return Json::object({{"rows", rows_},
                         {"resumed_rows", parts_->rows_found()},
                         {"files", static_cast<std::int64_t>(run_.files("file").size())}});
  }

 private:
  explicit FileScorer(const table::OperationRun& run) : run_(run) {}

  Status score_rows(const std::filesystem::path& path) {
    return file_->visit(path, [&](const table::Batch& rows, std::int64_t first) -> Status {
      Status done = append(rows);
      if (done || done.error().code == ErrorCode::cancelled) return done;
      return fail(place(std::move(done).error(), path, first, rows.rows()));
    });
  }

  Status tell_progress() {
    if (!run_.progress(rows_, 0, "rows")) return fail(ErrorCode::cancelled, "stopped on request");
    return {};
  }

  Status append(const table::Batch& rows) {
    if (rows.rows() == 0) return {};
    rows_ += rows.rows();
    if (parts_->is_there()) {
      TRY(parts_->pass_over(rows.rows()));
      return tell_progress();
    }
    const std::span<const double> scores = TRY(file_->score(rows));
    out_.reset(rows.rows());
    copy_columns(rows, out_);
    const int last = out_.schema().size() - 1;
    for (int row = 0; row < rows.rows(); ++row) {
      const double score = scores[static_cast<std::size_t>(row)];
      if (std::isnan(score)) out_.set_null(last, row);
      if (!std::isnan(score)) out_.set_real(last, row, score);
    }
    TRY(parts_->append(out_));
    return tell_progress();
  }

  static Error place(Error error, const std::filesystem::path& path, std::int64_t first, int rows) {
    if (error.where) return error;
    error.message =
        "rows " + std::to_string(first + 1) + " to " + std::to_string(first + rows) + ": " + error.message;
    error.where = SourceRange{ingest::short_name(path), 0, 0};
    return error;
  }

  const table::OperationRun& run_;
  std::unique_ptr<FileRows> file_;
  std::unique_ptr<ScoredParts> parts_;
  table::Batch out_;
  std::int64_t rows_ = 0;
};

}  // namespace

Json score_params(const Json& read, const std::string& output) {
  return Json::object({{"read", read}, {"output", output}});
}

Result<Json> score_files(const table::OperationRun& run) {
  const std::unique_ptr<FileScorer> scorer = TRY(FileScorer::make(run));
  for (const std::filesystem::path& path : run.files("file")) TRY(scorer->score(path));
  return scorer->finish();
}

}  // namespace trimtab::flow
