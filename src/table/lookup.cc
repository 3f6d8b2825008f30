// How a lookup is kept in memory: the equality keys of a row, encoded to bytes, lead through a hash table to
// a group; a group of an as-of join holds its rows sorted by time, a group of a plain join only its last row.
// The selected cells lie column by column, texts once each.
#include "table/lookup.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <deque>
#include <functional>
#include <limits>
#include <mutex>
#include <shared_mutex>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/diagnostics.h"

namespace trimtab::table {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

template <class Value>
void append_bytes(std::string& key, const Value& value) {
  const auto bytes = std::bit_cast<std::array<char, sizeof(Value)>>(value);
  key.append(bytes.data(), bytes.size());
}

// Equal numbers have equal bytes: there is one zero and one NaN.
double plain_real(double value) {
  if (std::isnan(value)) return std::numeric_limits<double>::quiet_NaN();
  return value == 0 ? 0.0 : value;
}

void append_cell(std::string& key, const Batch& rows, int column, int row) {
  switch (rows.schema().at(column).type) {
    case ColumnType::boolean:
      return key.push_back(rows.boolean(column, row) ? '\1' : '\0');
    case ColumnType::integer:
      return append_bytes(key, rows.integer(column, row));
    case ColumnType::real:
      return append_bytes(key, plain_real(rows.real(column, row)));
    case ColumnType::time:
      return append_bytes(key, rows.time(column, row));
    case ColumnType::text: {
      const std::string_view text = rows.text(column, row);
      append_bytes(key, static_cast<std::uint32_t>(text.size()));
      key.append(text);
    }
  }
}

// The key cells of a row as bytes that are equal when all cells are; false when one of them is null. The
// types are not part of it: both sides were found to have the same.
bool encode_key(std::string& key, const Batch& rows, const std::vector<int>& columns, int row) {
  key.clear();
  for (const int column : columns) {
    if (rows.is_null(column, row)) return false;
    append_cell(key, rows, column, row);
  }
  return true;
}

// Numbers keys in the order in which they first appear. A hash table of its own, because a node per key would
// take several times the memory of the key.
class KeyTable {
 public:
  std::uint32_t find(std::string_view key) const {
    return slots_.empty() ? kNone : slots_[slot_of(key, hash_of(key))];
  }

  // The key's number, and whether it is new.
  std::pair<std::uint32_t, bool> add(std::string_view key) {
    if (2 * (keys_.size() + 1) > slots_.size()) grow();
    const std::uint32_t hash = hash_of(key);
    std::uint32_t& slot = slots_[slot_of(key, hash)];
    if (slot != kNone) return {slot, false};
    slot = static_cast<std::uint32_t>(keys_.size());
    keys_.push_back({bytes_.size(), static_cast<std::uint32_t>(key.size()), hash});
    bytes_.append(key);
    return {slot, true};
  }

 private:
  struct Key {
    std::uint64_t start;
    std::uint32_t size;
    std::uint32_t hash;
  };

  static std::uint32_t hash_of(std::string_view key) {
    const std::size_t hash = std::hash<std::string_view>()(key);
    return static_cast<std::uint32_t>(hash ^ (hash >> 32));
  }

  // The slot that holds the key, or the empty one where it belongs.
  std::size_t slot_of(std::string_view key, std::uint32_t hash) const {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t slot = hash & mask;; slot = (slot + 1) & mask) {
      if (slots_[slot] == kNone) return slot;
      const Key& found = keys_[slots_[slot]];
      if (found.hash == hash && std::string_view(bytes_).substr(found.start, found.size) == key) return slot;
    }
  }

  void grow() {
    slots_.assign(std::max<std::size_t>(16, 2 * slots_.size()), kNone);
    const std::size_t mask = slots_.size() - 1;
    for (std::uint32_t number = 0; number < keys_.size(); ++number) {
      std::size_t slot = keys_[number].hash & mask;
      while (slots_[slot] != kNone) slot = (slot + 1) & mask;
      slots_[slot] = number;
    }
  }

