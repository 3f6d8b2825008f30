// Two ways in. A request of many rows is its own window: judged, repaired, learnt from. Rows that come alone
// go into a ring of the last ones; after every 50 of them somebody's request judges the ring, outside of the
// lock, and what it finds is done to all rows until the next look.
#include "serve/door.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "base/json.h"
#include "base/log.h"
#include "serve/repair_rows.h"
#include "serve/repair_search.h"
#include "serve/request_reference.h"

namespace trimtab::serve {
namespace {

constexpr std::size_t kJudgedEvery = 50;    // Rows.
constexpr std::size_t kWindowMin = 100;     // Rows in the ring before it is judged.
constexpr std::size_t kGoodMin = 50;        // Rows that the reference learns from at once.
constexpr std::int64_t kQuietRows = 200;    // A finding is over after so many rows without it, …
constexpr std::int64_t kQuietCells = 1000;  // … or so many where it is of single cells.

constexpr double kExactMax = 9007199254740992.0;  // 2^53

std::string_view words_of(Mending how) {
  switch (how) {
    case Mending::number:
      return "number in a text";
    case Mending::level:
      return "another spelling";
    case Mending::missing:
      break;
  }
  return "unreadable";
}

// The rows of a request that are looked at, and their numbers.
struct Incoming {
  std::vector<int> rows;     // Of the batch.
  std::vector<char> mended;  // By the reader.
  NumberTable numbers;
};

double number_of(const table::Batch& rows, int column, int row, bool is_whole) {
  if (rows.is_null(column, row)) return kNoNumber;
  const double number = is_whole ? static_cast<double>(rows.integer(column, row)) : rows.real(column, row);
  return std::isfinite(number) ? number : kNoNumber;
}

Incoming incoming(const RequestRows& request, const DoorColumns& columns, const std::vector<char>& touched,
                  const std::vector<char>& passed_over) {
  std::vector<int> rows;
  std::vector<char> mended;
  for (int row = 0; row < request.rows.rows(); ++row) {
    if (passed_over[static_cast<std::size_t>(row)]) continue;
    rows.push_back(row);
    mended.push_back(touched[static_cast<std::size_t>(row)]);
  }
  NumberTable numbers(columns.at.size(), rows.size());
  for (std::size_t column = 0; column < columns.at.size(); ++column) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      numbers.column(column)[i] =
          number_of(request.rows, columns.at[column], rows[i], columns.is_whole[column] != 0);
    }
  }
  return {std::move(rows), std::move(mended), std::move(numbers)};
}

void put_number(table::Batch& rows, int column, int row, double number, bool is_whole) {
  if (!std::isfinite(number) || (is_whole && std::abs(number) > kExactMax)) return rows.set_null(column, row);
  if (is_whole) return rows.set_integer(column, row, std::llround(number));
  rows.set_real(column, row, number);
}

}  // namespace

struct Door::State {
  using Key = std::pair<std::string, std::string>;  // Column, what.
  struct Known {
    Finding finding;
    std::int64_t quiet = 0;      // Rows since it was seen.
    std::int64_t quiet_max = 0;  // After which it is over.
  };
  // A finding as it was seen in one request.
  struct Seen {
    DoneRepair done;
    std::int64_t quiet_max = kQuietRows;
  };
  struct Verdict {
    std::shared_ptr<const RepairPlan> plan;
    std::shared_ptr<const Reference> reference;  // Null: the columns are not those that are expected now.
  };

  DoorOptions options;
  mutable std::mutex mutex;  // Of what follows.
  std::shared_ptr<const DoorColumns> columns = std::make_shared<DoorColumns>();
  std::shared_ptr<const Reference> reference = std::make_shared<Reference>(0);
  std::vector<double> ring;  // Row after row.
  std::vector<char> ring_mended;
  std::size_t ring_next = 0;
  std::size_t ring_rows = 0;
  std::size_t since_judged = 0, since_learnt = 0;
  bool is_judging = false;
  std::shared_ptr<const RepairPlan> window_plan = std::make_shared<RepairPlan>();
  std::vector<ColumnMap> last_maps;  // Of the last request that was judged by itself.
  // Of the ring, when it was last to be learnt from. It may hold the first rows of something that shows only
  // when there are more of them: nothing is learnt until the next ones were right, too.
  std::optional<WindowShape> lesson_waiting;
  std::map<Key, Known> known;

