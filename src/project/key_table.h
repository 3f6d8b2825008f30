// The keys that trimtab.yaml knows, as data. The reader refuses what is not listed here and file_schema()
// publishes what is, so that the two cannot drift apart. Nothing here looks at a user's file.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trimtab::project {

// What the value of a key looks like. A form with a name of its own is read by the function of that step.
enum class Form : std::uint8_t {
  text,
  name,     // Of a thing that has a life of its own: lower case, fit for an address.
  texts,    // A list of text; one text stands for a list of one.
  columns,  // The same of names of columns, each once.
  expression,
  expressions,  // name: expression
  features,     // A list of columns and of name: expression.
  whole,
  number,
  share,  // 0.2 or 20%
  duration,
  time,
  zone,
  choice,              // One of `choices`.
  mapping,             // With the keys of `keys`.
  sections,            // name: a mapping with the keys of `keys`
  steps,               // A list of mappings, each with one of `keys`.
  checks,              // The same, with options beside the key.
  text_operations,     // column: trim, or a list of such
  constants,           // column: a number, text, true or false
  types,               // column: a type
  renames,             // old: new
  join_keys,           // left: right, or a list of columns of the same name
  values_by_column,    // column: a list of values
  ranges_by_column,    // column: [low, high]
  patterns_by_column,  // column: a regular expression
  learner,             // One of `keys`, with or without options.
  test_size,           // A share or a duration.
  batch,               // A duration or a number of rows.
  gates,
  health_limit,
  retrains,     // 2 per week
  budget,       // 3 batches
  shadow,       // auto, off, or a number of batches
  shares,       // A list of shares that rise.
  privacy,      // column: drop, hash, first N, round N, hour, day, month or year
  unsupported,  // Designed, but not done by this version.
};

struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool above_low = false;  // The lower end itself is out.

  bool contains(double value) const { return value <= high && (above_low ? value > low : value >= low); }
};

struct KeyTable;

struct Key {
  std::string_view name;
  Form form = Form::text;
  std::string_view about = {};  // One sentence that an editor shows.
  bool required = false;
  Range range = {};
  std::span<const std::string_view> choices = {};
  const KeyTable* keys = nullptr;
};

struct KeyTable {
  std::span<const Key> keys;

  const Key* find(std::string_view name) const;
  // Of the keys that this version does.
  std::vector<std::string> names() const;
};

extern const KeyTable kFileKeys;
extern const KeyTable kSourceKeys;
extern const KeyTable kTableKeys;
extern const KeyTable kStepKeys;
extern const KeyTable kJoinKeys;
extern const KeyTable kDropDuplicatesKeys;
extern const KeyTable kCheckKeys;
extern const KeyTable kFreshKeys;
extern const KeyTable kRowsKeys;
extern const KeyTable kModelKeys;
extern const KeyTable kSplitKeys;
extern const KeyTable kLearnerKeys;
extern const KeyTable kLightgbmKeys;
extern const KeyTable kBaselineKeys;
extern const KeyTable kEndpointKeys;
extern const KeyTable kHealthKeys;
extern const KeyTable kHealKeys;
extern const KeyTable kNotifyKeys;
extern const KeyTable kRetentionKeys;
extern const KeyTable kRolloutKeys;
extern const KeyTable kLogKeys;

inline constexpr std::string_view kTextOperations[] = {"trim", "upper", "lower", "collapse", "strip_accents"};
// In the order of their enums.
inline constexpr std::string_view kTaskNames[] = {"binary", "regression"};
inline constexpr std::string_view kHealModeNames[] = {"auto", "suggest", "off"};
inline constexpr std::string_view kContractNames[] = {"refuse", "repair"};
inline constexpr std::string_view kOnFailNames[] = {"fail", "quarantine", "warn"};
inline constexpr std::string_view kSplitNames[] = {"time", "random"};
inline constexpr std::string_view kColumnTypes[] = {"boolean", "integer", "real", "text", "time"};

// "a whole number", "a list of text", …: what a message says is wanted.
std::string_view wanted(Form form);
// The same with the range of the key: "a whole number from 1 to 100000".
std::string wanted_in_range(const Key& key);
// "one of a, b, c".
std::string one_of(std::span<const std::string_view> choices);

}  // namespace trimtab::project
