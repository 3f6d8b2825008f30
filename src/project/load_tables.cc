#include "project/load_tables.h"

#include "project/load_checks.h"
#include "project/load_steps.h"
#include "project/mapping_reader.h"

namespace trimtab::project {

void load_table(const base::YamlNode::Entry& entry, Draft& draft) {
  const MappingReader reader(entry.value, entry.key_where, "table " + in_quotes(entry.key), kTableKeys,
                             draft.diagnostics);
  Table table;
  table.name = entry.key;
  table.where = entry.key_where;
  table.from = reader.text("from");
  if (!table.from.empty()) {
    const SourceRange where = reader.place_of("from");
    draft.table_from[table.name] = where;
    draft.references.push_back(
        {Reference::Target::source_or_table, table.from, where, "table " + in_quotes(table.name) + " reads"});
  }
  if (const YamlNode* clean = reader.find("clean")) table.clean = load_steps(*clean, draft);
  if (const YamlNode* checks = reader.find("checks")) table.checks = load_checks(*checks, draft.diagnostics);
  draft.project.tables.push_back(std::move(table));
}

}  // namespace trimtab::project