  void forget();
  void keep(const Incoming& rows);
  std::pair<NumberTable, std::vector<char>> window() const;
  static std::vector<Seen> seen_by_reader(const RequestRows& request, const std::vector<char>& passed_over,
                                          std::vector<char>& touched);
  Verdict judge_alone(const Incoming& rows, const DoorColumns& of);
  Verdict judge_with_others(const Incoming& rows, const DoorColumns& of);
  std::optional<WindowShape> lesson_of_ring(const RepairPlan& plan, std::optional<WindowShape> lesson);
  void conclude(const RepairPlan& plan, const std::vector<ColumnMap>& last,
                const std::optional<WindowShape>& seen, const std::optional<WindowShape>& lesson);
  std::vector<std::string> note(const std::vector<Seen>& seen, std::int64_t rows, TimeUs now);
};

void Door::State::forget() {
  reference = std::make_shared<Reference>(columns->at.size());
  ring.assign(kWindow * columns->at.size(), kNoNumber);
  ring_mended.assign(kWindow, 0);
  ring_next = ring_rows = since_judged = since_learnt = 0;
  window_plan = std::make_shared<RepairPlan>();
  last_maps.clear();
  lesson_waiting.reset();
}

void Door::State::keep(const Incoming& rows) {
  const std::size_t width = columns->at.size();
  for (std::size_t row = 0; row < rows.rows.size(); ++row) {
    for (std::size_t column = 0; column < width; ++column) {
      ring[ring_next * width + column] = rows.numbers.column(column)[row];
    }
    ring_mended[ring_next] = rows.mended[row];
    ring_next = (ring_next + 1) % kWindow;
  }
  ring_rows = std::min(kWindow, ring_rows + rows.rows.size());
  since_judged += rows.rows.size();
  since_learnt += rows.rows.size();
}

std::pair<NumberTable, std::vector<char>> Door::State::window() const {
  const std::size_t width = columns->at.size();
  NumberTable numbers(width, ring_rows);
  std::vector<char> mended(ring_mended.begin(), ring_mended.begin() + static_cast<std::ptrdiff_t>(ring_rows));
  for (std::size_t row = 0; row < ring_rows; ++row) {
    for (std::size_t column = 0; column < width; ++column) {
      numbers.column(column)[row] = ring[row * width + column];
    }
  }
  return {std::move(numbers), std::move(mended)};
}

namespace {

// What the reference may learn of a window.
std::optional<WindowShape> lesson(const NumberTable& numbers, const std::vector<char>& mended,
                                  const RepairPlan& plan) {
  if (!plan.leaves_good_rows()) return std::nullopt;
  const std::vector<std::size_t> good = good_rows(numbers, mended, plan);
  if (good.size() < kGoodMin || 2 * good.size() < numbers.rows()) return std::nullopt;
  return shape_of(rows_of(numbers, good));
}

// What a window with something wrong in it looks like.
std::optional<WindowShape> oddity(const NumberTable& numbers, const RepairPlan& plan) {
  if (plan.leaves_good_rows()) return std::nullopt;
  return shape_of(numbers);
}

bool same_repair(const std::vector<ColumnMap>& a, const std::vector<ColumnMap>& b) {
  return std::ranges::equal(a, b, [](const ColumnMap& one, const ColumnMap& other) {
    return one.kind == other.kind && one.column == other.column && one.other == other.other &&
           one.words == other.words && one.kind != MapKind::rescale;
  });
}

}  // namespace

// What may be learnt now: the lesson that waited, while this one waits. The lock is held.
std::optional<WindowShape> Door::State::lesson_of_ring(const RepairPlan& plan,
                                                       std::optional<WindowShape> lesson) {
  if (!plan.leaves_good_rows()) lesson_waiting.reset();
  if (!lesson) return std::nullopt;
  if (!reference->is_ready()) return lesson;
  std::swap(lesson, lesson_waiting);
  return lesson;
}

// The lock is held. `seen` is the window as it was sent, where its turn has come to be remembered.
void Door::State::conclude(const RepairPlan& plan, const std::vector<ColumnMap>& last,
                           const std::optional<WindowShape>& seen, const std::optional<WindowShape>& lesson) {
  // A repair that holds from window to window is of a broken source, and says nothing of how windows differ.
  const bool is_steady = !plan.is_unexplained && !plan.maps.empty() && same_repair(plan.maps, last);
  const bool is_odd = !plan.leaves_good_rows() && !is_steady;
  if (!lesson && !(seen && is_odd)) return;
  auto moved = std::make_shared<Reference>(*reference);
  if (lesson) moved->learn(*lesson);
  if (seen && is_odd) moved->note(*seen);
  reference = std::move(moved);
}

