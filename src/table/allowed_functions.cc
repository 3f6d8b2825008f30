#include "table/allowed_functions.h"

#include <algorithm>
#include <array>

namespace trimtab::table {

namespace {

// No function that repeats text (repeat, printf, format), makes lists, or answers differently tomorrow.
constexpr AllowedFunction kAllowed[] = {
    // Numbers.
    {"+", "1 + 2", "3"},
    {"-", "5 - 2", "3"},
    {"*", "3 * 4", "12"},
    {"/", "7 / 2", "3.5"},
    {"//", "7 // 2", "3"},
    {"%", "7 % 4", "3"},
    {"**", "2 ** 10", "1024.0"},
    {"^", "2 ^ 10", "1024.0"},
    {"@", "@(-3)", "3"},
    {"abs", "abs(-3)", "3"},
    {"sign", "sign(-3)", "-1"},
    {"mod", "mod(7, 4)", "3"},
    {"ceil", "ceil(1.2)", "2"},
    {"ceiling", "ceiling(1.2)", "2"},
    {"floor", "floor(1.8)", "1"},
    {"round", "round(1.256, 2)", "1.26"},
    {"trunc", "trunc(1.8)", "1"},
    {"sqrt", "sqrt(16)", "4.0"},
    {"cbrt", "round(cbrt(27), 4)", "3.0"},
    {"pow", "pow(2, 3)", "8.0"},
    {"power", "power(2, 3)", "8.0"},
    {"exp", "exp(0)", "1.0"},
    {"ln", "ln(1)", "0.0"},
    {"log", "log(100)", "2.0"},
    {"log2", "log2(8)", "3.0"},
    {"log10", "log10(1000)", "3.0"},
    {"gcd", "gcd(12, 18)", "6"},
    {"lcm", "lcm(4, 6)", "12"},
    {"pi", "round(pi(), 4)", "3.1416"},
    {"radians", "round(radians(180), 4)", "3.1416"},
    {"degrees", "round(degrees(3.14159), 1)", "180.0"},
    {"sin", "sin(0)", "0.0"},
    {"cos", "cos(0)", "1.0"},
    {"tan", "tan(0)", "0.0"},
    {"cot", "round(cot(1), 4)", "0.6421"},
    {"asin", "asin(0)", "0.0"},
    {"acos", "acos(1)", "0.0"},
    {"atan", "atan(0)", "0.0"},
    {"atan2", "atan2(0, 1)", "0.0"},
    {"sinh", "sinh(0)", "0.0"},
    {"cosh", "cosh(0)", "1.0"},
    {"tanh", "tanh(0)", "0.0"},
    {"greatest", "greatest(1, 3, 2)", "3"},
    {"least", "least(1, 3, 2)", "1"},
    {"isnan", "isnan('nan'::DOUBLE)", "true"},
    {"isinf", "isinf('inf'::DOUBLE)", "true"},
    {"isfinite", "isfinite(1.5)", "true"},
    // Bits.
    {"&", "12 & 10", "8"},
    {"|", "12 | 10", "14"},
    {"~", "~5", "-6"},
    {"<<", "1 << 4", "16"},
    {">>", "16 >> 2", "4"},
    // Texts.
    {"lower", "lower('Ab')", "ab"},
    {"upper", "upper('Ab')", "AB"},
    {"trim", "trim('  ab  ')", "ab"},
    {"ltrim", "ltrim('  ab')", "ab"},
    {"rtrim", "rtrim('ab  ')", "ab"},
    {"length", "length('größe')", "5"},
    {"substr", "substr('abcd', 2, 2)", "bc"},
    {"substring", "substring('abcd', 2, 2)", "bc"},
    {"left", "left('abcd', 2)", "ab"},
    {"right", "right('abcd', 2)", "cd"},
    {"position", "position('c' IN 'abcd')", "3"},
    {"instr", "instr('abcd', 'c')", "3"},
    {"strpos", "strpos('abcd', 'c')", "3"},
    {"replace", "replace('abca', 'a', 'x')", "xbcx"},
    {"translate", "translate('abc', 'ab', 'xy')", "xyc"},
    {"reverse", "reverse('abc')", "cba"},
    {"concat", "concat('a', 'b', NULL)", "ab"},
    {"concat_ws", "concat_ws('-', 'a', 'b')", "a-b"},
    {"||", "'a' || 'b'", "ab"},
    {"lpad", "lpad('7', 3, '0')", "007"},
    {"rpad", "rpad('7', 3, '0')", "700"},
    {"split_part", "split_part('a-b-c', '-', 2)", "b", 2},
    {"contains", "contains('abcd', 'bc')", "true"},
    {"starts_with", "starts_with('abcd', 'ab')", "true"},
    {"ends_with", "ends_with('abcd', 'cd')", "true"},
    {"~~", "'abcd' LIKE 'ab%'", "true"},
    {"!~~", "'abcd' NOT LIKE 'ab%'", "false"},
    {"~~*", "'abcd' ILIKE 'AB%'", "true"},
    {"!~~*", "'abcd' NOT ILIKE 'AB%'", "false"},
    {"~~~", "'abcd' GLOB 'ab*'", "true"},
    {"like_escape", "'a%b' LIKE 'a$%b' ESCAPE '$'", "true"},
    {"not_like_escape", "'a%b' NOT LIKE 'a$%b' ESCAPE '$'", "false"},
    {"ilike_escape", "'a%b' ILIKE 'A$%B' ESCAPE '$'", "true"},
    {"not_ilike_escape", "'a%b' NOT ILIKE 'A$%B' ESCAPE '$'", "false"},
    {"regexp_matches", "regexp_matches('abc12', '[0-9]+')", "true"},
    {"regexp_full_match", "regexp_full_match('abc12', '[a-z]+[0-9]+')", "true"},
    {"regexp_extract", "regexp_extract('abc12', '[0-9]+')", "12"},
    {"regexp_replace", "regexp_replace('abc12', '[0-9]+', 'x')", "abcx"},
    {"strip_accents", "strip_accents('größé')", "große"},
    {"nfc_normalize", "nfc_normalize('é')", "é"},
    {"ascii", "ascii('A')", "65"},
    {"levenshtein", "levenshtein('duck', 'dock')", "1"},
    {"damerau_levenshtein", "damerau_levenshtein('duck', 'udck')", "1"},
    {"hamming", "hamming('duck', 'dock')", "1"},
    {"jaccard", "jaccard('duck', 'duke') > 0.5", "true"},
    {"jaro_similarity", "round(jaro_similarity('duck', 'duke'), 3)", "0.833"},
    {"jaro_winkler_similarity", "round(jaro_winkler_similarity('duck', 'duke'), 3)", "0.867"},
    {"md5", "md5('a')", "0cc175b9c0f1b6a831c399e269772661"},
    {"sha256", "left(sha256('a'), 8)", "ca978112"},
    {"hash", "hash('a') % 1000", "135"},
    {"hex", "hex('ab')", "6162", 1, 2},
    // Times.
    {"year", "year(DATE '2013-04-05')", "2013"},
    {"isoyear", "isoyear(DATE '2013-04-05')", "2013"},
    {"quarter", "quarter(DATE '2013-04-05')", "2"},
    {"month", "month(DATE '2013-04-05')", "4"},
    {"monthname", "monthname(DATE '2013-04-05')", "April"},
    {"week", "week(DATE '2013-04-05')", "14"},
    {"weekofyear", "weekofyear(DATE '2013-04-05')", "14"},
    {"day", "day(DATE '2013-04-05')", "5"},
    {"dayofweek", "dayofweek(DATE '2013-04-05')", "5"},
    {"isodow", "isodow(DATE '2013-04-05')", "5"},
    {"dayname", "dayname(DATE '2013-04-05')", "Friday"},
    {"dayofyear", "dayofyear(DATE '2013-04-05')", "95"},
    {"days_in_month", "days_in_month(DATE '2013-04-05')", "30"},
    {"last_day", "last_day(DATE '2013-04-05')", "2013-04-30"},
    {"hour", "hour(TIMESTAMPTZ '2013-04-05 06:07:08+00')", "6"},
    {"minute", "minute(TIMESTAMPTZ '2013-04-05 06:07:08+00')", "7"},
    {"second", "second(TIMESTAMPTZ '2013-04-05 06:07:08+00')", "8"},
    {"millisecond", "millisecond(TIMESTAMPTZ '2013-04-05 06:07:08.5+00')", "8500"},
    {"microsecond", "microsecond(TIMESTAMPTZ '2013-04-05 06:07:08.5+00')", "8500000"},
    {"epoch", "epoch(TIMESTAMPTZ '2013-04-05 06:07:08+00')", "1365142028.0"},
    {"epoch_ms", "epoch_ms(TIMESTAMPTZ '2013-04-05 06:07:08+00')", "1365142028000"},
    {"epoch_us", "epoch_us(TIMESTAMPTZ '2013-04-05 06:07:08+00')", "1365142028000000"},
    {"date_part", "date_part('month', DATE '2013-04-05')", "4"},
    {"date_trunc", "date_trunc('month', TIMESTAMPTZ '2013-04-05 06:07:08+00')", "2013-04-01 00:00:00+00"},
    {"time_bucket", "time_bucket(INTERVAL 15 MINUTE, TIMESTAMPTZ '2013-04-05 06:07:08+00')",
     "2013-04-05 06:00:00+00"},
    {"date_add", "date_add(DATE '2013-04-05', INTERVAL 1 DAY)", "2013-04-06 00:00:00"},
    {"date_diff", "date_diff('day', DATE '2013-04-05', DATE '2013-04-07')", "2"},
    {"datediff", "datediff('day', DATE '2013-04-05', DATE '2013-04-07')", "2"},
    {"date_sub", "date_sub('month', DATE '2013-04-05', DATE '2013-06-04')", "1"},
    {"age", "age(TIMESTAMP '2013-04-05 00:00:00', TIMESTAMP '2013-04-01 00:00:00')", "4 days"},
    {"make_date", "make_date(2013, 4, 5)", "2013-04-05"},
    {"make_time", "make_time(6, 7, 8.5)", "06:07:08.5"},
    {"make_timestamp", "make_timestamp(2013, 4, 5, 6, 7, 8)", "2013-04-05 06:07:08"},
    {"make_timestamptz", "make_timestamptz(2013, 4, 5, 6, 7, 8)", "2013-04-05 06:07:08+00"},
    {"to_timestamp", "to_timestamp(1365142028)", "2013-04-05 06:07:08+00"},
    {"strftime", "strftime(DATE '2013-04-05', '%d.%m.%Y')", "05.04.2013"},
    {"strptime", "strptime('05.04.2013', '%d.%m.%Y')", "2013-04-05 00:00:00"},
    {"try_strptime", "try_strptime('no date', '%d.%m.%Y')", "null"},
    {"timezone", "timezone('America/New_York', TIMESTAMPTZ '2013-04-05 06:07:08+00')", "2013-04-05 02:07:08"},
    {"to_years", "to_years(2)", "2 years"},
    {"to_months", "to_months(2)", "2 months"},
    {"to_weeks", "to_weeks(2)", "14 days"},
    {"to_days", "to_days(2)", "2 days"},
    {"to_hours", "to_hours(2)", "02:00:00"},
    {"to_minutes", "to_minutes(2)", "00:02:00"},
    {"to_seconds", "to_seconds(2)", "00:00:02"},
    // Nulls.
    {"nullif", "nullif(1, 1)", "null", 2},
};

struct Instead {
  std::string_view advice;
  std::vector<std::string_view> names;
};

const std::array<Instead, 4>& insteads() {
  static const std::array<Instead, 4> kInsteads = {{
      {"use the table's time column instead: results must be reproducible",
       {"now", "today", "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp",
        "get_current_time", "get_current_timestamp", "current_localtime", "current_localtimestamp",
        "transaction_timestamp", "ago", "age"}},
      {"results must be reproducible: `hash(id) % 100` gives each row a fixed number",
       {"random", "setseed", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "nextval", "currval",
        "txid_current"}},
      {"an expression sees one row; the step `aggregate` sees many",
       {"sum",
        "avg",
        "mean",
        "median",
        "mode",
        "min",
        "max",
        "count",
        "count_star",
        "count_if",
        "first",
        "last",
        "any_value",
        "arg_min",
        "arg_max",
        "stddev",
        "stddev_samp",
        "stddev_pop",
        "variance",
        "var_samp",
        "var_pop",
        "quantile",
        "quantile_cont",
        "quantile_disc",
        "approx_quantile",
        "approx_count_distinct",
        "string_agg",
        "list",
        "array_agg",
        "bool_and",
        "bool_or",
        "corr",
        "histogram",
        "lag",
        "lead",
        "row_number",
        "rank",
        "dense_rank"}},
      {"a row holds numbers, texts, truths and times only, no lists",
       {"list_value", "row", "struct_pack", "map", "array_value", "list_apply", "list_filter", "unnest",
        "split", "string_split", "str_split", "regexp_split_to_array", "regexp_extract_all", "range",
        "generate_series"}},
  }};
  return kInsteads;
}

}  // namespace

std::span<const AllowedFunction> allowed_functions() { return kAllowed; }

const AllowedFunction* find_allowed_function(std::string_view name) {
  const auto* found = std::find_if(std::begin(kAllowed), std::end(kAllowed),
                                   [&](const AllowedFunction& allowed) { return allowed.name == name; });
  return found == std::end(kAllowed) ? nullptr : found;
}

const std::vector<std::string>& allowed_function_names() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (const AllowedFunction& allowed : kAllowed) {
      if (allowed.name.front() >= 'a' && allowed.name.front() <= 'z') names.emplace_back(allowed.name);
    }
    return names;
  }();
  return kNames;
}

std::string_view instead_of_function(std::string_view name) {
  for (const Instead& instead : insteads()) {
    if (std::find(instead.names.begin(), instead.names.end(), name) != instead.names.end())
      return instead.advice;
  }
  return {};
}

}  // namespace trimtab::table
