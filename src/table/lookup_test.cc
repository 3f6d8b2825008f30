#include "table/lookup.h"

#include <atomic>
#include <gtest/gtest.h>
#include <limits>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
#include <thread>

#include "table/engine.h"
#include "table/expression.h"

namespace trimtab::table {
namespace {

using Cells = std::vector<Json>;

Batch batch_of(const Schema& schema, const std::vector<Cells>& rows) {
  Batch batch(schema);
  batch.reset(static_cast<int>(rows.size()));
  for (int row = 0; row < batch.rows(); ++row) {
    for (int column = 0; column < schema.size(); ++column) {
      const Json& cell = rows[static_cast<std::size_t>(row)][static_cast<std::size_t>(column)];
      const Status set = batch.set_cell_json(column, row, cell);
      EXPECT_TRUE(set) << base::render(set.error());
    }
  }
  return batch;
}

// A time as text, by the hour of one day.
Json at(int hour) { return base::format_time(hour * base::kHourUs); }

const Schema kWeather({{"origin", ColumnType::text},
                       {"time_hour", ColumnType::time},
                       {"temp", ColumnType::real},
                       {"sky", ColumnType::text}});
const Schema kFlights({{"from", ColumnType::text},
                       {"sched_dep", ColumnType::time},
                       {"carrier", ColumnType::integer}});

LookupSpec weather_spec(TimeUs age_max = 0) {
  return {"weather", {"from"}, {"origin"}, "sched_dep", "time_hour", age_max, {"temp", "sky"}};
}

std::shared_ptr<LookupIndex> weather(TimeUs age_max = 0) {
  auto made = LookupIndex::make(weather_spec(age_max), kWeather);
  EXPECT_TRUE(made) << base::render(made.error());
  return *made;
}

std::string found(const LookupIndex& index, const Batch& rows) {
  Schema schema({{"before", ColumnType::integer}});
  for (const Column& column : index.selected().columns()) schema.add(column);
  Batch out(schema);
  out.reset(rows.rows());
  for (int row = 0; row < rows.rows(); ++row) out.set_integer(0, row, row);
  const Status status = index.find(rows, out, 1);
  EXPECT_TRUE(status) << base::render(status.error());
  std::string text;
  for (int row = 0; row < out.rows(); ++row) {
    EXPECT_EQ(out.integer(0, row), row);
    for (int column = 1; column < schema.size(); ++column) text += out.cell_json(column, row).dump() + " ";
    text += "| ";
  }
  return text;
}

std::string found_for(const LookupIndex& index, const Json& origin, const Json& time) {
  return found(index, batch_of(kFlights, {{origin, time, 1}}));
}

TEST(Lookup, AsOfTakesTheNewestRowThatIsNotLater) {
  const auto index = weather();
  ASSERT_TRUE(index->append(batch_of(kWeather, {{"EWR", at(1), 10.5, "clear"},
                                                {"JFK", at(1), 20.5, "rain"},
                                                {"EWR", at(3), 11.5, nullptr},
                                                {"EWR", at(2), 12.5, "fog"}})));
  EXPECT_EQ(index->rows(), 4);
  EXPECT_EQ(found(*index, batch_of(kFlights, {{"EWR", at(0), 1},
                                              {"EWR", at(1), 1},
                                              {"EWR", at(2), 1},
                                              {"EWR", at(9), 1},
                                              {"JFK", at(9), 1},
                                              {"LGA", at(9), 1}})),
            "null null | 10.5 \"clear\" | 12.5 \"fog\" | 11.5 null | 20.5 \"rain\" | null null | ");
}

TEST(Lookup, OfEqualTimesTheLastAppendedWins) {
  const auto index = weather();
  ASSERT_TRUE(index->append(batch_of(kWeather, {{"EWR", at(1), 1, "a"}, {"EWR", at(1), 2, "b"}})));
  ASSERT_TRUE(index->append(batch_of(kWeather, {{"EWR", at(2), 4, "d"}, {"EWR", at(1), 3, "c"}})));
  EXPECT_EQ(found_for(*index, "EWR", at(1)), "3.0 \"c\" | ");
}

TEST(Lookup, WhatHadNotArrivedIsInvisible) {
  const auto index = weather();
  ASSERT_TRUE(index->append(batch_of(kWeather, {{"EWR", at(1), 1, "early"}})));
  ASSERT_TRUE(index->append(batch_of(kWeather, {{"EWR", at(2), 2, "late"}}), 5 * base::kHourUs));
  EXPECT_EQ(found_for(*index, "EWR", at(4)), "1.0 \"early\" | ");
  EXPECT_EQ(found_for(*index, "EWR", at(5)), "2.0 \"late\" | ");
}

TEST(Lookup, TooOldIsNoMatch) {
  const auto index = weather(3 * base::kHourUs);
  ASSERT_TRUE(index->append(batch_of(kWeather, {{"EWR", at(1), 1, "x"}})));
  EXPECT_EQ(found_for(*index, "EWR", at(4)), "1.0 \"x\" | ");
  EXPECT_EQ(found_for(*index, "EWR", at(5)), "null null | ");
}

TEST(Lookup, TimesAtTheEdgeOfTheirRangeDoNotOverflow) {
  const auto index = weather(1);
  ASSERT_TRUE(index->append(batch_of(kWeather, {{"EWR", "-infinity", 1, "x"}})));
  EXPECT_EQ(found_for(*index, "EWR", "infinity"), "null null | ");
  EXPECT_EQ(found_for(*weather(), "EWR", "infinity"), "null null | ");
  EXPECT_EQ(found_for(*index, "EWR", "-infinity"), "1.0 \"x\" | ");
}

TEST(Lookup, NullsNeverMatch) {
  const auto index = weather();
  ASSERT_TRUE(index->append(batch_of(
      kWeather, {{nullptr, at(1), 1, "x"}, {"EWR", nullptr, 2, "y"}, {"", at(1), nullptr, nullptr}})));
  EXPECT_EQ(index->rows(), 3);
  EXPECT_EQ(found_for(*index, nullptr, at(9)), "null null | ");
  EXPECT_EQ(found_for(*index, "EWR", at(9)), "null null | ");
  EXPECT_EQ(found_for(*index, "EWR", nullptr), "null null | ");
}

TEST(Lookup, PlainJoinTakesTheLastRowOfAKey) {
  const Schema planes(
      {{"tailnum", ColumnType::text}, {"seats", ColumnType::integer}, {"jet", ColumnType::boolean}});
  const Schema flights({{"tailnum", ColumnType::text}});
  auto index = LookupIndex::make({"planes", {"tailnum"}, {"tailnum"}, "", "", 0, {"jet", "seats"}}, planes);
  ASSERT_TRUE(index) << base::render(index.error());
  ASSERT_TRUE(
      (*index)->append(batch_of(planes, {{"N1", 100, true}, {"N2", 50, false}, {"N1", 120, nullptr}})));
  const Batch rows = batch_of(flights, {{"N1"}, {"N2"}, {"N3"}, {nullptr}});
  EXPECT_EQ(found(**index, rows), "null 120 | false 50 | null null | null null | ");
  ASSERT_TRUE((*index)->append(batch_of(planes, {{"N2", nullptr, true}, {"N3", 9, true}})));
  EXPECT_EQ(found(**index, rows), "null 120 | true null | true 9 | null null | ");
  EXPECT_EQ((*index)->rows(), 5);
}

TEST(Lookup, KeysOfSeveralColumnsDoNotRunIntoEachOther) {
  const Schema schema({{"a", ColumnType::text}, {"b", ColumnType::text}, {"v", ColumnType::integer}});
  auto index = LookupIndex::make({"t", {"a", "b"}, {"a", "b"}, "", "", 0, {"v"}}, schema);
  ASSERT_TRUE(index);
  ASSERT_TRUE((*index)->append(batch_of(schema, {{"x", "yz", 1}, {"xy", "z", 2}, {"", "xyz", 3}})));
  EXPECT_EQ(found(**index, batch_of(schema, {{"xy", "z", 0}, {"x", "yz", 0}, {"xyz", "", 0}})),
            "2 | 1 | null | ");
}

TEST(Lookup, EqualNumbersAreEqualKeys) {
  const Schema schema({{"k", ColumnType::real}, {"v", ColumnType::integer}});
  auto index = LookupIndex::make({"t", {"k"}, {"k"}, "", "", 0, {"v"}}, schema);
  ASSERT_TRUE(index);
  ASSERT_TRUE((*index)->append(batch_of(schema, {{0.0, 1}, {"NaN", 2}})));
  EXPECT_EQ(found(**index, batch_of(schema, {{-0.0, 0}, {"NaN", 0}, {1.0, 0}})), "1 | 2 | null | ");
}

std::string refusal(LookupSpec spec) {
  const auto made = LookupIndex::make(std::move(spec), kWeather);
  if (made) return "accepted";
  EXPECT_EQ(made.error().code, ErrorCode::invalid);
  return made.error().message + (made.error().hint.empty() ? "" : " (" + made.error().hint + ")");
}

TEST(Lookup, RefusesASpecThatDoesNotFit) {
  LookupSpec spec = weather_spec();
  spec.right_keys = {"orign"};
  EXPECT_EQ(refusal(spec),
            "lookup of 'weather': the joined table has no column 'orign' (did you mean 'origin'?)");
  spec = weather_spec();
  spec.select = {"temp", "Temp"};
  EXPECT_EQ(refusal(spec), "lookup of 'weather': 'temp' is selected twice");
  spec = weather_spec();
  spec.right_time = "temp";
  EXPECT_EQ(
      refusal(spec),
      "lookup of 'weather': 'temp' of the joined table is no time, but a real (an as-of join compares two "
      "columns of type time)");
  spec = weather_spec();
  spec.left_time = "";
  EXPECT_EQ(
      refusal(spec),
      "lookup of 'weather': an as-of join needs a time of the row and one of the joined table (name both "
      "or none)");
  spec = weather_spec(-1);
  EXPECT_EQ(refusal(spec), "lookup of 'weather': the greatest age is negative (use 0 for any age)");
  spec = weather_spec();
  spec.left_keys.emplace_back("carrier");
  EXPECT_EQ(refusal(spec),
            "lookup of 'weather': 2 keys of the row stand against 1 of the joined table (name one for each)");
  spec = weather_spec();
  spec.select.clear();
  EXPECT_EQ(refusal(spec), "lookup of 'weather': no column is selected (name the columns that shall enter)");
  EXPECT_EQ(refusal({"weather", {}, {}, "", "", 0, {"temp"}}),
            "lookup of 'weather': there is no key (name one with on)");
}

TEST(Lookup, RefusesRowsThatDoNotFit) {
  const auto index = weather();
  Schema numbered = kFlights;
  numbered.set({"from", ColumnType::integer});
  Batch out(index->selected());
  Status status = index->find(Batch(numbered), out, 0);
  ASSERT_FALSE(status);
  EXPECT_EQ(
      base::render(status.error()),
      "error: lookup of 'weather': 'from' of the row is an integer, 'origin' of the joined table is a text\n"
      "   hint: cast one of them, so that equal values are equal");
  status = index->find(Batch(kWeather), out, 0);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "lookup of 'weather': the row has no column 'from'");

