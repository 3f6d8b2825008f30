// Cells of a request that are not what their column wants, read as the one thing that they can mean. Each is
// judged by itself: what other rows hold says nothing here, and is the door's to look at.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/json.h"
#include "table/batch.h"

namespace trimtab::serve {

// What became of a cell: the number that its text holds, the level that it is another spelling of, or
// nothing.
enum class Mending : std::uint8_t { number, level, missing };

struct MendedCell {
  int column = 0;
  int row = 0;
  Mending how = Mending::missing;
  std::string sent;  // As JSON.
};

// The number of a text with a unit or blanks around it: "12.30 u", " 7 ", "$5". Nothing for texts that hold
// anything else ("1,234", "3 of 5"), nor where the unit multiplies ("3k").
std::optional<double> number_in(std::string_view text);

// Sets a cell that its column refused: as a number where it holds one, and else as missing.
Mending mend_cell(table::Batch& rows, int column, int row, const Json& sent);

// The levels of a text column that a model knows.
class KnownLevels {
 public:
  explicit KnownLevels(const std::vector<std::string>& levels);
  // The known level that this one is, but for blanks around it and the case of ASCII letters. Null when it is
  // known itself, or when none or several would fit.
  const std::string* meant_by(std::string_view level) const;
  bool knows(std::string_view level) const { return known_.contains(std::string(level)); }

 private:
  std::unordered_set<std::string> known_;
  std::unordered_map<std::string, std::string> by_plain_;  // Plain spelling → level; "": several.
};

// What a reader needs to mend cells.
struct CellMending {
  // By the place among the required columns; nothing where the model does not look at the column itself.
  std::vector<std::optional<KnownLevels>> levels;

  const KnownLevels* levels_of(int column) const {
    const auto at = static_cast<std::size_t>(column);
    return at < levels.size() && levels[at] ? &*levels[at] : nullptr;
  }
};

}  // namespace trimtab::serve
