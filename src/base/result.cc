#include "base/result.h"

#include <cstdio>
#include <cstdlib>

namespace trimtab::base {

Error wrap(Error cause, std::string message) {
  Error outer{cause.code, std::move(message), cause.hint, cause.where, nullptr};
  cause.hint.clear();
  cause.where.reset();
  outer.cause = std::make_shared<const Error>(std::move(cause));
  return outer;
}

namespace {

std::string place(const SourceRange& where) {
  std::string text = where.file;
  if (where.line > 0) text += ":" + std::to_string(where.line);
  if (where.line > 0 && where.column > 0) text += ":" + std::to_string(where.column);
  return text + ": ";
}

}  // namespace

std::string render(const Error& error) {
  std::string text = error.where ? place(*error.where) : "";
  text += "error: " + error.message;
  for (const Error* cause = error.cause.get(); cause != nullptr; cause = cause->cause.get()) {
    text += "\n   because: " + cause->message;
  }
  if (!error.hint.empty()) text += "\n   hint: " + error.hint;
  return text;
}

void check_failed(const char* condition, const char* file, int line, std::string_view note) {
  std::fprintf(stderr, "%s:%d: invariant broken: %s %.*s\n", file, line, condition,
               static_cast<int>(note.size()), note.data());
  std::abort();
}

}  // namespace trimtab::base
