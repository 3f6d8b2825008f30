#include "project/load_sources.h"

#include <algorithm>

#include "project/mapping_reader.h"

namespace trimtab::project {
namespace {

constexpr std::size_t kZoneBytesMax = 80;

// Only the form is known here: which zones exist is known by the engine that reads the files.
bool looks_like_zone(const std::string& text) {
  const auto is_inner = [](char c) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return is_letter || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '+' || c == '/';
  };
  const bool has_city =
      text.find('/') != std::string::npos && text.find("//") == std::string::npos && text.back() != '/';
  return text == "UTC" || (has_city && text.size() <= kZoneBytesMax && text[0] >= 'A' && text[0] <= 'Z' &&
                           std::all_of(text.begin(), text.end(), is_inner));
}

void read_zone(const MappingReader& reader, Source& source, base::Diagnostics& diagnostics) {
  const YamlNode* zone = reader.find("time_zone");
  if (zone == nullptr) return;
  if (zone->kind == YamlNode::Kind::scalar && looks_like_zone(zone->scalar)) {
    source.time_zone = zone->scalar;
  } else {
    add_wrong(*zone, "'time_zone'", wanted(Form::zone), diagnostics,
              "offsets and short names like EST do not know about summer time");
  }
}

// An address, which a later version may read, would otherwise be looked for as a file.
void check_pattern(const Source& source, base::Diagnostics& diagnostics) {
  const std::size_t scheme = source.read.find("://");
  if (scheme == std::string::npos) return;
  const std::string start = in_quotes(source.read.substr(0, scheme + 3));
  add_unsupported(source.read_where, "reading from " + start, diagnostics);
}

}  // namespace

void load_source(const base::YamlNode::Entry& entry, Draft& draft) {
  const MappingReader reader(entry.value, entry.key_where, "source " + in_quotes(entry.key), kSourceKeys,
                             draft.diagnostics);
  Source source;
  source.name = entry.key;
  source.where = entry.key_where;
  source.read = reader.text("read");
  source.read_where = reader.place_of("read");
  check_pattern(source, draft.diagnostics);
  if (reader.has("nulls")) source.nulls = reader.texts("nulls");
  read_zone(reader, source, draft.diagnostics);
  source.columns = reader.expressions("columns");
  source.time = reader.text("time");
  source.bad_rows = reader.share("bad_rows", kBadRows);
  source.time_where = reader.place_of("time");
  draft.project.sources.push_back(std::move(source));
}

}  // namespace trimtab::project
