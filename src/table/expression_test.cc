#include "table/expression.h"

#include <chrono>
#include <gtest/gtest.h>
#include <set>
#include <thread>

#include "table/allowed_functions.h"
#include "table/engine.h"

namespace trimtab::table {
namespace {

class ExpressionTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    Result<std::unique_ptr<Engine>> opened = Engine::open({});
    ASSERT_TRUE(opened) << base::render(opened.error());
    engine_ = opened->release();
  }
  static void TearDownTestSuite() {
    delete engine_;
    engine_ = nullptr;
  }

  static NamedExpression named(std::string text) {
    return {"x", std::move(text), SourceRange{"trimtab.yaml", 7, 11}};
  }
  static Result<ExpressionFacts> inspect(std::string text, const std::string& zone = "UTC") {
    return inspect_expression(*engine_, named(std::move(text)), schema_, zone);
  }
  static std::string rendered(std::string text) {
    const Result<ExpressionFacts> facts = inspect(std::move(text));
    return facts ? "accepted" : base::render(facts.error());
  }
  // The message alone, and the column that it points at, counted from the text's first character as 1.
  static std::string message(const std::string& text) {
    const Result<ExpressionFacts> facts = inspect(text);
    if (facts) return "accepted";
    EXPECT_EQ(facts.error().code, ErrorCode::invalid);
    const SourceRange where = facts.error().where.value_or(SourceRange{});
    EXPECT_EQ(where.line, 7);
    return std::to_string(where.column - 10) + ": " + facts.error().message;
  }

  inline static Engine* engine_ = nullptr;
  inline static const Schema schema_{{{"dep_delay", ColumnType::real},
                                      {"distance", ColumnType::integer},
                                      {"origin", ColumnType::text},
                                      {"Sched Dep", ColumnType::time},
                                      {"late", ColumnType::boolean}}};
};

TEST_F(ExpressionTest, SaysWhatAnExpressionReadsAndGives) {
  const auto facts =
      inspect("CASE WHEN late THEN hour(\"sched dep\") ELSE DISTANCE + hour(\"Sched Dep\") END");
  ASSERT_TRUE(facts) << base::render(facts.error());
  EXPECT_EQ(facts->columns, (std::vector<std::string>{"late", "Sched Dep", "distance"}));
  EXPECT_EQ(facts->functions, (std::vector<std::string>{"hour", "+"}));
  EXPECT_EQ(facts->type, ColumnType::integer);
}

TEST_F(ExpressionTest, KnowsTheTypeOfTheValue) {
  const std::vector<std::pair<std::string, ColumnType>> cases = {
      {"dep_delay > 15", ColumnType::boolean},
      {"dep_delay >= 15 AND origin IN ('EWR', 'JFK')", ColumnType::boolean},
      {"distance // 100", ColumnType::integer},
      {"distance / 100", ColumnType::real},
      {"1.5", ColumnType::real},
      {"dep_delay::INT", ColumnType::integer},
      {"try_cast(origin AS DECIMAL(10, 2))", ColumnType::real},
      {"origin || '-' || upper(origin)", ColumnType::text},
      {"date_trunc('day', \"Sched Dep\")", ColumnType::time},
      {"\"Sched Dep\" - INTERVAL 3 HOUR", ColumnType::time},
      {"\"Sched Dep\" AT TIME ZONE 'America/New_York'", ColumnType::time},
      {"DATE '2013-01-01'", ColumnType::time},
      {"epoch(\"Sched Dep\" - TIMESTAMPTZ '2013-01-01 00:00:00Z')", ColumnType::real},
      {"extract(month FROM \"Sched Dep\")", ColumnType::integer},
      {"coalesce(dep_delay, 0)", ColumnType::real},
      {"ifnull(origin, 'unknown')", ColumnType::text},
      {"if(late, 1, 0)", ColumnType::integer},
      {"nullif(origin, '')", ColumnType::text},
      {"distance BETWEEN 100 AND 200", ColumnType::boolean},
      {"origin IS NOT DISTINCT FROM 'EWR'", ColumnType::boolean},
      {"origin NOT ILIKE 'e%' AND NOT late IS NULL", ColumnType::boolean},
      {"CASE distance WHEN 1 THEN 'a' WHEN 2 THEN 'b' END", ColumnType::text},
      {"true", ColumnType::boolean},
      {"-dep_delay", ColumnType::real},
      {"position('W' IN origin)", ColumnType::integer},
      {"substring(origin FROM 1 FOR 2)", ColumnType::text},
      {"  hour(\n\"Sched Dep\"\n)  ", ColumnType::integer},
  };
  for (const auto& [text, type] : cases) {
    const auto facts = inspect(text);
    ASSERT_TRUE(facts) << text << "\n" << base::render(facts.error());
    EXPECT_EQ(type_name(facts->type), type_name(type)) << text;
  }
}