  std::vector<std::uint32_t> slots_;  // A power of two of them, at most half full.
  std::vector<Key> keys_;
  std::string bytes_;
};

// The cells of one selected column.
class CellColumn {
 public:
  explicit CellColumn(ColumnType type) : type_(type) {}

  // Writes the cell of `row`, which exists already or is the next one.
  void set(std::uint32_t row, const Batch& rows, int column, int from) {
    if (row == present_.size()) {
      present_.push_back(false);
      is_wide() ? wide_.push_back(0) : narrow_.push_back(0);
    }
    present_[row] = !rows.is_null(column, from);
    if (!present_[row]) return;
    switch (type_) {
      case ColumnType::boolean:
        narrow_[row] = rows.boolean(column, from) ? 1 : 0;
        break;
      case ColumnType::integer:
        wide_[row] = rows.integer(column, from);
        break;
      case ColumnType::real:
        wide_[row] = std::bit_cast<std::int64_t>(rows.real(column, from));
        break;
      case ColumnType::time:
        wide_[row] = rows.time(column, from);
        break;
      case ColumnType::text:
        narrow_[row] = number_of(rows.text(column, from));
    }
  }

  void get(std::uint32_t row, Batch& out, int column, int to) const {
    if (row == kNone || !present_[row]) return out.set_null(column, to);
    switch (type_) {
      case ColumnType::boolean:
        return out.set_boolean(column, to, narrow_[row] != 0);
      case ColumnType::integer:
        return out.set_integer(column, to, wide_[row]);
      case ColumnType::real:
        return out.set_real(column, to, std::bit_cast<double>(wide_[row]));
      case ColumnType::time:
        return out.set_time(column, to, wide_[row]);
      case ColumnType::text:
        return out.set_text(column, to, texts_[narrow_[row]]);
    }
  }

 private:
  bool is_wide() const { return type_ != ColumnType::boolean && type_ != ColumnType::text; }

  std::uint32_t number_of(std::string_view text) {
    const auto found = numbers_.find(text);
    if (found != numbers_.end()) return found->second;
    const auto number = static_cast<std::uint32_t>(texts_.size());
    numbers_.emplace(texts_.emplace_back(text), number);
    return number;
  }

  ColumnType type_;
  std::vector<bool> present_;
  std::vector<std::int64_t> wide_;
  std::vector<std::uint32_t> narrow_;
  std::deque<std::string> texts_;  // Never move, so that the map can point at them.
  std::unordered_map<std::string_view, std::uint32_t> numbers_;
};

// The rows of one key in an as-of join.
class Timeline {
 public:
  void add(TimeUs time, TimeUs arrived, std::uint32_t row) {
    arrived_min_ = std::min(arrived_min_, arrived);
    // Rows mostly come in the order of their times.
    const bool newest = entries_.empty() || entries_.back().time <= time;
    const auto place = newest ? entries_.cend() : after(time);
    entries_.insert(place, Entry{time, arrived, row});
  }

  // The newest row with a time ≤ `time` that had arrived by then and is no older than age_max.
  std::uint32_t find(TimeUs time, TimeUs age_max) const {
    if (arrived_min_ > time) return kNone;
    auto place = after(time);
    while (place != entries_.begin()) {
      const Entry& entry = *--place;
      // The difference of two times may need all 64 bits.
      const std::uint64_t age = static_cast<std::uint64_t>(time) - static_cast<std::uint64_t>(entry.time);
      if (age_max > 0 && age > static_cast<std::uint64_t>(age_max)) return kNone;
      if (entry.arrived <= time) return entry.row;
    }
    return kNone;
  }

 private:
  struct Entry {
    TimeUs time;
    TimeUs arrived;
    std::uint32_t row;
  };

  // Behind the last entry with a time ≤ `time`.
  std::vector<Entry>::const_iterator after(TimeUs time) const {
    return std::upper_bound(entries_.begin(), entries_.end(), time,
                            [](TimeUs wanted, const Entry& entry) { return wanted < entry.time; });
  }

