#include "app/verbs/drift_text.h"
#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "heal/row_view.h"
#include "heal/watch_view.h"
#include "project/load.h"

namespace trimtab::app {
namespace {

std::string figure_text(const Json& figure) {
  if (figure["value"].is_null()) return "? (" + figure.text_or("reason") + ")";
  return number_text("%.4f", figure.double_or("value")) + " (" +
         number_text("%.4f", figure.double_or("low")) + " to " +
         number_text("%.4f", figure.double_or("high")) + ")";
}

std::string expected_text(const Json& report) {
  std::string text;
  for (const auto& [name, figure] : report["expected"].as_object())
    text += (text.empty() ? "" : ", ") + name + " " + figure_text(figure);
  text = "Expected of these answers, if they come true as in training (not measured)\n  " + text + "\n";
  const Json& shift = report["label_shift"];
  if (!shift["rate"]["value"].is_null()) {
    text += "  share of positives " + figure_text(shift["rate"]) + ", in training " +
            number_text("%.4f", shift.double_or("reference")) + "\n";
  }
  return text;
}

std::string realised_text(const Json& report) {
  const Json& realised = report["realised"];
  std::string text = "Measured on " + realised["labels"].dump() + " labels";
  if (!realised["labelled_share"].is_null())
    text += ", " + percent_text(realised.double_or("labelled_share")) + " of the window";
  if (!realised["complete_until"].is_null()) text += "; complete until " + realised.text_or("complete_until");
  text += "\n";
  if (realised.int_or("labels") == 0) return text;
  if (!realised["auc"].is_null()) text += "  auc " + figure_text(realised["auc"]) + "\n";
  const bool binary = !realised["auc"].is_null();
  std::vector<TableLine> lines;
  lines.push_back(binary ? TableLine{"slice", "labels", "brier", "low", "high", "truth", "said"}
                         : TableLine{"slice", "labels", "mae", "low", "high", "rmse", "bias"});
  std::vector<Json> slices = {realised["overall"]};
  for (const Json& slice : realised["slices"].as_array()) slices.push_back(slice);
  for (const Json& slice : slices) {
    const Json& loss = slice[binary ? "brier" : "mae"];
    const double fifth = binary ? slice["rate"].double_or("value") : slice.double_or("rmse");
    lines.push_back({slice.text_or("name"), slice["labels"].dump(),
                     number_text("%.4f", loss.double_or("value")), number_text("%.4f", loss.double_or("low")),
                     number_text("%.4f", loss.double_or("high")), number_text("%.4f", fifth),
                     number_text("%.4f", slice.double_or(binary ? "mean_score" : "bias"))});
  }
  text += drift_table(lines, 1, 7);
  for (const Json& off :
       report["calibration"]["off"].is_array() ? report["calibration"]["off"].as_array() : Json::Array{}) {
    text += "  look at " + off.text_or("slice") + ": the truth lies " + off.text_or("truth_is") + "\n";
  }
  return text;
}

std::string to_text(const Json& report) {
  const Json& window = report["window"];
  std::string text = report.text_or("endpoint") + ", version " + report["version"].dump() + " since " +
                     report.text_or("serving_since") + ": " + report.text_or("health") + "\n" +
                     window["rows"].dump() + " rows from " + window.text_or("from") + " to " +
                     window.text_or("to") + ", against " + report["reference"].text_or("says") + "\n";
  if (!report["last_row"].is_null()) text += "last row " + report.text_or("last_row");
  if (const Json& traffic = report["traffic"]; !traffic.is_null()) {
    text += "; " + traffic["requests"].dump() + " requests, " + traffic["errors"].dump() + " refused, p99 " +
            traffic["latency_us_p99"].dump() + " µs";
  }
  if (text.back() != '\n') text += "\n";
  return text + columns_text(report) + rows_text(report["row_by_row"]) + expected_text(report) +
         realised_text(report);
}

std::string query_text(const Arguments& arguments) {
  std::string query;
  const auto add = [&query](const char* name, const std::string& value) {
    if (!value.empty()) query += (query.empty() ? "?" : "&") + std::string(name) + "=" + as_path_step(value);
  };
  add("window", arguments.window);
  add("against", arguments.against);
  if (arguments.as_of) add("as_of", base::format_time(*arguments.as_of));
  if (arguments.row_by_row) add("rows", "true");
  return query;
}

Result<Json> look_here(const Arguments& arguments) {
  const auto given = [](const std::string& text) {
    return text.empty() ? std::nullopt : std::optional(text);
  };
  const watch::WatchQuery query =
      TRY(watch::read_watch_query(given(arguments.window), given(arguments.against)));
  const std::unique_ptr<Workbench> bench = TRY(open_workbench(arguments));
  const registry::EndpointFacts facts = TRY(registry::find_endpoint(*bench->home, arguments.name));
  const TimeUs now = arguments.as_of.value_or(bench->clock.now());
  const project::Endpoint* declared = bench->project.find_endpoint(arguments.name);
  const std::unique_ptr<serve::Privacy> privacy =
      TRY(heal::open_privacy(declared != nullptr ? declared->log : project::LogRule(), *bench->home));
  const std::unique_ptr<watch::Watcher> watcher =
      TRY(heal::watcher_from_log(*bench->home, facts, now, {*bench->engine, privacy.get()}));
  Json report = TRY(heal::watch_view(facts, *watcher, query, now));
  if (!arguments.row_by_row) return report;
  const std::unique_ptr<serve::PredictionLog> log =
      TRY(serve::PredictionLog::open(bench->home->log_folder() / facts.name));
  return report.set("row_by_row", TRY(heal::row_view(*bench->home, facts, *log, query, now,
                                                     {*bench->engine, privacy.get()})));
}

}  // namespace

Status watch_verb(const Arguments& arguments) {
  const std::string home = home_folder(arguments, TRY(project::load(arguments.project)));
  TRY(expect_named_home(arguments, home));
  std::optional<http::Client> server = TRY(find_running_server(home));
  const std::string path = "/api/v1/endpoints/" + as_path_step(arguments.name) + "/watch";
  const Json report = TRY(server ? ask(*server, "GET", path + query_text(arguments)) : look_here(arguments));
  print_report(arguments, to_text(report), report);
  return {};
}

}  // namespace trimtab::app