Door::State::Verdict Door::State::judge_alone(const Incoming& rows, const DoorColumns& of) {
  std::unique_lock lock(mutex);
  if (columns.get() != &of) return {};
  const std::shared_ptr<const DoorColumns> mine = columns;
  const std::shared_ptr<const Reference> usual = reference;
  const std::vector<ColumnMap> last = last_maps;
  lock.unlock();
  auto plan = std::make_shared<RepairPlan>();
  if (usual->is_ready()) *plan = find_repair(*usual, rows.numbers, {last, mine->is_whole, true});
  const std::optional<WindowShape> learnt = lesson(rows.numbers, rows.mended, *plan);
  const std::optional<WindowShape> seen = oddity(rows.numbers, *plan);
  lock.lock();
  if (columns != mine) return {};
  conclude(*plan, last, seen, learnt);
  last_maps = plan->maps;
  return {std::move(plan), usual};
}

Door::State::Verdict Door::State::judge_with_others(const Incoming& rows, const DoorColumns& of) {
  std::unique_lock lock(mutex);
  if (columns.get() != &of) return {};
  keep(rows);
  const bool is_due = since_judged >= kJudgedEvery && ring_rows >= kWindowMin;
  if (!is_due || is_judging) return {window_plan, reference};
  is_judging = true;
  since_judged = 0;
  const std::shared_ptr<const DoorColumns> mine = columns;
  const std::shared_ptr<const Reference> usual = reference;
  const std::vector<ColumnMap> last = window_plan->maps;
  // While rows of both kinds are in the ring nothing explains it; that is waited for once.
  const bool may_lose = window_plan->is_unexplained;
  const bool learns = since_learnt >= kWindow;
  const auto [numbers, mended] = window();
  lock.unlock();
  auto plan = std::make_shared<RepairPlan>();
  if (usual->is_ready()) *plan = find_repair(*usual, numbers, {last, mine->is_whole, may_lose});
  std::optional<WindowShape> learnt = learns ? lesson(numbers, mended, *plan) : std::nullopt;
  const std::optional<WindowShape> seen = learns ? oddity(numbers, *plan) : std::nullopt;
  lock.lock();
  is_judging = false;
  if (columns != mine) return {};
  if (learns) since_learnt = 0;
  conclude(*plan, last, seen, lesson_of_ring(*plan, std::move(learnt)));
  window_plan = plan;
  return {std::move(plan), usual};
}

// The lock is held. Returns what is to be said about it.
std::vector<std::string> Door::State::note(const std::vector<Seen>& seen, std::int64_t rows, TimeUs now) {
  std::vector<std::string> words;
  for (auto& [key, one] : known) one.quiet += rows;
  for (const Seen& one : seen) {
    const auto [entry, is_new] = known.try_emplace({one.done.column, one.done.what});
    Known& kept = entry->second;
    if (is_new) {
      kept = {{one.done.column, one.done.what, now, 0}, 0, one.quiet_max};
      words.push_back("column '" + one.done.column + "': " + one.done.what + "; requests are repaired");
    }
    kept.finding.rows += one.done.rows;
    kept.quiet = 0;
  }
  std::erase_if(known, [&](const auto& entry) {
    const auto& [key, one] = entry;
    if (one.quiet < one.quiet_max) return false;
    words.push_back("column '" + key.first + "': " + key.second + " is over after " +
                    std::to_string(one.finding.rows) + " rows");
    return true;
  });
  return words;
}

Door::Door(DoorOptions options) : state_(std::make_unique<State>()) { state_->options = std::move(options); }
Door::~Door() = default;

std::shared_ptr<const DoorColumns> Door::expect(const table::Schema& required) {
  auto wanted = std::make_shared<DoorColumns>();
  const std::vector<std::string>& left_alone = state_->options.left_alone;
  for (int i = 0; i < required.size() && wanted->at.size() < kColumnsMax; ++i) {
    const table::Column& column = required.at(i);
    const bool is_whole = column.type == table::ColumnType::integer;
    if (!is_whole && column.type != table::ColumnType::real) continue;
    if (std::find(left_alone.begin(), left_alone.end(), column.name) != left_alone.end()) continue;
    wanted->names.push_back(column.name);
    wanted->at.push_back(i);
    wanted->is_whole.push_back(is_whole ? 1 : 0);
  }
  const std::scoped_lock lock(state_->mutex);
  if (*state_->columns == *wanted) return state_->columns;
  const bool is_same =
      state_->columns->names == wanted->names && state_->columns->is_whole == wanted->is_whole;
  state_->columns = wanted;
  if (!is_same) state_->forget();
  return wanted;
}

void Door::refer_to(const std::vector<std::string>& requests) {
  const std::scoped_lock lock(state_->mutex);
  const DoorColumns& columns = *state_->columns;
  auto reference = std::make_shared<Reference>(columns.at.size());
  for (std::size_t begin = 0; begin + kWindow <= requests.size(); begin += kWindow) {
    NumberTable numbers(columns.at.size(), kWindow);
    for (std::size_t row = 0; row < kWindow; ++row) {
      const Result<Json> request = base::parse_json(requests[begin + row]);
      for (std::size_t column = 0; request && column < columns.at.size(); ++column) {
        const Json& cell = (*request)[columns.names[column]];
        if (cell.is_number()) numbers.column(column)[row] = cell.as_double();
      }
    }
    reference->learn(shape_of(numbers));
  }
  state_->reference = std::move(reference);
}