  std::vector<Entry> entries_;  // By time; of equal times the last appended comes last.
  TimeUs arrived_min_ = std::numeric_limits<TimeUs>::max();
};

std::string with_article(ColumnType type) {
  return (type == ColumnType::integer ? "an " : "a ") + std::string(type_name(type));
}

Result<int> find_column(const LookupSpec& spec, const Schema& schema, const std::string& name,
                        std::string_view whose) {
  if (const std::optional<int> found = schema.find(name)) return *found;
  return fail(ErrorCode::invalid,
              "lookup of '" + spec.table + "': " + std::string(whose) + " has no column '" + name + "'",
              base::did_you_mean(name, schema.names()));
}

Result<int> find_time(const LookupSpec& spec, const Schema& schema, const std::string& name,
                      std::string_view whose) {
  const int found = TRY(find_column(spec, schema, name, whose));
  if (schema.at(found).type == ColumnType::time) return found;
  return fail(ErrorCode::invalid,
              "lookup of '" + spec.table + "': '" + name + "' of " + std::string(whose) +
                  " is no time, but " + with_article(schema.at(found).type),
              "an as-of join compares two columns of type time");
}

Status check_spec(const LookupSpec& spec) {
  const auto refuse = [&](const std::string& what, std::string hint) -> Status {
    return fail(ErrorCode::invalid, "lookup of '" + spec.table + "': " + what, std::move(hint));
  };
  if (spec.left_keys.size() != spec.right_keys.size()) {
    return refuse(std::to_string(spec.left_keys.size()) + " keys of the row stand against " +
                      std::to_string(spec.right_keys.size()) + " of the joined table",
                  "name one for each");
  }
  if (spec.left_time.empty() != spec.right_time.empty()) {
    return refuse("an as-of join needs a time of the row and one of the joined table", "name both or none");
  }
  if (spec.left_keys.empty() && spec.left_time.empty()) return refuse("there is no key", "name one with on");
  if (spec.age_max < 0) return refuse("the greatest age is negative", "use 0 for any age");
  if (spec.age_max > 0 && spec.left_time.empty()) {
    return refuse("a greatest age needs an as-of join", "name the times, or drop the age");
  }
  if (spec.select.empty()) return refuse("no column is selected", "name the columns that shall enter");
  return {};
}

constexpr std::string_view kJoinedTable = "the joined table";
constexpr std::string_view kRow = "the row";

Json texts_to_json(const std::vector<std::string>& texts) {
  Json list = Json::array();
  for (const std::string& text : texts) list.push(text);
  return list;
}

tl::unexpected<Error> wrong_member(std::string_view member, std::string_view wanted) {
  return fail(ErrorCode::invalid, "a lookup's '" + std::string(member) + "' must be " + std::string(wanted));
}

Result<std::vector<std::string>> texts_from_json(const Json& json, std::string_view member) {
  const Json& list = json[member];
  if (!list.is_array()) return wrong_member(member, "a list of texts");
  std::vector<std::string> texts;
  for (const Json& item : list.as_array()) {
    if (!item.is_string()) return wrong_member(member, "a list of texts");
    texts.push_back(item.as_string());
  }
  return texts;
}

Result<std::string> text_from_json(const Json& json, std::string_view member) {
  if (!json[member].is_string()) return wrong_member(member, "text");
  return json[member].as_string();
}

}  // namespace

Json LookupSpec::to_json() const {
  return Json::object({{"table", table},
                       {"left_keys", texts_to_json(left_keys)},
                       {"right_keys", texts_to_json(right_keys)},
                       {"left_time", left_time},
                       {"right_time", right_time},
                       {"age_max", age_max},
                       {"select", texts_to_json(select)}});
}

