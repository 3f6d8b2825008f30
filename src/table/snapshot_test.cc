#include "table/snapshot.h"

#include <algorithm>
#include <functional>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "base/hash.h"

namespace trimtab::table {
namespace {

Part part(std::optional<TimeUs> from, std::optional<TimeUs> to, const std::string& origin) {
  Part part;
  part.blob_sha256 = base::sha256("blob of " + origin);
  part.bytes = 1000;
  part.rows = 10;
  part.time_min = from;
  part.time_max = to;
  part.origin = origin;
  part.origin_sha256 = base::sha256("file " + origin);
  part.step_key = base::sha256("step");
  return part;
}

Snapshot flights() {
  Snapshot snapshot;
  snapshot.name = "source/flights";
  snapshot.schema = Schema({{"sched_dep", ColumnType::time}, {"origin", ColumnType::text}});
  snapshot.time_column = "sched_dep";
  snapshot.parts = {part(std::nullopt, std::nullopt, "empty.csv"), part(-5, 5, "b.csv"), part(0, 9, "a.csv")};
  snapshot.parent_sha256 = base::sha256("parent");
  return snapshot;
}

TEST(Snapshot, CountsItsRows) {
  EXPECT_EQ(Snapshot{}.rows(), 0);
  EXPECT_EQ(flights().rows(), 30);
}

TEST(Snapshot, ManifestIsPinned) {
  // A changed manifest changes the identity of every snapshot that exists: that needs a new format number.
  Snapshot snapshot = flights();
  snapshot.parts.resize(1);
  EXPECT_EQ(snapshot.to_json().dump(),
            R"({"format":1,"name":"source/flights","schema":[{"name":"sched_dep","type":"time"},)"
            R"({"name":"origin","type":"text"}],"time_column":"sched_dep","parts":[{"blob_sha256":")" +
                base::sha256("blob of empty.csv") +
                R"(","bytes":1000,"rows":10,"time_min":null,"time_max":null,"origin":"empty.csv",)" +
                R"("origin_sha256":")" + base::sha256("file empty.csv") + R"(","step_key":")" +
                base::sha256("step") + R"("}],"parent_sha256":")" + base::sha256("parent") + R"("})");
}

TEST(Snapshot, ManifestDoesNotDependOnTheOrderOfListing) {
  Snapshot shuffled = flights();
  std::reverse(shuffled.parts.begin(), shuffled.parts.end());
  EXPECT_EQ(shuffled.to_json().dump(), flights().to_json().dump());
}

RC_GTEST_PROP(Snapshot, ComesBackFromItsManifest, ()) {
  Snapshot snapshot;
  snapshot.name = "table/t";
  snapshot.schema = Schema({{"at", ColumnType::time}});
  snapshot.time_column = *rc::gen::element<std::string>("", "at", "AT");
  const int count = *rc::gen::inRange(0, 6);
  for (int i = 0; i < count; ++i) {
    const auto from = *rc::gen::arbitrary<bool>();
    const TimeUs start = *rc::gen::arbitrary<TimeUs>();
    const TimeUs end = std::max(start, *rc::gen::arbitrary<TimeUs>());
    Part made = part(std::nullopt, std::nullopt, "");
    if (from) std::tie(made.time_min, made.time_max) = std::pair(start, end);
    made.rows = *rc::gen::inRange<std::int64_t>(0, 1'000'000'000'000);
    made.origin = std::to_string(i % 3) + "é\"\\\n";
    snapshot.parts.push_back(made);
  }
  const Json written = snapshot.to_json();
  const Result<Json> parsed = base::parse_json(written.dump());
  RC_ASSERT(parsed.has_value());
  const Result<Snapshot> read = Snapshot::from_json(*parsed);
  RC_ASSERT(read.has_value());
  RC_ASSERT(read->to_json().dump() == written.dump());
  RC_ASSERT(read->name == snapshot.name && read->schema == snapshot.schema);
  RC_ASSERT(std::is_permutation(read->parts.begin(), read->parts.end(), snapshot.parts.begin(),
                                snapshot.parts.end()));
}

// The refusal of flights()'s manifest after `damage` was done to it.
std::string refusal(const std::function<void(Json&)>& damage) {
  Json json = flights().to_json();
  damage(json);
  const Result<Snapshot> read = Snapshot::from_json(json);
  if (read) return "accepted";
  EXPECT_EQ(read.error().code, ErrorCode::storage_broken);
  const std::string start = "the snapshot's manifest is broken: ";
  EXPECT_EQ(read.error().message.substr(0, start.size()), start);
  return read.error().message.substr(start.size());
}

std::string refusal_of_part(const std::string& member, const Json& value, std::size_t index = 1) {
  return refusal([&](Json& json) {
    Json parts = json["parts"];
    parts.as_array()[index].set(member, value);
    json.set("parts", parts);
  });
}

TEST(Snapshot, BrokenManifestNamesTheField) {
  const auto with = [](std::string member, Json value) {
    return refusal([&](Json& json) { json.set(member, value); });
  };
  EXPECT_EQ(with("name", ""), "name is empty");
  EXPECT_EQ(with("name", 7), "name must be text");
  EXPECT_EQ(with("schema", "x"), "schema cannot be read: a schema is a list of columns, not \"x\"");
  EXPECT_EQ(with("time_column", "nosuch"), "time_column 'nosuch' is not in the schema");
  EXPECT_EQ(with("time_column", "origin"), "time_column 'origin' is not of type time");
  EXPECT_EQ(with("parts", nullptr), "parts must be a list");
  EXPECT_EQ(with("parent_sha256", "abc"), "parent_sha256 must be 64 hexadecimal digits, but is 'abc'");
  EXPECT_EQ(with("colour", "red"), "colour is no member that this version knows");
  EXPECT_EQ(refusal([](Json& json) { json = Json::array(); }), "the document must be an object");
  EXPECT_EQ(refusal([](Json& json) { json = Json::object(); }), "format must be a whole number");
}

TEST(Snapshot, BrokenPartNamesTheField) {
  EXPECT_EQ(refusal_of_part("blob_sha256", ""),
            "parts[1].blob_sha256 must be 64 hexadecimal digits, but is ''");
  EXPECT_EQ(refusal_of_part("bytes", -1), "parts[1].bytes is negative");
  EXPECT_EQ(refusal_of_part("rows", 1.5), "parts[1].rows must be a whole number");
  EXPECT_EQ(refusal_of_part("time_min", "2013"), "parts[1].time_min must be microseconds or null");
  EXPECT_EQ(refusal_of_part("time_min", nullptr),
            "parts[1].time_max and time_min must both be there or both be null");
  EXPECT_EQ(refusal_of_part("time_max", -6), "parts[1].time_max is before time_min");
  EXPECT_EQ(refusal_of_part("time_min", -9, 2), "parts[2] is out of order");
  EXPECT_EQ(refusal_of_part("origin", nullptr), "parts[1].origin must be text");
  EXPECT_EQ(refusal_of_part("more", 1), "parts[1].more is no member that this version knows");
}

TEST(Snapshot, ManifestOfALaterVersionIsNotHalfUnderstood) {
  Json json = flights().to_json();
  json.set("format", 2);
  const Result<Snapshot> read = Snapshot::from_json(json);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::unsupported);
  EXPECT_EQ(read.error().message, "the snapshot's manifest has format 2, this version reads format 1");
}

}  // namespace
}  // namespace trimtab::table
