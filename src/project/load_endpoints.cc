#include "project/load_endpoints.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
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
    diagnostics.add(Error{ErrorCode::unsupported, "a batch of so many rows is not supported in this version",
                          "write a duration like 'batch: 1d'", node.where, nullptr});
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
  } else if (*count == 0) {
    diagnostics.add(node.where, "'retrains' is 0, so that nothing new could ever be learnt",
                    "'mode: suggest' asks a person before each training, 'mode: off' heals nothing");
  } else if (*count > kRetrainsMax) {
    diagnostics.add(node.where, "'retrains' is " + words[0] + ", at most 1000 are taken");
  } else {
    heal.retrains_max = static_cast<int>(*count);
    heal.retrains_window = kDays.at(words[2]) * base::kDayUs;
  }
}

// "3" or "3 batches".
std::optional<int> read_batches(const YamlNode& node, const Key& key, Diagnostics& diagnostics) {
  const std::vector<std::string> words = words_of(node);
  const bool fits =
      words.size() == 1 || (words.size() == 2 && (words[1] == "batches" || words[1] == "batch"));
  const std::optional<std::int64_t> count = fits ? count_of(words[0]) : std::nullopt;
  if (!count) {
    add_wrong(node, in_quotes(key.name), wanted(key.form), diagnostics);
  } else if (!key.range.contains(static_cast<double>(*count))) {
    diagnostics.add(node.where,
                    in_quotes(key.name) + " is " + words[0] + ", " + wanted_in_range(key) + " is wanted");
  } else {
    return static_cast<int>(*count);
  }
  return std::nullopt;
}

// The last step of a canary is all rows, which is what a champion has: it may be said or left out.
std::vector<double> read_canary(const YamlNode& node, Diagnostics& diagnostics) {
  const Key& key = *kRolloutKeys.find("canary");
  std::vector<double> shares;
  if (node.kind != YamlNode::Kind::sequence || node.items.empty()) {
    add_wrong(node, "'canary'", wanted(Form::shares), diagnostics);
    return shares;
  }
  for (const YamlNode& item : node.items) {
    const std::optional<double> share = read_share(item, key, diagnostics);
    if (!share) continue;
    if (!shares.empty() && *share <= shares.back()) {
      diagnostics.add(item.where, "'canary' has the share " + in_quotes(item.scalar) +
                                      ", more than the one before it is wanted");
    }
    shares.push_back(*share);
  }
  if (!shares.empty() && shares.back() == 1) shares.pop_back();
  return shares;
}

Rollout read_rollout(const YamlNode& node, Diagnostics& diagnostics) {
  const MappingReader reader(node, node.where, "'rollout'", kRolloutKeys, diagnostics);
  Rollout rollout;
  if (const YamlNode* shadow = reader.find("shadow")) {
    const std::vector<std::string> words = words_of(*shadow);
    if (words == std::vector<std::string>{"off"}) {
      rollout.shadow_batches = 0;
    } else if (words != std::vector<std::string>{"auto"}) {
      rollout.shadow_batches = read_batches(*shadow, *kRolloutKeys.find("shadow"), diagnostics);
    }
  }
  if (const YamlNode* canary = reader.find("canary")) rollout.canary = read_canary(*canary, diagnostics);
  rollout.key = reader.text("key");
  if (rollout.shadow_batches == 0 && rollout.canary.empty()) {
    diagnostics.add(node.where, "'rollout' has no step: its shadow is off, and no canary answers a part",
                    "leave it out, and what passes its gates answers at once");
  } else if (!rollout.key.empty() && rollout.canary.empty()) {
    diagnostics.add(reader.place_of("key"), "'key' says which rows a canary answers, and none is declared",
                    "add one like 'canary: [5%, 25%]', or leave 'key' out");
  }
  return rollout;
}