  Schema other = kWeather;
  other.set({"temp", ColumnType::integer});
  status = index->append(Batch(other));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message,
            "lookup of 'weather': its column 'temp' is a real, the rows bring an integer");
}

TEST(Lookup, SpecComesBackFromJson) {
  const LookupSpec spec = weather_spec(7);
  EXPECT_EQ(spec.to_json().dump(),
            R"({"table":"weather","left_keys":["from"],"right_keys":["origin"],"left_time":"sched_dep",)"
            R"("right_time":"time_hour","age_max":7,"select":["temp","sky"]})");
  const auto read = LookupSpec::from_json(spec.to_json());
  ASSERT_TRUE(read) << base::render(read.error());
  EXPECT_EQ(*read, spec);
  for (const auto& [member, value] : spec.to_json().as_object()) {
    Json damaged = spec.to_json();
    damaged.set(member, Json::array().push(1));
    const auto refused = LookupSpec::from_json(damaged);
    ASSERT_FALSE(refused) << member;
    EXPECT_NE(refused.error().message.find("'" + member + "'"), std::string::npos) << refused.error().message;
  }
}

// One row of a random history, small numbers so that things collide.
struct Observation {
  std::optional<int> key;
  std::optional<int> time;
  std::optional<int> arrived;  // Of the whole append.
  int value = 0;
};

