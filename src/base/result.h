// The one way a Trimtab function says that it could not do what it was asked.
// Refusals are ordinary here (a bad row, a missing run, a failing gate) and carry data; exceptions come from
// third parties only and are turned into Error at that library's door. A broken invariant is a CHECK instead.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "base/error_table.h"

namespace trimtab::base {

// A place in a text that a user wrote. Lines and columns count from 1; 0 means unknown.
struct SourceRange {
  std::string file;
  int line = 0;
  int column = 0;

  bool operator==(const SourceRange&) const = default;
};

struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;                 // What is wrong, with the offending value.
  std::string hint;                    // What to do about it; may be empty.
  std::optional<SourceRange> where;    // Where in the user's text, when there is one.
  std::shared_ptr<const Error> cause;  // The refusal underneath, when there is one.
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

inline tl::unexpected<Error> fail(ErrorCode code, std::string message, std::string hint = {}) {
  return tl::unexpected<Error>(Error{code, std::move(message), std::move(hint), std::nullopt, nullptr});
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

// The same refusal seen from one level up: `message` says what was being done, `cause` why it failed.
Error wrap(Error cause, std::string message);

// "file:line:col: error: message\n   hint: hint", causes indented below; no trailing newline.
std::string render(const Error& error);

// Prints the broken invariant with its place and aborts. Never returns.
[[noreturn]] void check_failed(const char* condition, const char* file, int line, std::string_view note = {});

}  // namespace trimtab::base

namespace trimtab {
using base::Error;
using base::ErrorCode;
using base::fail;
using base::Result;
using base::SourceRange;
using base::Status;
}  // namespace trimtab

// Evaluates to the value of a Result, or returns its Error from the enclosing function.
#define TRY(expression)                                                                          \
  ({                                                                                             \
    auto try_result_ = (expression);                                                             \
    if (!try_result_) return ::tl::unexpected<::trimtab::Error>(std::move(try_result_).error()); \
    ::trimtab::base::take_value(std::move(try_result_));                                         \
  })

// An invariant of our own code. Always on: a wrong program stops rather than harms data.
#define CHECK(condition)                               \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::trimtab::base::check_failed(#condition, __FILE__, __LINE__))

namespace trimtab::base {
template <class T>
T take_value(tl::expected<T, Error>&& result) {
  return std::move(*result);
}
inline void take_value(tl::expected<void, Error>&&) {}
}  // namespace trimtab::base
