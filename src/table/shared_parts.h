// What several expressions of a row program compute alike is computed once. Equal parts are found on the
// bound trees, where the same text has become the same thing; calendar parts of one time (its hour, its
// weekday) are read together, because splitting an instant into a calendar costs more than all else that a
// row asks for. Values are bit for bit those of the expressions as they were. No other room includes this
// file.
#pragma once

#include <functional>
#include <memory>
#include <vector>

namespace duckdb {
class ClientContext;
class Expression;
struct LogicalType;
}  // namespace duckdb

namespace trimtab::table {

// An expression over slots (see row_program.cc), and the slot that takes its value.
struct Assignment {
  std::unique_ptr<duckdb::Expression> expression;
  int slot = 0;
  std::vector<int> fields;  // Of a struct: the slot that shows each of its fields. Else empty.

  Assignment(std::unique_ptr<duckdb::Expression> its_expression, int its_slot,
             std::vector<int> its_fields = {});
  Assignment(Assignment&&) noexcept;
  Assignment& operator=(Assignment&&) noexcept;
  ~Assignment();
};

// Used twice over all expressions of a program, in the order in which they run: first every one is counted,
// then every one is rewritten. A part is taken out where it is computed for every row anyway: never out of a
// branch, behind an AND, or inside of TRY, where it might fail for rows that never ask for it. Belongs to one
// thread; throws the engine's exceptions.
class SharedParts {
 public:
  // Makes a slot for values of a type, with memory of its own or to show somebody else's.
  using MakeSlot = std::function<int(const duckdb::LogicalType& type, bool has_memory)>;

  SharedParts(duckdb::ClientContext& context, MakeSlot make_slot);
  ~SharedParts();

  // `slot` takes the expression's value.
  void count(const duckdb::Expression& expression, int slot);
  // Appends to `to` what computes the column's slot, after the shared parts that it is the first to need.
  // Only the parts are appended when the slot is computed with them.
  void rewrite(Assignment column, std::vector<Assignment>& to);
  // A filter's condition takes what was computed before it, and shares nothing of its own.
  void rewrite_condition(std::unique_ptr<duckdb::Expression>& condition);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::table