std::optional<int> small(int max, int null_percent) {
  if (*rc::gen::inRange(0, 100) < null_percent) return std::nullopt;
  return *rc::gen::inRange(0, max);
}

// What the contract says, row by row.
std::optional<int> scan(const std::vector<Observation>& history, std::optional<int> key,
                        std::optional<int> time, bool as_of, int age_max) {
  const Observation* best = nullptr;
  if (!key || (as_of && !time)) return std::nullopt;
  for (const Observation& row : history) {
    if (row.key != key) continue;
    if (as_of) {
      if (!row.time || *row.time > *time || row.arrived.value_or(*row.time) > *time) continue;
      if (age_max > 0 && *time - *row.time > age_max) continue;
      if (best != nullptr && *best->time > *row.time) continue;
    }
    best = &row;
  }
  return best == nullptr ? std::nullopt : std::optional(best->value);
}

Json time_cell(std::optional<int> time) { return time ? Json(base::format_time(*time)) : Json(nullptr); }
Json key_cell(std::optional<int> key) { return key ? Json(*key) : Json(nullptr); }

RC_GTEST_PROP(Lookup, AnswersAsANaiveScanDoes, ()) {
  const Schema schema({{"k", ColumnType::integer}, {"t", ColumnType::time}, {"v", ColumnType::integer}});
  const bool as_of = *rc::gen::inRange(0, 4) > 0;
  const int age_max = *rc::gen::element(0, 0, 1, 5, 20);
  const LookupSpec spec{"t", {"k"}, {"k"}, as_of ? "t" : "", as_of ? "t" : "", as_of ? age_max : 0, {"v"}};
  const auto index = *LookupIndex::make(spec, schema);
  std::vector<Observation> history;
  const int appends = *rc::gen::inRange(0, 8);
  for (int i = 0; i < appends; ++i) {
    const std::optional<int> arrived = small(40, 50);
    std::vector<Cells> cells;
    const int count = *rc::gen::inRange(0, 12);
    for (int j = 0; j < count; ++j) {
      const Observation row{small(4, 5), small(40, 5), arrived, static_cast<int>(history.size())};
      history.push_back(row);
      cells.push_back({key_cell(row.key), time_cell(row.time), row.value});
    }
    const auto arrived_at = arrived ? std::optional<TimeUs>(*arrived) : std::nullopt;
    RC_ASSERT(index->append(batch_of(schema, cells), arrived_at).has_value());
  }
  RC_ASSERT(index->rows() == static_cast<std::int64_t>(history.size()));
  std::vector<Cells> asked;
  std::string wanted;
  for (int i = 0; i < 50; ++i) {
    const std::optional<int> key = small(5, 5);
    const std::optional<int> time = small(60, 5);
    asked.push_back({key_cell(key), time_cell(time), 0});
    const std::optional<int> best = scan(history, key, time, as_of, age_max);
    wanted += (best ? std::to_string(*best) : "null") + " | ";
  }
  RC_ASSERT(found(*index, batch_of(schema, asked)) == wanted);
}