// "hash", "first 3", "round 0.5"; nothing for anything else.
std::optional<PrivateColumn> private_column_of(const std::vector<std::string>& words) {
  using How = PrivateColumn::How;
  static const std::map<std::string, How> kPlain = {{"drop", How::drop},   {"hash", How::hash},
                                                    {"hour", How::hour},   {"day", How::day},
                                                    {"month", How::month}, {"year", How::year}};
  PrivateColumn column;
  if (words.size() == 1 && kPlain.contains(words[0])) {
    column.how = kPlain.at(words[0]);
    return column;
  }
  if (words.size() != 2) return std::nullopt;
  const std::optional<std::int64_t> count = count_of(words[1]);
  if (words[0] == "first" && count && *count > 0 && *count <= 1000) {
    column.how = How::first;
    column.amount = static_cast<double>(*count);
    return column;
  }
  const std::string& text = words[1];
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), column.amount);
  const bool is_step = failure == std::errc() && end == text.data() + text.size() &&
                       std::isfinite(column.amount) && column.amount > 0;
  if (words[0] != "round" || !is_step) return std::nullopt;
  column.how = How::round;
  return column;
}

std::vector<PrivateColumn> read_privacy(const YamlNode& node, Diagnostics& diagnostics) {
  std::vector<PrivateColumn> columns;
  if (node.kind != YamlNode::Kind::mapping) {
    add_wrong(node, "'privacy'", wanted(Form::privacy), diagnostics);
    return columns;
  }
  std::map<std::string, SourceRange> seen;
  for (const YamlNode::Entry& entry : node.entries) {
    if (!is_new_column(entry.key, entry.key_where, "column", seen, diagnostics)) continue;
    std::optional<PrivateColumn> column = private_column_of(words_of(entry.value));
    if (!column) {
      add_wrong(entry.value, in_quotes(entry.key), "drop, hash, first N, round N, hour, day, month or year",
                diagnostics);
      continue;
    }
    column->column = entry.key;
    column->where = entry.key_where;
    columns.push_back(std::move(*column));
  }
  return columns;
}

LogRule read_log(const YamlNode& node, Diagnostics& diagnostics) {
  const MappingReader reader(node, node.where, "'log'", kLogKeys, diagnostics);
  LogRule rule;
  rule.sample = reader.share("sample", 1);
  rule.keep = reader.duration("keep");
  rule.columns = reader.columns("columns");
  if (const YamlNode* privacy = reader.find("privacy")) rule.privacy = read_privacy(*privacy, diagnostics);
  return rule;
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

bool has_port(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const std::optional<std::int64_t> port =
      colon == std::string::npos || colon == 0 ? std::nullopt : count_of(text.substr(colon + 1));
  return port && *port > 0 && *port <= 65535;
}

bool is_mail_address(const std::string& text) {
  const std::size_t at = text.find('@');
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 127 && c != '<' && c != '>' && c != '/';
  });
  return plain && at != std::string::npos && at > 0 && at + 1 < text.size() &&
         text.find('@', at + 1) == std::string::npos;
}

// As a shell has them.
bool is_variable_name(std::string_view text) {
  const auto is_inner = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !text.empty() && !(text[0] >= '0' && text[0] <= '9') && std::ranges::all_of(text, is_inner);
}

// An address with a host, or env: and the name of a variable.
bool is_webhook(std::string_view text) {
  if (text.starts_with("env:")) return is_variable_name(text.substr(4));
  const std::size_t scheme = text.starts_with("https://") ? 8 : text.starts_with("http://") ? 7 : 0;
  return scheme > 0 && text.size() > scheme && text[scheme] != '/' && text.find(' ') == text.npos;
}

