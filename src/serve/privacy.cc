#include "serve/privacy.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <utility>
#include <variant>

#include "base/diagnostics.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/hmac.h"
#include "base/id.h"
#include "table/stages.h"

namespace trimtab::serve {
namespace {

namespace fs = std::filesystem;
using project::PrivateColumn;
using How = PrivateColumn::How;

constexpr int kPrivateFile = 0600;
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kHashBytes = 16;  // 128 bits: two values that share one are not to be expected.

bool cuts_time(How how) { return how >= How::hour; }

// The beginning of the hour, day, month or year, in UTC.
TimeUs cut_time(TimeUs time, How how) {
  const std::string text = base::format_time(time);  // 2013-01-09T15:04:05Z
  const std::size_t kept = how == How::year ? 4 : how == How::month ? 7 : how == How::day ? 10 : 13;
  constexpr std::string_view kBeginning = "0000-01-01T00:00:00Z";
  if (text.size() < kBeginning.size()) return 0;
  return base::parse_time(text.substr(0, kept) + std::string(kBeginning.substr(kept))).value_or(0);
}

double round_to(double value, double step) {
  const double rounded = std::round(value / step) * step;
  return std::isfinite(rounded) ? rounded : std::numeric_limits<double>::quiet_NaN();
}

// The first characters, not bytes.
std::string first_of(const std::string& text, double characters) {
  std::size_t end = 0;
  for (double seen = 0; end < text.size(); ++end) {
    const bool begins_one = (text[end] & 0xC0) != 0x80;
    if (begins_one && ++seen > characters) break;
  }
  return text.substr(0, end);
}

}  // namespace

Result<std::string> open_privacy_key(const fs::path& home) {
  const fs::path file = home / "privacy_key";
  Result<std::string> read = base::read_file(file, 4096);
  if (!read && read.error().code != ErrorCode::not_found) return fail(read.error());
  if (!read) {
    std::string fresh = base::random_hex(kKeyBytes);
    TRY(base::write_file_durably(file, fresh + "\n", kPrivateFile));
    return fresh;
  }
  while (!read->empty() && read->back() == '\n') read->pop_back();
  if (base::is_sha256(*read)) return read;  // The same shape: 64 hexadecimal digits.
  return fail(ErrorCode::storage_broken,
              "'" + file.string() + "' does not hold a key of 64 hexadecimal digits",
              "restore it; without it, remove it: values hashed from then on have other hashes");
}

struct Privacy::State {
  std::vector<PrivateColumn> columns;
  std::string key;

  enum class OfFeature : std::uint8_t { kept, rounded, withheld };
  struct Version {
    std::vector<OfFeature> features;
    std::vector<double> steps;  // Of the rounded ones.
    std::optional<How> event_time;
  };
  mutable std::shared_mutex mutex;
  std::map<std::int64_t, Version> versions;

