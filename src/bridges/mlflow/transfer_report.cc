#include "bridges/mlflow/transfer_report.h"

#include <algorithm>
#include <cstdio>

namespace trimtab::bridges {

TransferCount& TransferReport::operator[](const std::string& kind) {
  if (!counts_.contains(kind)) order_.push_back(kind);
  return counts_[kind];
}

void TransferReport::leave_webhooks(std::int64_t count) {
  counts_["webhooks"].left = count;
  if (count > 0)
    note("webhooks are left behind: nobody gives out the secrets that they sign with; make them anew");
}

std::string TransferReport::to_text() const {
  char line[160];
  std::snprintf(line, sizeof line, "%-20s %12s %16s %12s\n", "", "brought", "there already", "left behind");
  std::string text = line;
  for (const std::string& kind : order_) {
    const TransferCount& count = counts_.at(kind);
    std::snprintf(line, sizeof line, "%-20s %12lld %16lld %12lld\n", kind.c_str(),
                  static_cast<long long>(count.brought), static_cast<long long>(count.known),
                  static_cast<long long>(count.left));
    text += line;
  }
  for (const auto& [sentence, times] : notes_) {
    text += "note: " + sentence + (times > 1 ? " (" + std::to_string(times) + " times)" : "") + "\n";
  }
  return text;
}

Json TransferReport::to_json() const {
  Json json = Json::object();
  for (const std::string& kind : order_) {
    const TransferCount& count = counts_.at(kind);
    std::string name = kind;
    std::replace(name.begin(), name.end(), ' ', '_');
    json.set(name, Json::object({{"brought", count.brought}, {"known", count.known}, {"left", count.left}}));
  }
  json.set("file_bytes", file_bytes);
  Json notes = Json::array();
  for (const auto& [sentence, times] : notes_) notes.push(sentence);
  return json.set("notes", std::move(notes)).set("text", to_text());
}

}  // namespace trimtab::bridges