Result<LookupSpec> LookupSpec::from_json(const Json& json) {
  if (!json.is_object()) return fail(ErrorCode::invalid, "a lookup must be an object, not " + json.dump());
  LookupSpec spec;
  spec.table = TRY(text_from_json(json, "table"));
  spec.left_keys = TRY(texts_from_json(json, "left_keys"));
  spec.right_keys = TRY(texts_from_json(json, "right_keys"));
  spec.left_time = TRY(text_from_json(json, "left_time"));
  spec.right_time = TRY(text_from_json(json, "right_time"));
  if (!json["age_max"].is_int()) return wrong_member("age_max", "a whole number of microseconds");
  spec.age_max = json["age_max"].as_int();
  spec.select = TRY(texts_from_json(json, "select"));
  TRY(check_spec(spec));
  return spec;
}

struct LookupIndex::State {
  // Where the columns of the joined table's rows stand.
  struct JoinedPlaces : Places {
    std::vector<int> selected;
  };

  Result<JoinedPlaces> joined_places(const Schema& schema) const;
  Result<Places> row_places(const Schema& schema) const;
  void append_row(const Batch& rows, const JoinedPlaces& places, int row, std::optional<TimeUs> arrived);
  std::uint32_t find_row(const Batch& rows, const Places& places, int row) const;

  LookupSpec spec;
  Schema joined;  // The columns of right_keys, right_time and select.
  Schema selected;

  mutable std::shared_mutex mutex;  // Guards everything below.
  std::int64_t rows_appended = 0;
  std::uint32_t rows_kept = 0;
  KeyTable keys;
  std::vector<Timeline> timelines;      // As-of: by the key's number.
  std::vector<std::uint32_t> last_row;  // Plain: by the key's number.
  std::vector<CellColumn> cells;        // By the selected column.
};

Result<LookupIndex::State::JoinedPlaces> LookupIndex::State::joined_places(const Schema& schema) const {
  JoinedPlaces places;
  for (const std::string& name : spec.right_keys) {
    places.keys.push_back(TRY(find_column(spec, schema, name, kJoinedTable)));
  }
  if (!spec.right_time.empty()) places.time = TRY(find_time(spec, schema, spec.right_time, kJoinedTable));
  for (const std::string& name : spec.select) {
    places.selected.push_back(TRY(find_column(spec, schema, name, kJoinedTable)));
  }
  for (const Column& column : joined.columns()) {
    const ColumnType type = schema.at(*schema.find(column.name)).type;
    if (type == column.type) continue;
    return fail(ErrorCode::invalid, "lookup of '" + spec.table + "': its column '" + column.name + "' is " +
                                        with_article(column.type) + ", the rows bring " + with_article(type));
  }
  return places;
}

Result<LookupIndex::Places> LookupIndex::State::row_places(const Schema& schema) const {
  Places places;
  for (std::size_t i = 0; i < spec.left_keys.size(); ++i) {
    const int place = TRY(find_column(spec, schema, spec.left_keys[i], kRow));
    const ColumnType left = schema.at(place).type;
    const ColumnType right = joined.at(*joined.find(spec.right_keys[i])).type;
    if (left != right) {
      return fail(ErrorCode::invalid,
                  "lookup of '" + spec.table + "': '" + spec.left_keys[i] + "' of the row is " +
                      with_article(left) + ", '" + spec.right_keys[i] + "' of the joined table is " +
                      with_article(right),
                  "cast one of them, so that equal values are equal");
    }
    places.keys.push_back(place);
  }
  if (!spec.left_time.empty()) places.time = TRY(find_time(spec, schema, spec.left_time, kRow));
  return places;
}

void LookupIndex::State::append_row(const Batch& rows, const JoinedPlaces& places, int row,
                                    std::optional<TimeUs> arrived) {
  thread_local std::string key;
  const bool as_of = places.time >= 0;
  // What has no key or no time can never match.
  if (as_of && rows.is_null(places.time, row)) return;
  if (!encode_key(key, rows, places.keys, row)) return;
  const auto [number, is_new] = keys.add(key);
  std::uint32_t place = rows_kept;
  if (as_of) {
    if (is_new) timelines.emplace_back();
    const TimeUs time = rows.time(places.time, row);
    timelines[number].add(time, arrived.value_or(time), place);
  } else {
    if (is_new) last_row.push_back(place);
    place = last_row[number];  // The row it had so far is overwritten.
  }
  if (place == rows_kept) ++rows_kept;
  for (std::size_t i = 0; i < cells.size(); ++i) cells[i].set(place, rows, places.selected[i], row);
}

