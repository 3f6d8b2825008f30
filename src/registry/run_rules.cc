#include "registry/run_rules.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/json.h"
#include "registry/run_leases.h"

namespace trimtab::registry {
namespace {

constexpr std::size_t kMetricsMax = 1'000;
constexpr std::size_t kParamsMax = 100;
constexpr std::size_t kTagsMax = 100;
constexpr std::size_t kEntitiesMax = 1'000;
constexpr std::size_t kKeyMax = 250;
constexpr std::size_t kParamValueMax = 6'000;
constexpr std::size_t kTagValueMax = 8'000;
constexpr std::size_t kExperimentNameMax = 500;
constexpr std::size_t kExperimentTagValueMax = 20'000;

tl::unexpected<Error> invalid_value(std::string_view path, std::string_view value, std::string_view why) {
  std::string message = "Invalid value ";
  base::append_json_string(message, value);
  message += " for parameter '" + std::string(path) + "' supplied";
  message += why.empty() ? "." : ": " + std::string(why);
  return fail(ErrorCode::invalid, std::move(message));
}

tl::unexpected<Error> too_long(std::string_view path, std::size_t limit) {
  return fail(ErrorCode::invalid, "'" + std::string(path) + "' exceeds the maximum length of " +
                                      std::to_string(limit) + " characters");
}

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Letters of other alphabets are taken as letters, as Python takes them.
bool may_stand_in_name(char c) {
  return is_word(c) || static_cast<unsigned char>(c) >= 0x80 ||
         std::string_view("/.- :").find(c) != std::string_view::npos;
}

// Python's posixpath.normpath.
std::string normal_path(std::string_view path) {
  if (path.empty()) return ".";
  std::vector<std::string_view> parts;
  const bool is_absolute = path.front() == '/';
  const bool has_two_slashes = path.starts_with("//") && !path.starts_with("///");
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part != ".." || (!is_absolute && (parts.empty() || parts.back() == ".."))) {
      parts.push_back(part);
    } else if (!parts.empty()) {
      parts.pop_back();
    }
  }
  std::string normal = has_two_slashes ? "//" : is_absolute ? "/" : "";
  for (std::size_t i = 0; i < parts.size(); ++i) normal += (i == 0 ? "" : "/") + std::string(parts[i]);
  return normal.empty() ? "." : normal;
}

Status check_name(std::string_view name, std::string_view path) {
  if (!std::all_of(name.begin(), name.end(), may_stand_in_name)) {
    return invalid_value(path, name,
                         "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.),"
                         " spaces ( ), colon(:) and slashes (/).");
  }
  const std::string normal = normal_path(name);
  if (normal == name && normal != "." && !normal.starts_with("..") && !normal.starts_with("/")) return {};
  return invalid_value(path, name,
                       "Names may be treated as files in certain cases, and must not resolve to other names"
                       " when treated as such. This name would resolve to " +
                           python_repr(normal));
}

// "metrics[3].name", or "name" when there is no list.
std::string join(std::string_view path, std::string_view member) {
  return path.empty() ? std::string(member) : std::string(path) + "." + std::string(member);
}

std::string place(const RunBatch& batch, std::string_view list, std::size_t index) {
  return batch.is_single ? "" : std::string(list) + "[" + std::to_string(index) + "]";
}