// Runs on every row of the allow-list, so that it holds no name that the engine lacks and no function that
// answers differently after an upgrade without anybody noticing.
TEST_F(ExpressionTest, EveryAllowedFunctionRunsAndGivesWhatItsExampleSays) {
  std::set<std::string_view> names;
  for (const AllowedFunction& allowed : allowed_functions()) {
    EXPECT_TRUE(names.insert(allowed.name).second) << allowed.name << " is listed twice";
    const std::string text = "CAST(" + std::string(allowed.example) + " AS VARCHAR)";
    const auto facts = inspect(text);
    ASSERT_TRUE(facts) << text << "\n" << base::render(facts.error());
    const std::vector<std::string>& used = facts->functions;
    EXPECT_NE(std::find(used.begin(), used.end(), allowed.name), used.end()) << text;
    const auto row = engine_->query_row("SELECT " + text);
    ASSERT_TRUE(row) << text << "\n" << base::render(row.error());
    EXPECT_EQ(row->at(0).is_null() ? "null" : row->at(0).as_string(), allowed.value) << text;
  }
  EXPECT_GE(names.size(), 100u);
}

TEST_F(ExpressionTest, NoAllowedFunctionIsVolatileToTheEngine) {
  std::string names = "''";
  for (const AllowedFunction& allowed : allowed_functions()) names += ", " + quote_text(allowed.name);
  const auto row = engine_->query_row(
      "SELECT string_agg(function_name, ' ') FROM duckdb_functions() WHERE stability <> 'CONSISTENT' "
      "AND function_name IN (" +
      names + ")");
  ASSERT_TRUE(row) << base::render(row.error());
  EXPECT_TRUE(row->at(0).is_null()) << row->at(0).dump();
}

