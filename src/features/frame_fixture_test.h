// For the tests of this room: the kept parts of a small table of flights, and the frame that is made of them.
#pragma once

#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <vector>

#include "features/frame.h"
#include "table/operation_fixture_test.h"

namespace trimtab::features {

class FrameFixture : public table::OperationFixture {
 protected:
  using Rows = std::vector<table::CellList>;

  static table::Schema source() {
    using table::ColumnType;
    return table::Schema({{"at", ColumnType::time},
                          {"carrier", ColumnType::text},
                          {"distance", ColumnType::integer},
                          {"delay", ColumnType::real}});
  }

  static FrameSpec spec() {
    FrameSpec spec;
    spec.source = source();
    spec.table = source();
    spec.table.add({"__row", table::ColumnType::integer});
    spec.features = {{"distance", "distance", {}}};
    spec.target = {"target", "delay >= 15", {}};
    spec.label_time = {"label_time", "\"at\"", {}};
    spec.time = "at";
    spec.time_zone = "UTC";
    return spec;
  }

  // A flight of that day of January 2013, late by `delay` minutes.
  static table::CellList flight(int day, const Json& carrier, const Json& distance, const Json& delay = 20) {
    return {day_text(day), carrier, distance, delay};
  }
  static std::string day_text(int day) { return base::format_time(time_of(day)); }
  static TimeUs time_of(int day) { return *base::parse_time("2013-01-01") + (day - 1) * base::kDayUs; }

  // Numbers the rows of each part as cleaning does.
  Result<Json> frame(const FrameSpec& spec, const std::vector<Rows>& parts, int as_of_day = 31,
                     std::optional<TimeUs> test_from = std::nullopt) {
    Paths paths;
    for (const Rows& part : parts) {
      Rows numbered = part;
      for (std::size_t row = 0; row < numbered.size(); ++row) {
        numbered[row].push_back(static_cast<std::int64_t>(row));
      }
      paths.push_back(write_part("part" + std::to_string(paths.size()) + ".parquet", spec.table, numbered));
    }
    window_.as_of = time_of(as_of_day);
    window_.test_from = test_from;
    result_ = run(make_frame, frame_params(spec, window_), {{"part", paths}});
    return result_;
  }

  // The frame's rows, or the refusal.
  std::string framed(const FrameSpec& spec, const std::vector<Rows>& parts,
                     const std::vector<std::string>& columns, int as_of_day = 31,
                     std::optional<TimeUs> test_from = std::nullopt) {
    const Result<Json> done = frame(spec, parts, as_of_day, test_from);
    return done ? rows_of(output("frame.parquet"), columns) : base::render(done.error());
  }

  model::Recipe recipe() const {
    Result<model::Recipe> recipe = model::Recipe::from_json((*result_)["recipe"]);
    EXPECT_TRUE(recipe) << base::render(recipe.error());
    return recipe ? *recipe : model::Recipe();
  }

  FrameWindow window_;
  Result<Json> result_ = Json();  // Of the last frame.
};

}  // namespace trimtab::features
