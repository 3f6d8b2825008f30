#include <algorithm>
#include <array>
#include <cstdio>

#include "app/progress.h"
#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "flow/dataset_profile.h"
#include "project/load.h"

namespace trimtab::app {
namespace {

constexpr std::size_t kCellMax = 24;  // Characters; longer ones are cut.
using Line = std::array<std::string, 9>;

// Characters, not bytes: names and values may be in any language.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string cut(const std::string& text, std::size_t width = kCellMax) {
  if (width_of(text) <= width) return text;
  std::string shown;
  for (const char c : text) {
    const bool starts_character = (c & 0xC0) != 0x80;
    if (starts_character && width_of(shown) + 1 >= width) break;
    shown += c;
  }
  return shown + "…";
}

std::string number_text(const Json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return cut(value.as_string());
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value.as_double());
  return text;
}

std::string share_text(std::int64_t part, std::int64_t whole) {
  if (part == 0 || whole == 0) return "0";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * static_cast<double>(part) / static_cast<double>(whole));
  return text;
}

std::string top_text(const Json& column) {
  std::string text;
  std::size_t shown = 0;
  for (const Json& top : column["top"].as_array()) {
    if (++shown > 3) break;
    text += (text.empty() ? "" : ", ") + cut(top.text_or("value"), 16) + " (" + top["count"].dump() + ")";
  }
  return text;
}

std::vector<Line> lines_of(const Json& profile) {
  std::vector<Line> lines = {
      {"column", "type", "nulls", "distinct", "min", "median", "mean", "max", "most frequent"}};
  for (const Json& column : profile["columns"].as_array()) {
    lines.push_back({cut(column.text_or("name")), column.text_or("type"),
                     share_text(column.int_or("nulls"), column.int_or("rows")), column["distinct"].dump(),
                     number_text(column["min"]), number_text(column["p50"]), number_text(column["mean"]),
                     number_text(column["max"]), top_text(column)});
  }
  return lines;
}

std::string to_text(const Json& profile) {
  std::string text = profile.text_or("kind") + " " + profile.text_or("name") + ": " + profile["rows"].dump() +
                     " rows in " + profile["parts"].dump() +
                     (profile.int_or("parts") == 1 ? " part\n" : " parts\n");
  const std::vector<Line> lines = lines_of(profile);
  std::array<std::size_t, 9> widths{};
  for (const Line& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], width_of(line[i]));
  }
  for (const Line& line : lines) {
    std::string row;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const std::string blank(widths[i] - width_of(line[i]), ' ');
      const bool is_number = i >= 2 && i <= 7;
      row += "  " + (is_number ? blank + line[i] : line[i] + blank);
    }
    text += row.substr(0, row.find_last_not_of(' ') + 1) + "\n";
  }
  for (const Json& alert : profile["alerts"].as_array()) text += "  look at " + alert.as_string() + "\n";
  return text;
}

// Those that were asked for, else every table.
std::vector<std::string> names_for(const Arguments& arguments, const project::Project& project) {
  if (!arguments.name.empty()) return {arguments.name};
  std::vector<std::string> names;
  for (const project::Table& table : project.tables) names.push_back(table.name);
  return names;
}

Result<Json> profiles_of(const Arguments& arguments) {
  project::Project project = TRY(project::load(arguments.project));
  const std::string home = home_folder(arguments, project);
  TRY(expect_named_home(arguments, home));
  const std::vector<std::string> names = names_for(arguments, project);
  Json list = Json::array();
  if (std::optional<http::Client> server = TRY(find_running_server(home))) {
    for (const std::string& name : names) {
      list.push(TRY(ask(*server, "GET", "/api/v1/tables/" + as_path_step(name) + "/profile")));
    }
    return list;
  }
  const std::unique_ptr<Workbench> bench = TRY(open_workbench(home, std::move(project)));
  flow::Executor executor(*bench->home, bench->clock, bench->executor);
  ProgressPrinter progress(ProgressPrinter::style_for(arguments.json));
  for (const std::string& name : names) {
    list.push(TRY(flow::profile_dataset(bench->project, *bench->home, executor, progress, name)));
  }
  return list;
}

}  // namespace

Status profile_verb(const Arguments& arguments) {
  const Json profiles = TRY(profiles_of(arguments));
  std::string text;
  for (const Json& profile : profiles.as_array()) text += (text.empty() ? "" : "\n") + to_text(profile);
  if (text.empty()) text = "No table is declared.\n";
  print_report(arguments, text, Json::object({{"profiles", profiles}}));
  return {};
}

}  // namespace trimtab::app