TEST_F(ExpressionTest, RefusesWhatReachesOutOrIsNotOneValueOfOneRow) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"getenv('HOME')", "1: the function 'getenv' is not allowed in an expression"},
      {"1 + getenv('HOME')", "5: the function 'getenv' is not allowed in an expression"},
      {"current_setting('threads')", "1: the function 'current_setting' is not allowed in an expression"},
      {"main.getenv('HOME')", "1: the function 'getenv' is not allowed in an expression"},
      {"read_text('/etc/passwd')", "1: the function 'read_text' is not allowed in an expression"},
      {"lower(read_blob('/etc/passwd'))", "7: the function 'read_blob' is not allowed in an expression"},
      {"glob('/etc/*')", "1: the function 'glob' is not allowed in an expression"},
      {"version()", "1: the function 'version' is not allowed in an expression"},
      {"error('x')", "1: the function 'error' is not allowed in an expression"},
      {"sleep_ms(1000)", "1: the function 'sleep_ms' is not allowed in an expression"},
      {"write_log('x')", "1: the function 'write_log' is not allowed in an expression"},
      {"getvariable('x')", "1: the function 'getvariable' is not allowed in an expression"},
      {"repeat('x', 1000000000)", "1: the function 'repeat' is not allowed in an expression"},
      {"printf('%1000000000d', 1)", "1: the function 'printf' is not allowed in an expression"},
      {"random()", "1: the function 'random' is not allowed in an expression"},
      {"now()", "1: the function 'now' is not allowed in an expression"},
      {"late AND now() > 1", "10: the function 'now' is not allowed in an expression"},
      {"current_timestamp", "1: 'current_timestamp' is not allowed in an expression"},
      {"CURRENT_DATE", "1: 'CURRENT_DATE' is not allowed in an expression"},
      {"age(\"Sched Dep\")", "1: age with one argument is not allowed in an expression"},
      {"sum(distance)", "1: the function 'sum' is not allowed in an expression"},
      {"count(*)", "1: the function 'count_star' is not allowed in an expression"},
      {"(SELECT 1)", "1: a subquery is not allowed in an expression"},
      {"SELECT 1", "1: a subquery is not allowed in an expression"},
      {"FROM x", "1: a subquery is not allowed in an expression"},
      {"1 + (SELECT max(x) FROM t)", "5: a subquery is not allowed in an expression"},
      {"exists(SELECT 1)", "1: a subquery is not allowed in an expression"},
      {"distance IN (SELECT 1)", "10: a subquery is not allowed in an expression"},
      {"distance > ALL([1, 2])", "10: a subquery is not allowed in an expression"},
      {"sum(distance) OVER ()", "1: a window function is not allowed in an expression"},
      {"row_number() OVER (ORDER BY distance)", "1: a window function is not allowed in an expression"},
      {"*", "1: '*' for columns is not allowed in an expression"},
      {"flights.*", "1: '*' for columns is not allowed in an expression"},
      {"COLUMNS('d.*')", "1: '*' for columns is not allowed in an expression"},
      {"abs(COLUMNS(*))", "5: '*' for columns is not allowed in an expression"},
      {"#1", "1: a column by its position is not allowed in an expression"},
      {"x -> x + 1", "3: '->' is not allowed in an expression"},
      {"lambda x: x + 1", "8: '->' is not allowed in an expression"},
      {"[x + 1 for x in origin]", "1: a list is not allowed in an expression"},
      {"[1, 2]", "2: a list is not allowed in an expression"},
      {"{'a': 1}", "2: a struct is not allowed in an expression"},
      {"MAP {'a': 1}", "6: a map is not allowed in an expression"},
      {"origin[1]", "1: '[…]' is not allowed in an expression"},
      {"origin[1:2]", "1: '[…]' is not allowed in an expression"},
      {"origin->>'a'", "7: the function '->>' is not allowed in an expression"},
      {"1, 2", "1: more than one value is not allowed in an expression"},
      {"(1, 2)", "1: more than one value is not allowed in an expression"},
      {"flights.distance", "1: a name with dots is not allowed in an expression"},
      {"origin.upper()", "1: 'origin.upper' is not allowed in an expression"},
      {"upper(DISTINCT origin)", "1: DISTINCT, ORDER BY or FILTER is not allowed in an expression"},
      {"upper(origin ORDER BY late)", "1: DISTINCT, ORDER BY or FILTER is not allowed in an expression"},
      {"upper(origin) FILTER (WHERE late)",
       "1: DISTINCT, ORDER BY or FILTER is not allowed in an expression"},
      {"upper(x := origin)", "12: the name 'x' for a value is not allowed in an expression"},
      {"origin COLLATE nocase", "1: COLLATE is not allowed in an expression"},
      {"TRY(distance)", "1: TRY is not allowed in an expression"},
      {"DEFAULT", "1: DEFAULT is not allowed in an expression"},
      {"origin::JSON", "7: a cast to JSON is not allowed in an expression"},
      {"origin::BLOB", "7: a cast to BLOB is not allowed in an expression"},
      {"origin::INT[]", "7: a cast to LIST is not allowed in an expression"},
      {"origin::nosuch", "7: a cast to nosuch is not allowed in an expression"},
      {"rowid", "1: 'rowid' is no column here"},
      {"current_user", "1: 'current_user' is no column here"},
      {"dep_dely + 1", "1: 'dep_dely' is no column here"},
  };
  for (const auto& [text, wanted] : cases) EXPECT_EQ(message(text), wanted) << text;
}

