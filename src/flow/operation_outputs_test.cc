// What each operation writes, pinned on the small world's rows: a result in somebody's home is used again
// only because the same step would make the same bytes. Bytes are promised for one instruction set; these
// pins are for x86-64 (tried with the C library's AVX2 and FMA variants of exp and log, and without).
#include <gtest/gtest.h>

#include "base/hash.h"
#include "flow/small_world_test.h"
#include "flow/task.h"
#include "model/booster.h"
#include "table/engine.h"

namespace trimtab::flow {
namespace {

struct Pin {
  std::string operation;
  int version;         // Of flow/task.cc.
  std::string sha256;  // Of all that the operation left.
};

const std::vector<Pin> kPins = {
    {"sniff", 1, "4694852c7936376442362004ea43b316d0e3344af86c2a6ddd3710800f91813d"},
    {"ingest", 1, "f6996a6da965ae88083febf0fef228ebd72d40aaf049f2a455be7d814b3fb1c5"},
    {"ingest_rows", 1, "dbca6ec7b2827a13317d4c95e6e3006952d992bc7b480b3930ece99380021c4c"},
    {"clean", 1, "d88a0da07e7f7740eae34a16cad6c40c21b7bb97254bac2b18ea27195766d420"},
    {"check", 1, "a0639c3968106514251f0a5f9fee3cc223a4f27d0a798f8c2c60c6af728ac5ae"},
    {"check_table", 1, "5c7e7fcdf48042ceec88002e53f31c57caf40790ea6d33cea9328e7e8a113eb9"},
    {"profile", 2, "73110d8d9e85a19638a6372296d8c086243f9e75b4ba6147fc23ff8e54920906"},
    {"frame", 1, "4174c7d387b045b1b06416622add57148c3cba598a4e002be9e9ada5c28aaf9e"},
    {"train", 4, "848f464b70416d3bce0c7cc095f86d3bf82ae81d587d969737d1dfc153b02a23"},
    {"judge", 2, "b454003abc19e02122a2e3bdb9bcc53ef930a213d58c6be05a2386a2b9b7c2d8"},
    {"score", 1, "nothing"},  // Its file is the user's and is never used again.
};

// These are part of every key, so that another version may write other bytes.
constexpr const char* kEngine = "v1.5.5";
constexpr const char* kBooster = "4.5.0";

std::string outputs_of(const SmallWorld& world, const std::string& operation) {
  std::string all;
  for (const std::string& outputs : world.query(
           "SELECT outputs_json FROM step_result WHERE operation = '" + operation + "' ORDER BY label", 1)) {
    const Json kept = base::parse_json(outputs).value();
    all += kept["files"].dump() + kept["values"].dump() + "\n";
  }
  return all.empty() ? "nothing" : base::sha256(all);
}

TEST(OperationOutputs, DoNotChangeWithoutANewVersion) {
  SmallWorld world;
  // A gate on slices, so that their columns are in the frame.
  std::string text = world.project.text;
  const std::string gate = "ece <= 0.9";
  world.project = world.read_project(text.replace(text.find(gate), gate.size(), "slice(town).auc >= 0.01"));
  auto pipeline = world.pipeline();
  const TrainingRequest first{
      .model = "late", .as_of = *world.project.as_of, .test_from = {}, .champion_manifest = {}};
  ASSERT_TRUE(pipeline->refresh_source("weather", first.as_of, world.notes));
  world.receive("weather", {R"({"hour":"2020-01-04T01:30:00Z","town":"NORTH","temp":-3.5})",
                            R"({"hour":"2020-01-04T02:30:00Z","town":"WEST","temp":null})"});
  const Result<Candidate> candidate = pipeline->train(first, world.notes);
  ASSERT_TRUE(candidate) << base::render(candidate.error());

  ASSERT_EQ(table::engine_version(), kEngine) << "another engine: pin its outputs anew";
  ASSERT_EQ(model::booster_version(), kBooster) << "another LightGBM: pin its outputs anew";
  for (const OperationEntry& operation : operations()) {
    if (!operation.is_kept) continue;
    const auto pin = std::find_if(kPins.begin(), kPins.end(),
                                  [&](const Pin& known) { return known.operation == operation.name; });
    ASSERT_NE(pin, kPins.end()) << "the operation '" << operation.name << "' is new: pin its output";
    const std::string found = outputs_of(world, operation.name);
    if (operation.version == pin->version) {
      EXPECT_EQ(found, pin->sha256)
          << "the output of '" << operation.name
          << "' has changed: raise its version in flow/task.cc, then pin both here "
             "(if nothing but the processor is another one, see the head of this file)";
    } else {
      ADD_FAILURE() << "'" << operation.name << "' has version " << operation.version
                    << " now: pin it here with the output " << found;
    }
  }
}

}  // namespace
}  // namespace trimtab::flow