// Nobody is told when it says `off`, as a backtest does.
std::optional<Notify> read_notify(const YamlNode& node, Diagnostics& diagnostics) {
  if (words_of(node) == std::vector<std::string>{"off"}) return std::nullopt;
  const MappingReader reader(node, node.where, "'notify'", kNotifyKeys, diagnostics);
  Notify notify;
  notify.where = node.where;
  notify.webhook = reader.text("webhook");
  notify.secret_env = reader.text("secret_env");
  notify.email = reader.text("email");
  notify.smtp = reader.text("smtp");
  if (node.kind == YamlNode::Kind::mapping && node.entries.empty()) {
    diagnostics.add(node.where, "'notify' names nobody",
                    "name a webhook, or email and smtp; 'notify: off' tells nobody");
  }
  if (!notify.webhook.empty() && !is_webhook(notify.webhook)) {
    diagnostics.add(reader.place_of("webhook"),
                    "'webhook' is " + in_quotes(notify.webhook) + ", an https address or env:NAME is wanted");
  }
  if (!notify.secret_env.empty() && notify.webhook.empty()) {
    diagnostics.add(reader.place_of("secret_env"), "'secret_env' signs a webhook, and none is named");
  }
  if (!notify.secret_env.empty() && !is_variable_name(notify.secret_env)) {
    diagnostics.add(reader.place_of("secret_env"), "'secret_env' is " + in_quotes(notify.secret_env) +
                                                       ", the name of an environment variable is wanted");
  }
  if (!notify.email.empty() && !is_mail_address(notify.email)) {
    diagnostics.add(reader.place_of("email"),
                    "'email' is " + in_quotes(notify.email) + ", an address like ops@example.com is wanted");
  }
  if (notify.email.empty() != notify.smtp.empty()) {
    diagnostics.add(node.where, "'email' and 'smtp' go together",
                    "name who gets the mail, and the relay that takes it as host:port");
  } else if (!notify.smtp.empty() && !has_port(notify.smtp)) {
    diagnostics.add(reader.place_of("smtp"),
                    "'smtp' is " + in_quotes(notify.smtp) + ", a relay like mail.example.com:25 is wanted");
  }
  return notify;
}

// What the mapping does not name stays as it is.
void read_heal(const YamlNode& node, Heal& heal, Diagnostics& diagnostics) {
  const MappingReader reader(node, node.where, "'heal'", kHealKeys, diagnostics);
  if (const auto mode = reader.choice("mode")) heal.mode = static_cast<HealMode>(*mode);
  if (const YamlNode* notify = reader.find("notify")) heal.notify = read_notify(*notify, diagnostics);
  if (const YamlNode* retrains = reader.find("retrains")) read_retrains(*retrains, heal, diagnostics);
  if (const YamlNode* budget = reader.find("poison_budget")) {
    const Key& key = *kHealKeys.find("poison_budget");
    heal.poison_budget = read_batches(*budget, key, diagnostics).value_or(heal.poison_budget);
  }
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
  if (const YamlNode* batch = reader.find("batch")) read_batch(*batch, endpoint, draft.diagnostics);
  read_health(reader, endpoint, draft);
  if (const YamlNode* heal = reader.find("heal")) read_heal(*heal, endpoint.heal, draft.diagnostics);
  if (const YamlNode* rollout = reader.find("rollout")) {
    endpoint.rollout = read_rollout(*rollout, draft.diagnostics);
  }
  if (const YamlNode* log = reader.find("log")) endpoint.log = read_log(*log, draft.diagnostics);
  if (const auto contract = reader.choice("contract")) endpoint.contract = static_cast<Contract>(*contract);
  endpoint.deadline = reader.duration("deadline");
  draft.project.endpoints.push_back(std::move(endpoint));
}

bool take_approvals_as_given(Project& project) {
  bool any = false;
  for (Model& model : project.models) {
    any = std::erase_if(model.gates, [](const Gate& gate) { return gate.metric == kApprovals; }) > 0 || any;
  }
  return any;
}

Status set_heal(Project& project, const std::string& setting) {
  constexpr std::string_view kPrefix = "heal.";
  const std::size_t equals = setting.find('=');
  if (!setting.starts_with(kPrefix) || equals == std::string::npos) {
    return fail(ErrorCode::invalid, in_quotes(setting) + " sets nothing",
                "as in heal.poison_budget=1, heal.mode=suggest or 'heal.retrains=1 per week'");
  }
  const std::string name = setting.substr(kPrefix.size(), equals - kPrefix.size());
  if (setting == "heal.approvals=given") {
    take_approvals_as_given(project);
    return {};
  }
  const YamlNode node = TRY(base::parse_yaml(name + ": " + setting.substr(equals + 1), "--set"));
  Diagnostics diagnostics;
  for (Endpoint& endpoint : project.endpoints) read_heal(node, endpoint.heal, diagnostics);
  if (!diagnostics.empty()) return fail(diagnostics.errors().front());
  return {};
}

}  // namespace trimtab::project