TEST_F(ExpressionTest, RefusesTricksOfTheText) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "1: the expression is empty"},
      {" \n ", "1: the expression is empty"},
      {"1; DROP TABLE x", "2: ';' is not allowed in an expression"},
      {"1;", "2: ';' is not allowed in an expression"},
      {"1 -- x", "3: a comment is not allowed in an expression"},
      {"1/**/", "2: a comment is not allowed in an expression"},
      {"1) FROM x", "2: ')' closes nothing"},
      {"1) FROM (x", "2: ')' closes nothing"},
      {"(1]", "3: ']' closes nothing"},
      {"(1", "1: '(' is never closed"},
      {"1 FROM x", "3: syntax error at or near \"FROM\""},
      {"1 AS b", "3: syntax error at or near \"AS\""},
      {"distance d", "10: syntax error at or near \"d\""},
      {"DISTINCT distance", "1: syntax error at or near \"DISTINCT\""},
      {"ALL distance", "1: syntax error at or near \"ALL\""},
      {"1 UNION SELECT 2", "3: syntax error at or near \"UNION\""},
      {"distance ORDER BY 1", "10: syntax error at or near \"ORDER\""},
      {"distance +", "11: the expression ends too early"},
      {"'abc", "1: the text that starts here has no closing quote"},
      {"1 + \"abc", "5: the name that starts here has no closing quote"},
      {"'it''s", "1: the text that starts here has no closing quote"},
      {"E'a\\'b'", "2: a quote must not follow a letter"},
      {"U&'\\0041'", "3: a quote must not follow a letter"},
      {"x'41'", "2: a quote must not follow a letter"},
      {"$$abc$$", "1: '$' is not allowed in an expression"},
      {"$1", "1: '$' is not allowed in an expression"},
      {"?", "1: '?' is not allowed in an expression"},
      {"1\u00A0+ 1", "2: the character U+00A0 is not allowed outside of quotes"},
      {"1 +\u200B 1", "4: the character U+200B is not allowed outside of quotes"},
      {"origin = \u2018EWR\u2019", "10: the character U+2018 is not allowed outside of quotes"},
      {"'\u202E' || origin", "2: the character U+202E is not allowed: it hides what the text says"},
      {"'ä' || \u3000origin", "8: the character U+3000 is not allowed outside of quotes"},
      {std::string("1\0+ 1", 5), "2: the control character U+0000 is not allowed in an expression"},
      {"'\x01'", "2: the control character U+0001 is not allowed in an expression"},
      {"1 \xC3(", "3: the text is not valid UTF-8"},
      {"'\xED\xA0\x80'", "2: the text is not valid UTF-8"},
      {std::string(100'000, '1'), "1: the expression has 100000 bytes; at most 10000 are allowed"},
      {"1 + 99999999999999999999", "5: the number that starts here has too many digits"},
      {"1.2345678901234567890123", "1: the number that starts here has too many digits"},
      {"18446744073709551615", "1: a number in the expression is too large"},
      {"1e999", "1: a number in the expression is too large"},
  };
  for (const auto& [text, wanted] : cases) EXPECT_EQ(message(text), wanted) << text.substr(0, 100);
}

