// A small project file for the tests of this room, and what is said about it when one of its lines is
// replaced.
#pragma once

#include <ostream>
#include <string>

#include "base/result.h"
#include "project/load.h"

namespace trimtab::project {

inline constexpr const char* kSampleProject = R"(project: p
as_of: 2020-01-01
sources:
  s: {read: s.csv, time: at}
  other: {read: o.csv, time: seen}
tables:
  t:
    from: s
    clean:
      - filter: x > 0
    checks:
      - not_null: [x]
models:
  m:
    from: t
    task: binary
    target: y > 0
    features: [x, z]
    split: {test: 20%}
    learner: lightgbm
    gates: [auc >= 0.6]
endpoints:
  e:
    model: m
    batch: 1d
    health: {auc: ">= 0.6"}
    heal: {mode: auto}
)";

// The sample with other text (one or more lines) in place of one line.
inline std::string sample_with(int line, const std::string& text) {
  const std::string sample = kSampleProject;
  std::size_t begin = 0;
  for (int at = 1; at < line; ++at) begin = sample.find('\n', begin) + 1;
  return sample.substr(0, begin) + text + sample.substr(sample.find('\n', begin));
}

// All diagnostics as a user reads them, without the name of the file; "" when there are none.
inline std::string refusal(const std::string& text) {
  const Result<Project> project = parse(text, "p.yaml", "/nowhere");
  std::string shown = project ? "" : base::render(project.error());
  const std::string file = "p.yaml:";
  for (std::size_t at = shown.find(file); at != std::string::npos; at = shown.find(file, at)) {
    shown.erase(at, file.size());
  }
  return shown;
}

struct DiagnosticCase {
  int line;              // Of the sample.
  const char* text;      // In its place.
  const char* expected;  // The diagnostics.
};

inline std::ostream& operator<<(std::ostream& out, const DiagnosticCase& one) {
  return out << "line " << one.line << " is '" << one.text << "'";
}

}  // namespace trimtab::project
