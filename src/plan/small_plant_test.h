// For the tests of this room: the small world of flow/, and an apply as app/life_of_a_row.cc does it.
#pragma once

#include <gtest/gtest.h>
#include <string>

#include "flow/small_world_test.h"
#include "plan/apply.h"
#include "plan/plan.h"

namespace trimtab::plan {

class SmallPlant : public testing::Test {
 protected:
  Workplace workplace() {
    return {world_.project, *world_.home, *world_.engine, world_.clock, world_.options(), actor_};
  }
  TimeUs as_of() const { return *world_.project.as_of; }

  Plan plan() {
    const Result<Plan> made = make_plan(workplace(), as_of());
    if (!made) ADD_FAILURE() << base::render(made.error());
    return made.value_or(Plan{});
  }

  // The passes in their order; the report says what came of them.
  Status try_apply(ApplyReport& report) {
    world_.notes.take_started();
    const Workplace place = workplace();
    flow::Executor executor(place.home, place.clock, place.executor);
    flow::Pipeline pipeline(place.project, place.home, place.engine, executor, place.clock);
    TRY(pipeline.validate(world_.notes));
    TRY(remember(place, as_of()));
    for (const project::Model& model : place.project.models) {
      flow::Journey journey = pipeline.set_out(
          {.model = model.name, .as_of = as_of(), .test_from = {}, .champion_manifest = {}}, world_.notes);
      TRY(learn(place, pipeline, journey, report));
    }
    for (const project::Endpoint& endpoint : place.project.endpoints) {
      TRY(open_endpoint(place, endpoint, report, [this](const std::string& name) -> Status {
        told_ += name + ";";
        return {};
      }));
    }
    report.steps_run = static_cast<std::int64_t>(world_.notes.take_started().size());
    return {};
  }
  static Status learn(const Workplace& place, flow::Pipeline& pipeline, flow::Journey& journey,
                      ApplyReport& report) {
    TRY(pipeline.enter(journey));
    TRY(pipeline.clean(journey));
    TRY(pipeline.check(journey));
    TRY(pipeline.profile(journey));
    TRY(pipeline.shape(journey));
    if (TRY(recall(place, journey, report))) return {};
    TRY(pipeline.check_whole(journey));
    TRY(pipeline.fit(journey));
    TRY(face_champion(place, journey));
    TRY(pipeline.judge(journey));
    return enlist(place, journey, report);
  }
  ApplyReport apply() {
    ApplyReport report;
    const Status applied = try_apply(report);
    EXPECT_TRUE(applied) << base::render(applied.error());
    return report;
  }

  // Replaces a piece of the project file.
  void declare(const std::string& from, const std::string& to) { world_.declare(from, to); }

  flow::SmallWorld world_;
  std::string actor_ = "cli";
  std::string told_;  // Endpoints whose server would have been told of a new champion.
};

}  // namespace trimtab::plan