// A double as Python writes it: 1.0, nan.
std::string python_number(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::string text;
  base::append_json_double(text, value);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

Status check_metric(const MetricPoint& point, std::string_view path) {
  TRY(check_name(point.key, join(path, "name")));
  if (point.timestamp_ms < 0) {
    return fail(ErrorCode::invalid,
                "Invalid value " + std::to_string(point.timestamp_ms) + " for parameter '" +
                    join(path, "timestamp") + "' supplied: metric '" + point.key + "' (value=" +
                    python_number(point.value) + "). Timestamp must be a nonnegative long (64-bit integer) ");
  }
  if (count_characters(point.key) > kKeyMax) return too_long("Metric name", kKeyMax);
  return {};
}

void cut(std::string& text, std::size_t characters_max) {
  if (text.size() <= characters_max || count_characters(text) <= characters_max) return;
  std::size_t at = 0;
  for (std::size_t seen = 0; at < text.size(); ++at) {
    const bool starts_character = (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80;
    if (starts_character && seen++ == characters_max) break;
  }
  text.resize(at);
}

Status check_param(KeyValue& param, std::string_view path) {
  TRY(check_name(param.key, join(path, "key")));
  if (count_characters(param.key) > kKeyMax) return too_long("Param key", kKeyMax);
  cut(param.value, kParamValueMax);
  return {};
}

Status check_count(std::string_view what, std::size_t limit, std::size_t count) {
  if (count <= limit) return {};
  const std::string name(what);
  return fail(ErrorCode::invalid, "A batch logging request can contain at most " + std::to_string(limit) +
                                      " " + name + ". Got " + std::to_string(count) + " " + name +
                                      ". Please split up " + name +
                                      " across multiple requests and try again.");
}

Status check_unique(const std::vector<KeyValue>& params) {
  std::set<std::string_view> seen;
  std::string repeated;
  for (const KeyValue& param : params) {
    if (seen.insert(param.key).second) continue;
    repeated += (repeated.empty() ? "" : ", ") + python_repr(param.key);
  }
  if (repeated.empty()) return {};
  return fail(ErrorCode::invalid, "Duplicate parameter keys have been submitted: [" + repeated +
                                      "]. Please ensure the request contains only one param value per param "
                                      "key.");
}

// ^[a-zA-Z0-9][\w\-]{0,255}$
bool is_run_id(std::string_view id) {
  if (id.empty() || id.size() > 256 || id.front() == '_' || !is_word(id.front())) return false;
  return std::all_of(id.begin(), id.end(), [](char c) { return is_word(c) || c == '-'; });
}

}  // namespace

Status check_batch(std::string_view run_id, RunBatch& batch) {
  // Of a single thing MLflow says only that there is no such run.
  if (!batch.is_single && !is_run_id(run_id)) return invalid_value("run_id", run_id, "");
  for (std::size_t i = 0; i < batch.metrics.size(); ++i) {
    TRY(check_metric(batch.metrics[i], place(batch, "metrics", i)));
  }
  for (std::size_t i = 0; i < batch.params.size(); ++i) {
    TRY(check_param(batch.params[i], place(batch, "params", i)));
  }
  for (std::size_t i = 0; i < batch.tags.size(); ++i) {
    TRY(check_tag(batch.tags[i], place(batch, "tags", i)));
  }
  TRY(check_count("metrics", kMetricsMax, batch.metrics.size()));
  TRY(check_count("params", kParamsMax, batch.params.size()));
  TRY(check_count("tags", kTagsMax, batch.tags.size()));
  TRY(check_count("metrics, params, and tags", kEntitiesMax,
                  batch.metrics.size() + batch.params.size() + batch.tags.size()));
  return check_unique(batch.params);
}

Status check_tag(KeyValue& tag, std::string_view path) {
  const std::string key = join(path, "key");
  TRY(check_name(tag.key, key));
  if (count_characters(tag.key) > kKeyMax) return too_long(key, kKeyMax);
  cut(tag.value, kTagValueMax);
  return {};
}

Status check_experiment_name(std::string_view name) {
  if (name.empty()) return fail(ErrorCode::invalid, "Invalid experiment name: ''");
  if (count_characters(name) > kExperimentNameMax) return too_long("name", kExperimentNameMax);
  return {};
}

Status check_experiment_tag(const KeyValue& tag) {
  TRY(check_lease(tag));
  TRY(check_name(tag.key, "key"));
  if (count_characters(tag.key) > kKeyMax) return too_long("key", kKeyMax);
  if (count_characters(tag.value) > kExperimentTagValueMax) return too_long("value", kExperimentTagValueMax);
  return {};
}

Status check_dataset(const DatasetInput& dataset) {
  struct Limit {
    std::string_view name;
    const std::string& text;
    std::size_t characters_max;
  };
  const Limit limits[] = {{"name", dataset.name, 500},
                          {"digest", dataset.digest, 36},
                          {"source", dataset.source, 65'535},
                          {"schema", dataset.schema, 1'048'575},
                          {"profile", dataset.profile, 16'777'215}};
  for (const Limit& limit : limits) {
    if (count_characters(limit.text) > limit.characters_max)
      return too_long(limit.name, limit.characters_max);
  }
  for (const KeyValue& tag : dataset.tags) {
    if (count_characters(tag.key) > 255) return too_long("key", 255);
    if (count_characters(tag.value) > 500) return too_long("value", 500);
  }
  return {};
}

std::size_t count_characters(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(
      utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string python_repr(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else {
      out += c;
    }
  }
  return out + quote;
}

}  // namespace trimtab::registry
