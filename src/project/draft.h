// A project while it is being read: what is known so far, what is wrong with it, and which names still have
// to be found once everything is declared.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/diagnostics.h"
#include "project/project.h"

namespace trimtab::project {

struct Reference {
  enum class Target : std::uint8_t { source, source_or_table, table, model };
  Target target = Target::source;
  std::string name;
  SourceRange where;
  std::string sentence;  // "table 'departures' reads": the start of the message when there is no such thing.
};

// A use of a metric whose fitness is known when the task of its model is.
struct MetricUse {
  std::string metric;
  std::string model;
  SourceRange where;
  std::string subject;  // "gate 'rmse <= 5'"
};

struct Draft {
  Project project;
  base::Diagnostics diagnostics;
  std::vector<Reference> references;
  std::vector<MetricUse> metric_uses;
  // Places that only some checks over several parts of the file point at.
  std::map<std::string, SourceRange> table_from;   // table → the value of its `from`
  std::map<std::string, SourceRange> model_split;  // model → its `split`, or its name when there is none
  // Models whose task could be read. About others nothing more is said.
  std::map<std::string, Task> tasks;
  // Sections that are no mappings: nobody knows what they were to declare, so no name is called unknown.
  bool sources_broken = false;
  bool tables_broken = false;
  bool models_broken = false;
};

}  // namespace trimtab::project