// What the reader did, by column.
std::vector<Door::State::Seen> Door::State::seen_by_reader(const RequestRows& request,
                                                           const std::vector<char>& passed_over,
                                                           std::vector<char>& touched) {
  std::map<Key, std::int64_t> cells;
  for (const MendedCell& cell : request.mended) {
    const auto row = static_cast<std::size_t>(cell.row);
    if (passed_over[row]) continue;
    touched[row] = 1;
    ++cells[{request.rows.schema().at(cell.column).name, std::string(words_of(cell.how))}];
  }
  std::vector<Seen> seen;
  for (const auto& [key, rows] : cells) seen.push_back({{key.first, key.second, rows}, kQuietCells});
  return seen;
}

namespace {

// The cells that the reader could not read are not believed.
void disbelieve_unread(const RequestRows& request, const DoorColumns& columns, const Incoming& rows,
                       RowRepair& repair) {
  for (const MendedCell& cell : request.mended) {
    const auto column = std::find(columns.at.begin(), columns.at.end(), cell.column);
    const auto row = std::lower_bound(rows.rows.begin(), rows.rows.end(), cell.row);
    const bool is_there = column != columns.at.end() && row != rows.rows.end() && *row == cell.row;
    if (!is_there || cell.how != Mending::missing) continue;
    repair.disbelieve(static_cast<std::size_t>(column - columns.at.begin()),
                      static_cast<std::size_t>(row - rows.rows.begin()));
  }
}

void write_back(const RowRepair& repair, const DoorColumns& columns, const Incoming& rows,
                RequestRows& request, std::vector<char>& touched) {
  for (std::size_t column = 0; column < columns.at.size(); ++column) {
    for (std::size_t i = 0; i < rows.rows.size(); ++i) {
      if (!repair.is_changed(column, i)) continue;
      put_number(request.rows, columns.at[column], rows.rows[i], repair.numbers().column(column)[i],
                 columns.is_whole[column] != 0);
      touched[static_cast<std::size_t>(rows.rows[i])] = 1;
    }
  }
}

}  // namespace

std::vector<char> Door::pass(RequestRows& request, const DoorColumns& columns,
                             const std::vector<char>& passed_over, TimeUs now) {
  State& state = *state_;
  std::vector<char> touched(static_cast<std::size_t>(request.rows.rows()), 0);
  std::vector<State::Seen> seen = State::seen_by_reader(request, passed_over, touched);
  const Incoming rows = incoming(request, columns, touched, passed_over);
  if (rows.rows.empty()) return touched;
  const State::Verdict verdict = rows.rows.size() >= kJudgedAlone ? state.judge_alone(rows, columns)
                                                                  : state.judge_with_others(rows, columns);
  if (verdict.reference && (!verdict.plan->empty() || !request.mended.empty())) {
    RowRepair repair(*verdict.reference, columns.names, rows.numbers);
    disbelieve_unread(request, columns, rows, repair);
    repair.carry_out(*verdict.plan);
    repair.fill();
    for (const DoneRepair& done : repair.done()) seen.push_back({done, kQuietRows});
    write_back(repair, columns, rows, request, touched);
  }
  std::vector<std::string> words;
  {
    const std::scoped_lock lock(state.mutex);
    if (!seen.empty() || !state.known.empty())
      words = state.note(seen, static_cast<std::int64_t>(rows.rows.size()), now);
  }
  for (const std::string& said : words)
    base::log_warning("serve", "endpoint '" + state.options.endpoint + "': " + said);
  return touched;
}

std::vector<Finding> Door::findings() const {
  const std::scoped_lock lock(state_->mutex);
  std::vector<Finding> findings;
  for (const auto& [key, one] : state_->known) findings.push_back(one.finding);
  return findings;
}

Json Door::view() const {
  Json list = Json::array();
  for (const Finding& finding : findings()) {
    list.push(Json::object({{"column", finding.column},
                            {"what", finding.what},
                            {"since", base::format_time(finding.since)},
                            {"rows", finding.rows}}));
  }
  const std::scoped_lock lock(state_->mutex);
  return Json::object({{"mode", "repair"},
                       {"reference_rows", state_->reference->rows()},
                       {"judges", state_->reference->is_ready()},
                       {"findings", std::move(list)}});
}

}  // namespace trimtab::serve
