#include "check/contract.h"

#include "check/contract_fixture_test.h"

namespace trimtab::check {
namespace {

class Contract : public ContractFixture {
 protected:
  // What the checks of the whole table say of these parts.
  std::string whole(const std::string& checks, const std::vector<Rows>& parts,
                    const std::string& clean = "[]") {
    std::map<std::string, Paths> inputs;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      inputs["part"].push_back(write_part("part" + std::to_string(i) + ".parquet", schema(), parts[i]));
    }
    result_ = run(check_table, check_table_params(table_with(checks, clean)), std::move(inputs));
    return result_ ? verdicts((*result_)["checks"]) : base::render(result_.error());
  }

  static table::Snapshot snapshot(std::int64_t rows, const char* newest) {
    table::Part part;
    part.rows = rows;
    if (newest != nullptr) part.time_max = *base::parse_time(newest);
    table::Snapshot snapshot;
    snapshot.parts = {part};
    return snapshot;
  }
  static std::string of_snapshot(const std::string& checks, const table::Snapshot& snapshot) {
    return check_snapshot(table_with(checks), snapshot, *base::parse_time("2013-01-10")).dump();
  }

  Result<Json> result_ = Json();
};

TEST_F(Contract, ChecksAreHeldAgainstTheColumnsThatAreThere) {
  EXPECT_EQ(refusal("      - not_null: [orign]\n"),
            "p.yaml:9:9: error: the check not_null(orign) names 'orign', which is no column where it runs\n"
            "   hint: did you mean 'origin'?");
  EXPECT_EQ(refusal("      - in: {distance: [1, far]}\n"),
            "p.yaml:9:14: error: column 'distance' is integer and never is \"far\"\n"
            "   hint: write values of the column's type");
  EXPECT_EQ(refusal("      - between: {origin: [1, 2]}\n"),
            "p.yaml:9:19: error: 'between' is of numbers, but column 'origin' is text\n"
            "   hint: an `expression:` compares anything");
  EXPECT_EQ(refusal("      - matches: {distance: x}\n"),
            "p.yaml:9:19: error: 'matches' is of texts, but column 'distance' is integer");
  EXPECT_EQ(refusal("      - expression: distance + 1\n"),
            "p.yaml:9:21: error: a check is true or false, not integer\n"
            "   hint: compare it with something, as in distance > 0");
  EXPECT_TRUE(refusal("      - matches: {origin: \"[A-Z\"}\n")
                  .starts_with("p.yaml:9:19: error: the pattern '[A-Z' is no regular expression: "));
}

TEST_F(Contract, HostileExpressionsAreRefused) {
  const std::string said = refusal(
      "      - expression: getenv('HOME') = 'x'\n"
      "      - expression: distnce > 1\n");
  EXPECT_NE(said.find("p.yaml:9:21: error: the function 'getenv' is not allowed in an expression"),
            std::string::npos)
      << said;
  EXPECT_NE(said.find("p.yaml:10:21: error: 'distnce' is no column here"), std::string::npos) << said;
}

TEST_F(Contract, FreshLooksAtTheTimeOfTheRows) {
  EXPECT_EQ(refusal("      - fresh: {by: delay, within: 2d}\n"),
            "p.yaml:9:9: error: 'fresh' looks at the time of the rows, which is 'at', not 'delay'\n"
            "   hint: write `by: at`");
  EXPECT_EQ(refusal("      - fresh: {by: at, within: 2d}\n", ""),
            "p.yaml:9:9: error: 'fresh' needs to know when a row happened\n"
            "   hint: declare `time:` for the table's source");
  EXPECT_EQ(refusal("      - fresh: {by: AT, within: 2d}\n"), "");
}

TEST_F(Contract, AWholeTableDoesNotFitIntoQuarantine) {
  EXPECT_EQ(refusal("      - rows: {at_least: 100, on_fail: quarantine}\n"),
            "p.yaml:9:9: error: a check of the whole table has no rows to put into quarantine\n"
            "   hint: use fail or warn");
}

TEST_F(Contract, UniqueLooksOverAllParts) {
  const std::string check = "      - unique: [origin, distance]\n";
  EXPECT_EQ(whole(check, {{flight("a", 1), flight("a", 2)}, {flight("b", 1)}}),
            " unique(origin, distance): 0 pass");
  EXPECT_EQ(whole(check, {{flight("a", 1), flight("b", 1)}, {flight("a", 1), flight("a", 1)}}),
            " unique(origin, distance): 2 fail");
  EXPECT_EQ((*result_)["checks"].as_array().front()["sample"].dump(),
            R"([{"origin":"a","distance":1,"times":3}])");
  const Status status = demand_pass("departures", (*result_)["checks"]);
  EXPECT_EQ(status.error().code, ErrorCode::check_failed);
  EXPECT_EQ(base::render(status.error()),
            "error: table 'departures' breaks its contract: unique(origin, distance) failed for 2 rows, e.g. "
            "{\"origin\":\"a\",\"distance\":1,\"times\":3}\n"
            "   hint: correct the rows where they come from, or change the check or its `on_fail:`");
}

TEST_F(Contract, ANullRepeatsNothing) {
  EXPECT_EQ(whole("      - unique: [origin]\n", {{flight(nullptr, 1), flight(nullptr, 2)}}),
            " unique(origin): 0 pass");
}

TEST_F(Contract, DuplicatesThatTheRecipeDropsAreAWarning) {
  const std::string drop = "[{drop_duplicates: {by: [distance, origin]}}]";
  EXPECT_EQ(whole("      - unique: [origin, distance]\n", {{flight("a", 1), flight("a", 1)}}, drop),
            " unique(origin, distance): 1 warn");
  EXPECT_EQ(whole("      - unique: [origin]\n", {{flight("a", 1), flight("a", 2)}}, drop),
            " unique(origin): 1 fail");
}

TEST_F(Contract, ATableWithoutPartsIsUnique) {
  EXPECT_EQ(whole("      - unique: [origin]\n", {}), " unique(origin): 0 pass");
}

TEST_F(Contract, FreshComparesTheNewestRowWithTheClock) {
  const std::string check = "      - fresh: {by: at, within: 2d}\n";
  EXPECT_EQ(of_snapshot(check, snapshot(5, "2013-01-08")),
            R"x([{"check":"fresh(at, within 2d)","failed":0,"verdict":"pass","sample":[]}])x");
  EXPECT_EQ(of_snapshot(check, snapshot(5, "2013-01-07T23:00:00Z")),
            R"x([{"check":"fresh(at, within 2d)","failed":1,"verdict":"warn","sample":[],)x"
            R"x("detail":"the newest row is of 2013-01-07T23:00:00Z, 2d before 2013-01-10T00:00:00Z"}])x");
  EXPECT_EQ(of_snapshot(check, snapshot(0, nullptr)),
            R"x([{"check":"fresh(at, within 2d)","failed":1,"verdict":"warn","sample":[],)x"
            R"x("detail":"there is no row"}])x");
}

TEST_F(Contract, RowsCountsThem) {
  const std::string check = "      - rows: {at_least: 2, at_most: 3}\n";
  EXPECT_EQ(verdicts(check_snapshot(table_with(check), snapshot(2, nullptr), 0)),
            " rows(at_least 2, at_most 3): 0 pass");
  const Json few = check_snapshot(table_with(check), snapshot(1, nullptr), 0);
  EXPECT_EQ(demand_pass("departures", few).error().message,
            "table 'departures' breaks its contract: rows(at_least 2, at_most 3) failed: there are 1 row");
  const Json many = check_snapshot(table_with(check), snapshot(4, nullptr), 0);
  EXPECT_EQ(demand_pass("departures", many).error().message,
            "table 'departures' breaks its contract: rows(at_least 2, at_most 3) failed: there are 4 rows");
}

}  // namespace
}  // namespace trimtab::check