std::uint32_t LookupIndex::State::find_row(const Batch& rows, const Places& places, int row) const {
  thread_local std::string key;
  const bool as_of = places.time >= 0;
  if (as_of && rows.is_null(places.time, row)) return kNone;
  if (!encode_key(key, rows, places.keys, row)) return kNone;
  const std::uint32_t number = keys.find(key);
  if (number == kNone) return kNone;
  return as_of ? timelines[number].find(rows.time(places.time, row), spec.age_max) : last_row[number];
}

LookupIndex::LookupIndex(std::unique_ptr<State> state) : state_(std::move(state)) {}
LookupIndex::~LookupIndex() = default;

Result<std::shared_ptr<LookupIndex>> LookupIndex::make(LookupSpec spec, const Schema& schema) {
  TRY(check_spec(spec));
  auto state = std::make_unique<State>();
  state->spec = std::move(spec);
  const State::JoinedPlaces places = TRY(state->joined_places(schema));
  for (const int place : places.keys) state->joined.set(schema.at(place));
  if (places.time >= 0) state->joined.set(schema.at(places.time));
  for (const int place : places.selected) {
    const Column& column = schema.at(place);
    if (state->selected.find(column.name)) {
      return fail(ErrorCode::invalid,
                  "lookup of '" + state->spec.table + "': '" + column.name + "' is selected twice");
    }
    state->joined.set(column);
    state->selected.add(column);
    state->cells.emplace_back(column.type);
  }
  return std::shared_ptr<LookupIndex>(new LookupIndex(std::move(state)));
}

Status LookupIndex::append(const Batch& rows, std::optional<TimeUs> arrived) {
  State& state = *state_;
  const State::JoinedPlaces places = TRY(state.joined_places(rows.schema()));
  const std::unique_lock lock(state.mutex);
  if (state.rows_kept > kNone - static_cast<std::uint32_t>(kBatchRowsMax) - 1) {
    return fail(ErrorCode::too_large, "lookup of '" + state.spec.table + "': there are too many rows",
                "join it as a table in batch instead");
  }
  for (int row = 0; row < rows.rows(); ++row) state.append_row(rows, places, row, arrived);
  state.rows_appended += rows.rows();
  return {};
}

std::int64_t LookupIndex::rows() const {
  const std::shared_lock lock(state_->mutex);
  return state_->rows_appended;
}

const LookupSpec& LookupIndex::spec() const { return state_->spec; }

const Schema& LookupIndex::selected() const { return state_->selected; }

Result<LookupIndex::Places> LookupIndex::places(const Schema& rows) const { return state_->row_places(rows); }

Status LookupIndex::find(const Batch& rows, Batch& out, int first_column) const {
  find(rows, TRY(places(rows.schema())), out, first_column);
  return {};
}

void LookupIndex::find(const Batch& rows, const Places& places, Batch& out, int first_column) const {
  const State& state = *state_;
  CHECK(rows.rows() <= out.rows());
  std::array<std::uint32_t, kBatchRowsMax> found;
  const std::shared_lock lock(state.mutex);
  for (int row = 0; row < rows.rows(); ++row) {
    found[static_cast<std::size_t>(row)] = state.find_row(rows, places, row);
  }
  for (std::size_t i = 0; i < state.cells.size(); ++i) {
    const int column = first_column + static_cast<int>(i);
    for (int row = 0; row < rows.rows(); ++row) {
      state.cells[i].get(found[static_cast<std::size_t>(row)], out, column, row);
    }
  }
}

}  // namespace trimtab::table
