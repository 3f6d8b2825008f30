#include "app/verbs/drift_text.h"

#include <algorithm>
#include <cstdio>

namespace trimtab::app {
namespace {

// Characters, not bytes: names may be in any language.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// What moved most in a column.
std::string change_text(const Json& column) {
  const Json& largest = column["largest"];
  if (column.text_or("verdict") != "moved" || largest.is_null()) return "";
  std::string text = largest.text_or("value") + ": " + percent_text(largest.double_or("reference")) + " → " +
                     percent_text(largest.double_or("now"));
  if (!column["mean"].is_null())
    text += "; mean " + number_text("%.4g", column.double_or("reference_mean")) + " → " +
            number_text("%.4g", column.double_or("mean"));
  return text;
}

std::string audit_text(const Json& report) {
  std::string text;
  for (const Json& item : report["audit"].as_array()) {
    if (item.text_or("verdict") != "risen") continue;
    const std::string what = item.text_or("what");
    text += "  " + item.text_or("column") + ": " + percent_text(item.double_or("share")) +
            (what == "nulls"    ? " nulls"
             : what == "unseen" ? " texts that the reference does not have"
                                : " outside of the reference's range") +
            ", in the reference " + percent_text(item.double_or("reference")) + "\n";
  }
  return text.empty() ? "" : "What came in\n" + text;
}

}  // namespace

std::string number_text(const char* format, double value) {
  char text[48];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string percent_text(double share) { return number_text("%.1f %%", 100 * share); }

std::string drift_table(const std::vector<TableLine>& lines, std::size_t first_number,
                        std::size_t end_number) {
  std::vector<std::size_t> widths(lines.front().size());
  for (const TableLine& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], width_of(line[i]));
  }
  std::string text;
  for (const TableLine& line : lines) {
    std::string row;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const std::string blank(widths[i] - width_of(line[i]), ' ');
      row += "  " + (i >= first_number && i < end_number ? blank + line[i] : line[i] + blank);
    }
    text += row.substr(0, row.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

namespace {

// Each statistic beside what chance exceeds once in a hundred times.
std::string samples_text(const Json& samples) {
  if (samples.is_null()) return "";
  const Json& whole = samples["whole_rows"];
  std::string text = "  rows as a whole: mmd² " + number_text("%.5f", whole.double_or("mmd")) + ", p " +
                     number_text("%.3f", whole.double_or("p")) + ": " + whole.text_or("verdict") + "\n";
  if (samples["columns"].as_array().empty()) return text;
  std::vector<TableLine> lines = {
      {"unbinned", "KS", "floor", "W1", "floor", "energy", "floor", "CvM", "floor"}};
  for (const Json& column : samples["columns"].as_array()) {
    TableLine line = {column.text_or("name")};
    for (const char* name : {"kolmogorov_smirnov", "wasserstein", "energy", "cramer_von_mises"}) {
      line.push_back(number_text("%.4f", column[name].double_or("value")));
      line.push_back(number_text("%.4f", column[name].double_or("floor")));
    }
    lines.push_back(std::move(line));
  }
  return text + drift_table(lines, 1, 9);
}

}  // namespace

std::string rows_text(const Json& row_by_row) {
  if (row_by_row.is_null()) return "";
  std::string text = "Row by row\n  a classifier tells the rows apart: ";
  const Json& told = row_by_row["classifier"];
  const Json& auc = told["auc"];
  const std::string why = told.is_null() ? "" : told.text_or("reason", auc.text_or("reason"));
  if (auc["value"].is_null()) {
    text += "? (" + why + ")\n";
  } else {
    text += "auc " + number_text("%.4f", auc.double_or("value")) + ", by chance up to " +
            number_text("%.4f", told.double_or("floor")) + ": " + told.text_or("verdict");
    for (const Json& column : told["told_by"].as_array())
      text += ", " + column.text_or("column") + " " + percent_text(column.double_or("share"));
    text += "\n";
  }
  const Json& drift = row_by_row["attributions"];
  if (drift.is_null()) return text + samples_text(row_by_row["samples"]);
  text += "  what answers are made of: ";
  if (drift["ndcg"].is_null()) {
    return text + "? (" + drift.text_or("reason") + ")\n" + samples_text(row_by_row["samples"]);
  }
  return text + "ndcg " + number_text("%.4f", drift.double_or("ndcg")) + ", by chance down to " +
         number_text("%.4f", drift.double_or("floor")) + ": " + drift.text_or("verdict") + "\n" +
         samples_text(row_by_row["samples"]);
}

std::string columns_text(const Json& report) {
  std::vector<TableLine> lines = {{"column", "PSI", "by chance", "floor", "usual", "W1", "verdict", ""}};
  for (const Json& column : report["columns"].as_array()) {
    const Json& psi = column["statistics"]["psi"];
    TableLine line = {column.text_or("name"), "", "", "", "", "", column.text_or("verdict"),
                      change_text(column)};
    if (!psi.is_null()) {
      line[1] = number_text("%.4f", psi.double_or("value"));
      line[2] = number_text("%.4f", psi.double_or("expected"));
      line[3] = number_text("%.4f", psi.double_or("floor"));
    }
    if (!column["usual"].is_null()) line[4] = number_text("≤ %.4f", column["usual"].double_or("highest"));
    const Json& moved = column["statistics"]["wasserstein"];
    if (!moved.is_null()) line[5] = number_text("%.3f", moved.double_or("value"));
    lines.push_back(std::move(line));
  }
  std::string text = drift_table(lines, 1, 6) + audit_text(report);
  if (!report["not_compared"].is_array()) return text;
  for (const Json& column : report["not_compared"].as_array())
    text += "  not compared: " + column.text_or("name") + " (" + column.text_or("why") + ")\n";
  return text;
}

}  // namespace trimtab::app