  const PrivateColumn* find(const std::string& column) const {
    for (const PrivateColumn& one : columns) {
      if (one.column == column) return &one;
    }
    return nullptr;
  }
  std::optional<Json> treated(const PrivateColumn& how, const Json& value) const;
  Status expect_known(const model::Recipe& recipe) const;
  bool is_rounded_itself(const model::Recipe& recipe, const std::string& feature) const;
};

// Nothing: the value is not kept.
std::optional<Json> Privacy::State::treated(const PrivateColumn& rule, const Json& value) const {
  if (rule.how == How::drop) return std::nullopt;
  if (rule.how == How::hash) {
    const std::string text = rule.column + '\0' + (value.is_string() ? value.as_string() : value.dump());
    const std::string code = base::hmac_sha256(key, text);
    return Json(base::to_hex({reinterpret_cast<const unsigned char*>(code.data()), kHashBytes}));
  }
  if (rule.how == How::round) {
    if (!value.is_number()) return std::nullopt;
    const double rounded = round_to(value.as_double(), rule.amount);
    if (!std::isfinite(rounded)) return std::nullopt;
    // A whole number stays one, as its column wants it.
    constexpr double kExact = 9e15;
    if (value.is_int() && rounded == std::floor(rounded) && std::abs(rounded) < kExact)
      return Json(static_cast<std::int64_t>(rounded));
    return Json(rounded);
  }
  if (!value.is_string()) return std::nullopt;
  if (rule.how == How::first) return Json(first_of(value.as_string(), rule.amount));
  const Result<TimeUs> time = base::parse_time(value.as_string());
  if (!time) return std::nullopt;
  return Json(base::format_time(cut_time(*time, rule.how)));
}

Privacy::Privacy(std::vector<PrivateColumn> columns, std::string key) : state_(std::make_unique<State>()) {
  state_->columns = std::move(columns);
  state_->key = std::move(key);
}
Privacy::~Privacy() = default;

std::string Privacy::treat_request(const std::string& request_json) const {
  const Result<Json> request = base::parse_json(request_json);
  if (!request || !request->is_object()) return "{}";
  Json kept = Json::object();
  for (const auto& [name, value] : request->as_object()) {
    const PrivateColumn* rule = state_->find(name);
    if (rule == nullptr) kept.set(name, value);
    if (rule == nullptr || value.is_null()) continue;
    if (std::optional<Json> treated = state_->treated(*rule, value)) kept.set(name, std::move(*treated));
  }
  return kept.dump();
}

void Privacy::treat(model::Prediction& prediction) const {
  prediction.request_json = treat_request(prediction.request_json);
  const std::shared_lock lock(state_->mutex);
  const auto version = prediction.scores.empty() ? state_->versions.end()
                                                 : state_->versions.find(prediction.scores.front().version);
  const bool is_known =
      version != state_->versions.end() && version->second.features.size() == prediction.features.size();
  for (std::size_t i = 0; i < prediction.features.size(); ++i) {
    double& value = prediction.features[i];
    const State::OfFeature how = is_known ? version->second.features[i] : State::OfFeature::withheld;
    if (how == State::OfFeature::withheld) value = std::numeric_limits<double>::quiet_NaN();
    if (how == State::OfFeature::rounded && std::isfinite(value))
      value = round_to(value, version->second.steps[i]);
  }
  if (!is_known || version->second.event_time == std::nullopt) return;
  const How how = *version->second.event_time;
  prediction.event_time = cuts_time(how) ? cut_time(prediction.event_time, how) : prediction.received;
}

Status Privacy::State::expect_known(const model::Recipe& recipe) const {
  std::vector<std::string> known = recipe.request.names();
  known.insert(known.end(), recipe.ignored.begin(), recipe.ignored.end());
  if (!recipe.time_column.empty()) known.push_back(recipe.time_column);
  for (const table::Stage& stage : recipe.stages) {
    if (const auto* lookup = std::get_if<table::LookupStage>(&stage))
      known.insert(known.end(), lookup->lookup.select.begin(), lookup->lookup.select.end());
  }
  for (const PrivateColumn& column : columns) {
    if (std::find(known.begin(), known.end(), column.column) != known.end()) continue;
    // Left alone, a slip of the pen would write down what was to be kept out.
    Error error{ErrorCode::invalid,
                "'privacy' names the column '" + column.column + "', which no request has",
                base::did_you_mean(column.column, known), column.where, nullptr};
    return fail(std::move(error));
  }
  return {};
}

// The feature is the private column as it was sent, and that is rounded.
bool Privacy::State::is_rounded_itself(const model::Recipe& recipe, const std::string& feature) const {
  const PrivateColumn* rule = find(feature);
  if (rule == nullptr || rule->how != How::round || !recipe.request.find(feature)) return false;
  return std::none_of(recipe.stages.begin(), recipe.stages.end(), [&](const table::Stage& stage) {
    const auto* derive = std::get_if<table::DeriveStage>(&stage);
    return derive != nullptr && std::any_of(derive->columns.begin(), derive->columns.end(),
                                            [&](const auto& column) { return column.name == feature; });
  });
}

Status Privacy::learn(table::Engine& engine, std::int64_t version, const model::Recipe& recipe) {
  {
    const std::shared_lock lock(state_->mutex);
    if (state_->versions.contains(version)) return {};
  }
  TRY(state_->expect_known(recipe));
  State::Version learnt;
  // Whoever sends a joined column overrides the join, and what is made of it is not told apart here.
  const bool is_any_joined =
      std::any_of(recipe.stages.begin(), recipe.stages.end(), [&](const table::Stage& stage) {
        const auto* lookup = std::get_if<table::LookupStage>(&stage);
        return lookup != nullptr &&
               std::any_of(lookup->lookup.select.begin(), lookup->lookup.select.end(),
                           [&](const std::string& name) { return state_->find(name) != nullptr; });
      });
  for (const model::Feature& feature : recipe.features) {
    const std::vector<std::string> made_of =
        TRY(table::columns_needed(engine, recipe.request, recipe.stages, {feature.name}, recipe.time_zone));
    const bool is_private =
        is_any_joined || std::any_of(made_of.begin(), made_of.end(),
                                     [&](const std::string& name) { return state_->find(name) != nullptr; });
    const bool is_rounded = is_private && !is_any_joined && state_->is_rounded_itself(recipe, feature.name);
    learnt.features.push_back(is_rounded   ? State::OfFeature::rounded
                              : is_private ? State::OfFeature::withheld
                                           : State::OfFeature::kept);
    learnt.steps.push_back(is_rounded ? state_->find(feature.name)->amount : 0);
  }
  if (const PrivateColumn* time = state_->find(recipe.time_column)) learnt.event_time = time->how;
  const std::unique_lock lock(state_->mutex);
  state_->versions.emplace(version, std::move(learnt));
  return {};
}

std::vector<bool> Privacy::withheld(std::int64_t version) const {
  const std::shared_lock lock(state_->mutex);
  std::vector<bool> withheld;
  const auto known = state_->versions.find(version);
  if (known == state_->versions.end()) return withheld;
  for (const State::OfFeature how : known->second.features) withheld.push_back(how != State::OfFeature::kept);
  return withheld;
}

std::uint64_t Privacy::request_seed() const {
  std::uint64_t seed = 0;
  const std::string bytes = base::hmac_sha256(state_->key, "request");
  std::memcpy(&seed, bytes.data(), sizeof seed);
  return seed;
}

}  // namespace trimtab::serve