std::string values_sql(const std::vector<Cells>& rows) {
  std::string sql = "(VALUES ";
  for (const Cells& row : rows) {
    sql += &row == &rows.front() ? "(" : ", (";
    sql += row[0].dump() + ", " + quote_text(row[1].as_string()) + "::TIMESTAMPTZ, " + row[2].dump() + ")";
  }
  return sql + ")";
}

// Distinct times, because of equal ones ASOF JOIN takes any.
RC_GTEST_PROP(Lookup, AnswersAsTheEnginesAsofJoinDoes, ()) {
  static const std::unique_ptr<Engine> kEngine = Engine::open({}).value();
  const Schema schema({{"k", ColumnType::integer}, {"t", ColumnType::time}, {"v", ColumnType::integer}});
  const auto index = *LookupIndex::make({"t", {"k"}, {"k"}, "t", "t", 0, {"v"}}, schema);
  const auto times = *rc::gen::nonEmpty(rc::gen::unique<std::vector<int>>(rc::gen::inRange(0, 500)));
  std::vector<Cells> history;
  std::vector<Cells> asked;
  for (const int time : times) {
    history.push_back({*rc::gen::inRange(0, 4), base::format_time(time), static_cast<int>(history.size())});
    asked.push_back({*rc::gen::inRange(0, 5), base::format_time(*rc::gen::inRange(0, 600)), 0});
  }
  RC_ASSERT(index->append(batch_of(schema, history)).has_value());
  std::string wanted;
  const Status queried =
      kEngine->query("SELECT r.v FROM (SELECT *, row_number() OVER () AS n FROM " + values_sql(asked) +
                         " l(k, t, v)) l ASOF LEFT JOIN " + values_sql(history) +
                         " r(k, t, v) ON l.k = r.k AND l.t >= r.t ORDER BY l.n",
                     [&](const Batch& batch) -> Status {
                       for (int row = 0; row < batch.rows(); ++row)
                         wanted += batch.cell_json(0, row).dump() + " | ";
                       return {};
                     });
  RC_ASSERT(queried.has_value());
  std::string got = found(*index, batch_of(schema, asked));
  RC_ASSERT(got == wanted);
}

TEST(Lookup, ReadersSeeWholeRowsWhileRowsArrive) {
  const Schema schema({{"k", ColumnType::integer},
                       {"t", ColumnType::time},
                       {"v", ColumnType::integer},
                       {"name", ColumnType::text}});
  const auto index = *LookupIndex::make({"t", {"k"}, {"k"}, "t", "t", 0, {"v", "name"}}, schema);
  constexpr int kAppends = 2000;
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 1; i <= kAppends; ++i) {
      EXPECT_TRUE(index->append(batch_of(
          schema, {{i % 3, base::format_time(i), i, std::to_string(i) + " is the number of this row"}})));
    }
    done = true;
  });
  Batch out(index->selected());
  std::int64_t last = 0;
  while (!done) {
    const Batch rows = batch_of(schema, {{0, base::format_time(kAppends), 0, ""}});
    out.reset(1);
    EXPECT_TRUE(index->find(rows, out, 0));
    if (out.is_null(0, 0)) continue;
    EXPECT_GE(out.integer(0, 0), last);
    last = out.integer(0, 0);
    EXPECT_EQ(out.text(1, 0), std::to_string(last) + " is the number of this row");
  }
  writer.join();
  EXPECT_EQ(index->rows(), kAppends);
}

}  // namespace
}  // namespace trimtab::table
