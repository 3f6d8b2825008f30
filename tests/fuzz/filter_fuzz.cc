// Fuzzes the grammars of searches: of runs and experiments, and of models, versions and logged models.
#include <cstddef>
#include <cstdint>
#include <string>

#include "registry/clauses.h"
#include "registry/run_filter.h"

namespace {

template <class T>
void check(const trimtab::Result<T>& parsed) {
  if (!parsed) CHECK(!parsed.error().message.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using trimtab::registry::SearchSubject;
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const SearchSubject subject : {SearchSubject::runs, SearchSubject::experiments}) {
    const auto filter = trimtab::registry::parse_filter(text, subject);
    check(filter);
    // Computing it must leave one truth on the stack.
    if (filter && !filter->steps.empty()) {
      std::size_t truths = 0;
      for (const trimtab::registry::FilterStep& step : filter->steps) {
        if (step.kind == trimtab::registry::FilterStep::Kind::term) {
          CHECK(step.term < filter->terms.size());
          ++truths;
        } else {
          CHECK(truths >= 2);
          --truths;
        }
      }
      CHECK(truths == 1);
    }
    check(trimtab::registry::parse_order({text, "start_time DESC"}, subject));
  }
  const auto clauses = trimtab::registry::parse_clauses(text);
  check(clauses);
  if (clauses) {
    for (const trimtab::registry::Clause& clause : *clauses) {
      if (trimtab::registry::is_text_operation(clause.operation)) holds_for_text(clause, "some text");
    }
  }
  check(trimtab::registry::parse_order_by(text));
  return 0;
}