std::string repeated(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

TEST_F(ExpressionTest, RefusesBombsWithoutFeelingThem) {
  const std::string deep = "the expression is nested deeper than 100 levels";
  const std::string large = "the expression may unfold to something far too large";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {repeated("(", 4'900) + "1" + repeated(")", 4'900), "101: " + deep},
      {repeated("(", 10'000), "101: " + deep},
      {repeated("[", 10'000), "101: " + deep},
      {repeated("NOT ", 2'400) + "late", "1: " + deep},
      {repeated("- ", 4'900) + "distance", "1: " + deep},
      {"distance" + repeated("+1", 4'900), "1: " + deep},
      {"distance" + repeated("::INT", 1'900), "1: " + deep},
      {repeated("abs(", 101) + "1" + repeated(")", 101), "404: " + deep},
      {repeated("CASE ", 20) + "distance" + repeated(" WHEN 1 THEN 1 WHEN 2 THEN 2 END", 20),
       "6: a CASE is not allowed between the CASE and the WHEN of another"},
      {"CASE CAST(1 AS \"int\") + CASE 1 WHEN 1 THEN 1 END WHEN 1 THEN 1 END",
       "25: a CASE is not allowed between the CASE and the WHEN of another"},
      {repeated("nullif(", 90) + "origin" + repeated(", 'b')", 90), "547: " + large},
      {repeated("split_part(", 50) + "origin" + repeated(", 'b', 1)", 50), "419: " + large},
      {repeated("replace(", 4) + "origin" + repeated(", 'b', 'bbbbbbbbbb')", 4), "1: " + large},
      {repeated("replace(", 4) + "origin" + repeated(", origin, origin)", 4), "9: " + large},
      {repeated("regexp_replace(", 20) + "origin" + repeated(", 'b*', 'b', 'g')", 20), "151: " + large},
      {repeated("hex(", 60) + "origin" + repeated(")", 60), "201: " + large},
      {"lpad(origin, 1000000000, 'x')", "1: the length for lpad must be a whole number of at most 256"},
      {"rpad(origin, distance, 'x')", "1: the length for rpad must be a whole number of at most 256"},
  };
  for (const auto& [text, wanted] : cases) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(message(text), wanted) << text.substr(0, 100);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(500))
        << text.substr(0, 100);
  }
}

TEST_F(ExpressionTest, AcceptsWhatOnlyLooksLikeATrick) {
  const std::vector<std::string> texts = {
      "origin || '-- ; /* ? $1 ('",
      "origin || 'it''s'",
      "origin || 'größe \u00A0 \u2018x\u2019'",
      "CASE WHEN late THEN CASE distance WHEN 1 THEN 2 END ELSE 3 END",
      "CASE distance WHEN CASE WHEN late THEN 1 END THEN CASE origin WHEN 'a' THEN 2 END END",
      repeated("(", 99) + "1" + repeated(")", 99),
      repeated("abs(", 99) + "1" + repeated(")", 99),
      "late" + repeated(" AND late", 1'000),
      "origin IN ('a'" + repeated(", 'b'", 1'500) + ")",
      "replace(replace(replace(replace(origin, 'ä', 'ae'), 'ö', 'oe'), 'ü', 'ue'), 'ß', 'ss')",
      "regexp_replace(regexp_replace(lower(origin), '[^a-z]+', ' ', 'g'), ' +', ' ', 'g')",
      "nullif(nullif(nullif(origin, ''), 'NA'), '-')",
      "'\"query_location\":18446744073709551615'",
  };
  for (const std::string& text : texts) EXPECT_EQ(rendered(text), "accepted") << text.substr(0, 100);
}

TEST_F(ExpressionTest, MessagesSayWhatToDo) {
  EXPECT_EQ(
      rendered("dep_dely + 1"),
      "trimtab.yaml:7:11: error: 'dep_dely' is no column here\n"
      "   hint: did you mean 'dep_delay'? the columns are dep_delay, distance, origin, Sched Dep, late");
  EXPECT_EQ(
      rendered("origin = \"EWR\""),
      "trimtab.yaml:7:20: error: 'EWR' is no column here\n"
      "   hint: texts stand in single quotes: 'EWR'; the columns are dep_delay, distance, origin, Sched Dep, "
      "late");
  EXPECT_EQ(rendered("uppr(origin)"),
            "trimtab.yaml:7:11: error: the function 'uppr' is not allowed in an expression\n"
            "   hint: did you mean 'upper'?");
  EXPECT_EQ(rendered("getenv('HOME')"),
            "trimtab.yaml:7:11: error: the function 'getenv' is not allowed in an expression\n"
            "   hint: docs/expressions.md lists the functions that are");
  EXPECT_EQ(rendered("now()"),
            "trimtab.yaml:7:11: error: the function 'now' is not allowed in an expression\n"
            "   hint: use the table's time column instead: results must be reproducible");
  EXPECT_EQ(
      rendered("upper('größe') || hour(origin)"),
      "trimtab.yaml:7:29: error: 'x': No function matches the given name and argument types 'hour(VARCHAR)'. "
      "You might need to add explicit type casts.");
  EXPECT_EQ(rendered("INTERVAL 1 DAY"),
            "trimtab.yaml:7:11: error: 'x': a column cannot hold a value of type INTERVAL\n"
            "   hint: cast it, or take a part of it: to boolean, BIGINT, DOUBLE, VARCHAR or TIMESTAMPTZ");
}

// Other engines read the text 'now' as the time of the call.
TEST_F(ExpressionTest, TheTextNowIsNoTime) {
  for (const char* text :
       {"'now'::TIMESTAMP", "'now'::TIMESTAMPTZ", "'today'::DATE", "'tomorrow'::TIMESTAMP"}) {
    EXPECT_FALSE(engine_->run(std::string("SELECT ") + text)) << text;
  }
}

TEST_F(ExpressionTest, PlacesAreKnownAsFarAsTheyCanBe) {
  const auto nowhere = inspect_expression(*engine_, {"x", "1 + nosuch", {}}, schema_);
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().where, SourceRange{});
  const auto folded = inspect("1 +\n  nosuch");
  ASSERT_FALSE(folded);
  EXPECT_EQ(folded.error().where, (SourceRange{"trimtab.yaml", 8, 3}));
}

TEST_F(ExpressionTest, TheTimeZoneDecidesWhatBinds) {
  EXPECT_TRUE(inspect("hour(\"Sched Dep\")", "America/New_York"));
  const auto facts = inspect("hour(\"Sched Dep\")", "Mars/Olympus");
  ASSERT_FALSE(facts);
  EXPECT_EQ(facts.error().message, "there is no time zone 'Mars/Olympus'");
}

TEST_F(ExpressionTest, SameExpressionSeesThroughBlanksAndBracketsOnly) {
  EXPECT_TRUE(same_expression(*engine_, "hour(t)+1", "( hour( t ) + 1 )"));
  EXPECT_TRUE(same_expression(*engine_, "a AND b", "a and\n b"));
  EXPECT_TRUE(same_expression(*engine_, "HOUR(t)", "hour(t)"));
  EXPECT_FALSE(same_expression(*engine_, "a + b * c", "(a + b) * c"));
  EXPECT_FALSE(same_expression(*engine_, "'a '", "'a'"));
  EXPECT_FALSE(same_expression(*engine_, "a + 1", "a + 2"));
  EXPECT_FALSE(same_expression(*engine_, "a + 1", "a +"));
  EXPECT_TRUE(same_expression(*engine_, "a +", "a +"));
}

TEST_F(ExpressionTest, QuotingDoublesTheQuotes) {
  EXPECT_EQ(quote_name("a\"b c"), "\"a\"\"b c\"");
  EXPECT_EQ(quote_text("it's"), "'it''s'");
}

TEST_F(ExpressionTest, ManyThreadsMayInspectOnOneEngine) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int j = 0; j < 25; ++j) EXPECT_EQ(rendered("hour(\"Sched Dep\") + distance"), "accepted");
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace trimtab::table
