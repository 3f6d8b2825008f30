#include "project/load_endpoints.h"

#include <charconv>
#include <sstream>

#include "project/limit_text.h"
#include "project/mapping_reader.h"

namespace trimtab::project {
namespace {

constexpr std::int64_t kRetrainsMax = 1000;
constexpr std::size_t kLimitBytesMax = 64;

// The words of a short text, such as "2 per week"; of anything else none.
std::vector<std::string> words_of(const YamlNode& node) {
  std::vector<std::string> words;
  if (node.kind != YamlNode::Kind::scalar || node.scalar.size() > kLimitBytesMax) return words;
  std::istringstream text(node.scalar);
  for (std::string word; text >> word;) words.push_back(word);
  return words;
}

std::optional<std::int64_t> count_of(const std::string& word) {
  std::int64_t count = 0;
  const auto [end, failure] = std::from_chars(word.data(), word.data() + word.size(), count);
  if (failure != std::errc() || end != word.data() + word.size() || count < 0) return std::nullopt;
  return count;
}

void read_batch(const YamlNode& node, Endpoint& endpoint, Diagnostics& diagnostics) {
  const std::vector<std::string> words = words_of(node);
  const Result<TimeUs> duration = base::parse_duration(words.size() == 1 ? words[0] : "");
  const bool names_rows = words.size() == 2 && (words[1] == "rows" || words[1] == "row");
  const std::optional<std::int64_t> rows = names_rows ? count_of(words[0]) : std::nullopt;
  if (duration && *duration > 0) {
    endpoint.batch_duration = *duration;
  } else if (rows && *rows > 0) {
    endpoint.batch_rows = *rows;
  } else if (duration || rows) {
    diagnostics.add(node.where, "'batch' is " + in_quotes(node.scalar) + ", more than nothing is wanted");
  } else {
    add_wrong(node, "'batch'", wanted(Form::batch), diagnostics);
  }
}

void read_retrains(const YamlNode& node, Heal& heal, Diagnostics& diagnostics) {
  static const std::map<std::string, int> kDays = {{"day", 1}, {"week", 7}, {"month", 30}};
  const std::vector<std::string> words = words_of(node);
  const bool fits = words.size() == 3 && words[1] == "per" && kDays.contains(words[2]);
  const std::optional<std::int64_t> count = fits ? count_of(words[0]) : std::nullopt;
  if (!count) {
    add_wrong(node, "'retrains'", wanted(Form::retrains), diagnostics, "N per day, week or month");
  } else if (*count > kRetrainsMax) {
    diagnostics.add(node.where, "'retrains' is " + words[0] + ", at most 1000 are taken");
  } else {
    heal.retrains_max = static_cast<int>(*count);
    heal.retrains_window = kDays.at(words[2]) * base::kDayUs;
  }
}

void read_poison_budget(const YamlNode& node, Heal& heal, Diagnostics& diagnostics) {
  const Key& key = *kHealKeys.find("poison_budget");
  const std::vector<std::string> words = words_of(node);
  const bool fits =
      words.size() == 1 || (words.size() == 2 && (words[1] == "batches" || words[1] == "batch"));
  const std::optional<std::int64_t> count = fits ? count_of(words[0]) : std::nullopt;
  if (!count) {
    add_wrong(node, "'poison_budget'", wanted(Form::budget), diagnostics);
  } else if (!key.range.contains(static_cast<double>(*count))) {
    diagnostics.add(node.where,
                    "'poison_budget' is " + words[0] + ", " + wanted_in_range(key) + " is wanted");
  } else {
    heal.poison_budget = static_cast<int>(*count);
  }
}

void read_health(const MappingReader& endpoint_reader, Endpoint& endpoint, Draft& draft) {
  const YamlNode* node = endpoint_reader.find("health");
  if (node == nullptr) return;
  const MappingReader reader(*node, node->where, "'health'", kHealthKeys, draft.diagnostics);
  for (const YamlNode::Entry& entry : reader.node().entries) {
    if (kHealthKeys.find(entry.key) == nullptr) continue;
    if (entry.value.kind != YamlNode::Kind::scalar) {
      add_wrong(entry.value, in_quotes(entry.key), wanted(Form::health_limit), draft.diagnostics);
      continue;
    }
    Result<HealthLimit> limit = parse_health_limit(entry.key, entry.value.scalar, text_place(entry.value));
    if (!limit) {
      draft.diagnostics.add(limit.error());
      continue;
    }
    const std::string subject = "health limit " + in_quotes(entry.key);
    draft.metric_uses.push_back({entry.key, endpoint.model, entry.key_where, subject});
    endpoint.health.push_back(std::move(*limit));
  }
}

Heal read_heal(const YamlNode& node, Diagnostics& diagnostics) {
  const MappingReader reader(node, node.where, "'heal'", kHealKeys, diagnostics);
  Heal heal;
  if (const auto mode = reader.choice("mode")) heal.mode = static_cast<HealMode>(*mode);
  if (const YamlNode* retrains = reader.find("retrains")) read_retrains(*retrains, heal, diagnostics);
  if (const YamlNode* budget = reader.find("poison_budget")) read_poison_budget(*budget, heal, diagnostics);
  return heal;
}

}  // namespace

void load_endpoint(const YamlNode::Entry& entry, Draft& draft) {
  const std::string what = "endpoint " + in_quotes(entry.key);
  const MappingReader reader(entry.value, entry.key_where, what, kEndpointKeys, draft.diagnostics);
  Endpoint endpoint;
  endpoint.name = entry.key;
  endpoint.where = entry.key_where;
  endpoint.model = reader.text("model");
  if (!endpoint.model.empty()) {
    draft.references.push_back(
        {Reference::Target::model, endpoint.model, reader.place_of("model"), what + " serves"});
  }
  if (const YamlNode* batch = reader.find("batch")) {
    read_batch(*batch, endpoint, draft.diagnostics);
  } else {
    endpoint.batch_duration = base::kDayUs;
  }
  read_health(reader, endpoint, draft);
  if (const YamlNode* heal = reader.find("heal")) endpoint.heal = read_heal(*heal, draft.diagnostics);
  draft.project.endpoints.push_back(std::move(endpoint));
}

}  // namespace trimtab::project
