#include "project/limit_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/diagnostics.h"
#include "project/mapping_reader.h"

namespace trimtab::project {
namespace {

constexpr std::string_view kApprovalExamples =
    "write it like 'approvals >= 1' or, for two different admins, 'approvals(admin) >= 2'";
constexpr std::string_view kGateExamples =
    "write it like 'auc >= 0.68', 'log_loss <= champion + 0.005' or 'slice(origin).auc >= 0.62'";
constexpr std::size_t kTextBytesMax = 400;
// Metrics whose gates are held against a number and never against the champion's figure.
constexpr std::string_view kAgainstNumbers[] = {"leakage", "robustness", "quarantined", "memory_mb",
                                                "size_mb", "flips",      "p99_ms"};

// Who may give approvals; the first unless something else is said.
constexpr std::string_view kApprovingRoles[] = {"approver", "admin"};
constexpr double kApprovalsMax = 20;

constexpr Metric kMetrics[] = {
    {.name = "auc", .task = Task::binary, .more_is_better = true, .most = 1},
    {.name = "log_loss", .task = Task::binary, .takes_zero = false},
    {.name = "brier", .task = Task::binary, .most = 1},
    {.name = "ece", .task = Task::binary, .most = 1},
    {.name = "accuracy", .task = Task::binary, .more_is_better = true, .most = 1},
    {.name = "rmse", .task = Task::regression},
    {.name = "mae", .task = Task::regression},
    {.name = "p99_ms", .task = std::nullopt, .in_slices = false, .takes_zero = false},
    {.name = "leakage", .task = std::nullopt, .in_health = false, .in_slices = false, .most = 1},
    {.name = "robustness", .task = std::nullopt, .in_health = false, .in_slices = false},
    {.name = "quarantined", .task = std::nullopt, .in_health = false, .in_slices = false, .most = 1},
    {.name = "memory_mb", .task = std::nullopt, .in_health = false, .in_slices = false, .takes_zero = false},
    {.name = "size_mb", .task = std::nullopt, .in_health = false, .in_slices = false, .takes_zero = false},
    {.name = "flips", .task = Task::binary, .in_health = false, .in_slices = false, .most = 1},
    {.name = kApprovals, .task = std::nullopt, .in_health = false, .in_slices = false},
    {.name = "demographic_parity_ratio",
     .task = Task::binary,
     .in_health = false,
     .of_groups = true,
     .more_is_better = true,
     .most = 1},
    {.name = "demographic_parity_difference",
     .task = Task::binary,
     .in_health = false,
     .of_groups = true,
     .most = 1},
    {.name = "equalized_odds", .task = Task::binary, .in_health = false, .of_groups = true, .most = 1},
    {.name = "equal_opportunity", .task = Task::binary, .in_health = false, .of_groups = true, .most = 1},
    {.name = "freshness", .task = std::nullopt, .in_gates = false, .takes_zero = false},
    {.name = "errors", .task = std::nullopt, .in_gates = false, .most = 1},
};

bool is_word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Walks over the text and knows where it is, so that an error points at the very word.
class LimitScanner {
 public:
  LimitScanner(const std::string& subject, const std::string& text, const SourceRange& where,
               std::string hint)
      : subject_(subject), text_(text), where_(where), hint_(std::move(hint)) {}

  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  bool at_end() {
    skip_blanks();
    return at_ == text_.size();
  }
  bool take(std::string_view token) {
    skip_blanks();
    if (!std::string_view(text_).substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  std::string_view take_word() {
    skip_blanks();
    const std::size_t start = at_;
    while (at_ < text_.size() && is_word_character(text_[at_])) ++at_;
    return std::string_view(text_).substr(start, at_ - start);
  }
  std::string take_until(char end) {
    skip_blanks();
    const std::size_t stop = std::min(text_.find(end, at_), text_.size());
    std::string taken = text_.substr(at_, stop - at_);
    at_ = stop;
    taken.erase(taken.find_last_not_of(" \t") + 1);
    return taken;
  }
  // A number without a sign.
  std::optional<double> take_number() {
    skip_blanks();
    // from_chars would also take a sign, "inf" and "nan".
    if (text_.find_first_of("0123456789.", at_) != at_) return std::nullopt;
    double value = 0;
    const char* begin = text_.data() + at_;
    const auto [end, failure] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (failure != std::errc()) return std::nullopt;
    at_ += static_cast<std::size_t>(end - begin);
    return value;
  }

  std::size_t at() const { return at_; }
  void back_to(std::size_t at) { at_ = at; }

  Error error(const std::string& message, ErrorCode code = ErrorCode::invalid, std::string hint = "") const {
    SourceRange where = where_;
    where.column += static_cast<int>(at_);
    return Error{code, subject_ + message, hint.empty() && code == ErrorCode::invalid ? hint_ : hint, where,
                 nullptr};
  }
  Error found_instead_of(std::string_view wanted) {
    const bool ended = at_end();
    const std::string found = ended ? "the end" : in_quotes(next_token());
    return error(": found " + found + " where " + std::string(wanted) + " is wanted");
  }

 private:
  std::string_view next_token() const {
    const auto kind = [](char c) {
      if (c == ' ' || c == '\t') return 0;
      return is_word_character(c) || c == '.' ? 1 : 2;
    };
    std::size_t end = at_;
    while (end < text_.size() && kind(text_[end]) == kind(text_[at_])) ++end;
    return std::string_view(text_).substr(at_, end - at_);
  }

  const std::string& subject_;
  const std::string& text_;
  const SourceRange& where_;
  std::string hint_;
  std::size_t at_ = 0;
};

// True for ">=". A metric has one side on which it is good: the other is refused.
Result<bool> scan_comparison(LimitScanner& scanner, const Metric& metric) {
  scanner.skip_blanks();
  const std::size_t start = scanner.at();
  const bool at_least = scanner.take(">=");
  if (!at_least && !scanner.take("<=")) return fail(scanner.found_instead_of("'>=' or '<='"));
  if (at_least == metric.more_is_better) return at_least;
  scanner.back_to(start);
  return fail(scanner.error(std::string(": '") + (at_least ? ">=" : "<=") + "' is the wrong way round, " +
                                (at_least ? "less" : "more") + " of " + in_quotes(metric.name) + " is better",
                            ErrorCode::invalid, std::string("write ") + (at_least ? "'<='" : "'>='")));
}

std::string whole(double value) { return std::to_string(static_cast<std::int64_t>(value)); }

std::string values_of(const Metric& metric) {
  const std::string name = in_quotes(metric.name);
  if (std::isfinite(metric.most)) return name + " goes from 0 to " + whole(metric.most);
  return name + (metric.takes_zero ? " is never below 0" : " is always above 0");
}

// Refuses a limit that decides nothing: one that no model can keep, or that none can break. With a champion
// `limit` is by how much the champion's own value is passed. The scanner stands at the number.
Status check_sense(LimitScanner& scanner, const Metric& metric, double limit, bool against_champion) {
  const double most = metric.most;
  bool never_holds = limit < 0 || (limit == 0 && !metric.takes_zero);
  bool never_fails = limit >= most;
  if (against_champion) {
    const double gain = metric.more_is_better ? limit : -limit;
    never_holds = gain >= most;
    never_fails = -gain >= most;
  } else if (metric.more_is_better) {
    never_holds = limit > most;
    never_fails = limit <= 0;
  }
  if (!never_holds && !never_fails) return {};
  return fail(
      scanner.error(std::string(never_holds ? " can never hold: " : " never fails: ") + values_of(metric),
                    ErrorCode::invalid,
                    against_champion      ? "the distance to the champion is less than that"
                    : std::isfinite(most) ? "a limit between 0 and " + whole(most) + " decides something"
                                          : "a limit above 0 decides something"));
}

// What stands before the metric: nothing, slice(column) or fairness(column).
Status scan_slice(LimitScanner& scanner, Gate& gate) {
  const std::size_t start = scanner.at();
  const std::string_view word = scanner.take_word();
  if (!scanner.take("(")) {
    scanner.back_to(start);
    return {};
  }
  gate.fairness = word == "fairness";
  if (word != "slice" && !gate.fairness) {
    scanner.back_to(start);
    return fail(scanner.error(": " + in_quotes(word) + " takes no brackets, only slice and fairness do"));
  }
  gate.slice = scanner.take_until(')');
  if (gate.slice.empty() || !is_column_name(gate.slice)) return fail(scanner.found_instead_of("a column"));
  if (!scanner.take(")")) return fail(scanner.found_instead_of("')'"));
  if (!scanner.take(".")) return fail(scanner.found_instead_of("'.' and a metric"));
  return {};
}

Result<std::string> scan_metric(LimitScanner& scanner, const Gate& gate) {
  std::vector<std::string> names;
  for (const Metric& metric : kMetrics) {
    const bool fits = gate.slice.empty() || gate.fairness || metric.in_slices;
    if (metric.in_gates && fits && metric.of_groups == gate.fairness) names.emplace_back(metric.name);
  }
  scanner.skip_blanks();
  const std::size_t start = scanner.at();
  const std::string word(scanner.take_word());
  if (std::ranges::count(names, word) > 0) return word;
  scanner.back_to(start);
  if (word.empty()) return fail(scanner.found_instead_of("a metric"));
  std::string hint = base::did_you_mean(word, names);
  if (hint.empty()) {
    hint = "metrics are: " + list_of(names);
  }
  const std::string place = gate.fairness ? "fairness" : gate.slice.empty() ? "a gate" : "a slice";
  return fail(scanner.error(": " + in_quotes(word) + " is no metric of " + place, ErrorCode::invalid, hint));
}

Status scan_threshold(LimitScanner& scanner, Gate& gate) {
  const std::size_t start = scanner.at();
  if (scanner.take_word() == "champion") {
    gate.against_champion = true;
    if (scanner.at_end()) return {};
    const bool minus = scanner.take("-");
    if (!minus && !scanner.take("+")) return fail(scanner.found_instead_of("'+' or '-'"));
    const std::optional<double> number = scanner.take_number();
    if (!number) return fail(scanner.found_instead_of("a number"));
    gate.threshold = minus ? -*number : *number;
    return {};
  }
  scanner.back_to(start);
  const bool minus = scanner.take("-");
  const std::optional<double> number = scanner.take_number();
  if (!number) return fail(scanner.found_instead_of("a number or 'champion'"));
  gate.threshold = minus ? -*number : *number;
  return {};
}

// "approvals >= 1" and "approvals(admin) >= 2": so many different people, each with at least that role.
// False: it is another gate.
Result<bool> scan_approvals(LimitScanner& scanner, Gate& gate) {
  const std::size_t start = scanner.at();
  if (scanner.take_word() != kApprovals) {
    scanner.back_to(start);
    return false;
  }
  gate.metric = kApprovals;
  gate.by = kApprovingRoles[0];
  if (scanner.take("(")) {
    scanner.skip_blanks();
    const std::size_t role_at = scanner.at();
    gate.by = scanner.take_until(')');
    if (std::ranges::count(kApprovingRoles, gate.by) == 0) {
      scanner.back_to(role_at);
      return fail(scanner.error(": " + in_quotes(gate.by) + " is no role that approves", ErrorCode::invalid,
                                "approver and admin do"));
    }
    if (!scanner.take(")")) return fail(scanner.found_instead_of("')'"));
  }
  if (!scanner.take(">=")) return fail(scanner.found_instead_of("'>='"));
  scanner.skip_blanks();
  const std::size_t number_at = scanner.at();
  const std::optional<double> number = scanner.take_number();
  const bool fits = number && *number >= 1 && *number <= kApprovalsMax && *number == std::floor(*number);
  if (!fits) scanner.back_to(number_at);
  if (!fits) return fail(scanner.found_instead_of("a number of people from 1 to 20"));
  gate.threshold = *number;
  if (!scanner.at_end()) return fail(scanner.found_instead_of("the end"));
  return true;
}

}  // namespace

std::span<const Metric> metrics() { return kMetrics; }

const Metric* find_metric(std::string_view name) {
  const Metric* found = std::ranges::find(kMetrics, name, &Metric::name);
  return found == std::end(kMetrics) ? nullptr : found;
}

Result<Gate> parse_gate(const std::string& text, const SourceRange& where) {
  const std::string subject = "gate " + in_quotes(text);
  const bool is_approval = text.find(kApprovals) == text.find_first_not_of(" \t");
  LimitScanner scanner(subject, text, where, std::string(is_approval ? kApprovalExamples : kGateExamples));
  if (text.size() > kTextBytesMax) return fail(scanner.error(" is longer than 400 bytes"));
  Gate gate;
  gate.text = text;
  gate.where = where;
  if (TRY(scan_approvals(scanner, gate))) return gate;
  TRY(scan_slice(scanner, gate));
  gate.metric = TRY(scan_metric(scanner, gate));
  const Metric& metric = *find_metric(gate.metric);
  gate.at_least = TRY(scan_comparison(scanner, metric));
  const std::size_t threshold_at = scanner.at();
  TRY(scan_threshold(scanner, gate));
  if (!scanner.at_end()) return fail(scanner.found_instead_of("the end"));
  if (gate.against_champion && (gate.fairness || std::ranges::count(kAgainstNumbers, gate.metric) > 0)) {
    scanner.back_to(threshold_at);
    scanner.skip_blanks();
    return fail(scanner.error(": '" + gate.metric + "' is held against a number, not against the champion"));
  }
  scanner.back_to(threshold_at);
  scanner.skip_blanks();
  TRY(check_sense(scanner, metric, gate.threshold, gate.against_champion));
  return gate;
}

Result<HealthLimit> parse_health_limit(const std::string& metric, const std::string& text,
                                       const SourceRange& where) {
  const Metric* known = find_metric(metric);
  CHECK(known != nullptr && known->in_health);
  const std::string subject = "health limit " + in_quotes(metric + ": " + text);
  const bool is_duration = metric == "freshness";
  const bool is_share = metric == "errors";
  const std::string_view value = is_duration             ? "<= 7d"
                                 : is_share              ? "<= 0.1%"
                                 : known->more_is_better ? ">= 0.66"
                                                         : "<= 0.5";
  LimitScanner scanner(subject, text, where,
                       "write it like '" + metric + ": \"" + std::string(value) + "\"'");
  if (text.size() > kTextBytesMax) return fail(scanner.error(" is longer than 400 bytes"));
  HealthLimit limit;
  limit.metric = metric;
  limit.text = text;
  limit.where = where;
  limit.at_least = TRY(scan_comparison(scanner, *known));
  scanner.skip_blanks();
  const std::size_t start = scanner.at();
  const std::string rest = scanner.take_until('\0');
  scanner.back_to(start);
  if (is_duration) {
    const Result<TimeUs> duration = base::parse_duration(rest);
    if (!duration) return fail(scanner.found_instead_of("a duration"));
    limit.threshold = static_cast<double>(*duration) / static_cast<double>(base::kSecondUs);
  } else if (is_share) {
    const std::optional<double> share = share_of_text(rest);
    if (!share || *share < 0 || *share > 1) return fail(scanner.found_instead_of("a share from 0% to 100%"));
    limit.threshold = *share;
  } else {
    const std::optional<double> number = scanner.take_number();
    if (!number) return fail(scanner.found_instead_of("a number"));
    if (!scanner.at_end()) return fail(scanner.found_instead_of("the end"));
    limit.threshold = *number;
  }
  scanner.back_to(start);
  TRY(check_sense(scanner, *known, limit.threshold, false));
  return limit;
}

}  // namespace trimtab::project
