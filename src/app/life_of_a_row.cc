// Read this file first. It follows one row through all rooms, in the order in which they stand in
// ARCHITECTURE.md; every line below is the real call that the program makes. Steps that were done before cost
// nothing: each is named by the hash of all that it depends on, and its result is found instead of made
// again.
#include "app/life_of_a_row.h"

#include "flow/pipeline.h"

namespace trimtab::app {
namespace {

// Counts the steps that really ran, on their way to whoever shows progress.
class StepCounter final : public flow::ProgressListener {
 public:
  StepCounter(flow::ProgressListener& next, std::int64_t& count) : next_(next), count_(count) {}

  void started(const flow::Task& task) override { next_.started(task); }
  void progressed(const flow::Task& task, std::int64_t done, std::int64_t total,
                  const std::string& unit) override {
    next_.progressed(task, done, total, unit);
  }
  void finished(const flow::Task& task, const flow::TaskResult& result) override {
    ++count_;
    next_.finished(task, result);
  }
  void failed(const flow::Task& task, const Error& error) override { next_.failed(task, error); }

 private:
  flow::ProgressListener& next_;
  std::int64_t& count_;
};

// One model's part of the first half.
Status live_for_model(const plan::Workplace& workplace, flow::Pipeline& pipeline, flow::Journey& row,
                      plan::ApplyReport& report) {
  // ingest/  The row stands in a file. Files are known by their content; a new one is read once, with the
  // source's null tokens, types and time zone, and becomes an immutable part. So do the rows of the tables it
  // will be joined to.
  TRY(pipeline.enter(row));
  // What cannot be read has left with its reason, and is said.
  report.warn(row.prepared.left_rows);

  // clean/  The recipe's row steps and joins make it right. The join takes what had been observed by the
  // row's own time, not what is known today.
  TRY(pipeline.clean(row));

  // check/  The owner's contract is tested. Rows that break it leave here, each with its reasons.
  TRY(pipeline.check(row));
  // From here on the snapshot is fixed: later passes read it, none of them writes to it.

  // profile/  What is known of each column is kept, in a form that merges over days.
  TRY(pipeline.profile(row));

  // features/  The row becomes features and a target, if its label was known at the time that is asked for.
  // What has to be fitted (medians, category levels) is fitted on the training rows alone and from now on
  // belongs to the recipe.
  TRY(pipeline.shape(row));

  // registry/  This very training may be in the record already: then its version lives on, and the rest is
  // done.
  if (TRY(plan::recall(workplace, row, report))) return {};

  // check/  Before anybody learns from the table, it is tested as a whole: unique, fresh, enough rows.
  TRY(pipeline.check_whole(row));

  // train/ model/  A learner is fitted. Together with the recipe it is an artifact: all that is needed to
  // answer.
  TRY(pipeline.fit(row));

  // judge/  The test rows are scored from their raw columns, as the endpoint will score them (a difference of
  // one bit to the training frame refuses the candidate), measured, and held against the gates and against
  // the champion.
  TRY(plan::face_champion(workplace, row));
  TRY(pipeline.judge(row));

  // registry/  Run, version, lineage, gate results and an audit row, in one transaction. A refused version is
  // kept, too.
  return plan::enlist(workplace, row, report);
}

}  // namespace

Result<plan::ApplyReport> live_until_served(
    const plan::Workplace& workplace, TimeUs as_of, flow::ProgressListener& listener,
    const std::function<Status(const std::string& endpoint)>& on_promoted) {
  plan::ApplyReport report;
  StepCounter counter(listener, report.steps_run);
  flow::Executor executor(workplace.home, workplace.clock, workplace.executor);
  flow::Pipeline pipeline(workplace.project, workplace.home, workplace.engine, executor, workplace.clock);

  // project/ table/  Nothing begins before everything that is declared makes sense: every expression is
  // parsed, held against the allow-list and bound to the columns that are really there. All complaints come
  // at once.
  TRY(pipeline.validate(counter));
  TRY(plan::remember(workplace, as_of));

  for (const project::Model& model : workplace.project.models) {
    flow::Journey row = pipeline.set_out(
        {.model = model.name, .as_of = as_of, .test_from = {}, .champion_manifest = {}}, counter);
    TRY(live_for_model(workplace, pipeline, row, report));
  }
  // serve/  The endpoint opens with the version that passed its gates, in one transaction with its audit row.
  for (const project::Endpoint& endpoint : workplace.project.endpoints) {
    TRY(plan::open_endpoint(workplace, endpoint, report, on_promoted));
  }
  return report;
}

// Between the two halves a request comes in (api/predict), the endpoint answers it (serve/endpoint.cc)
// through the same recipe, and the answer is logged (serve/prediction_log.cc). Hours later somebody says what
// was true (watch/label.cc).
Status live_on(heal::Rounds& rounds, heal::Patient& ward) {
  // serve/ heal/  What a version does wrong while it answers is known at once: one on trial that fails
  // requests, or takes too long for them, is on its way out before anybody has said what was true.
  TRY(rounds.guard(ward));

  // heal/  What was begun is finished first: a treatment stands in the journal before its effect, so that a
  // crash in between leaves a promise and not a riddle.
  TRY(rounds.finish_treatments(ward));

  // watch/  A batch is closed once, when nearly all its rows have labels or the waiting is over.
  while (const watch::LabelledBatch* closed = ward.batches().undecided(rounds.now())) {
    const watch::LabelledBatch& batch = *closed;
    // Nobody said what was true in it: it says nothing.
    if (batch.rows() == 0) {
      ward.batches().decided();
      continue;
    }

    // judge/  How did each version do that scored it: the champion, and beside it its predecessor on
    // probation?
    const heal::BatchReport performance = rounds.measure(ward, batch);

    // heal/  The batch is evidence. A pure function of the state and the batch reaches a verdict: nothing,
    // hold, retrain, roll back, or answer at the level that is expected of the next batch.
    const heal::Finding finding = rounds.weigh(ward, batch);

    // store/  Performance, the policy's new state and, if something is to be done, the incident with its
    // evidence and the treatment that is about to begin: one transaction.
    TRY(rounds.journal(ward, batch, performance, finding));
    ward.batches().decided();

    // heal/  And it is carried out. Retraining starts the first half of a row's life again, on all that is
    // known by now; what comes of it meets the same gates as everything else.
    TRY(rounds.finish_treatments(ward));
    TRY(rounds.end_probation(ward));
  }
  return {};
}

}  // namespace trimtab::app
