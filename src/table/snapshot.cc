#include "table/snapshot.h"

#include <algorithm>
#include <tuple>

#include "base/hash.h"

namespace trimtab::table {

namespace {

constexpr std::int64_t kManifestFormat = 1;

// A manifest is read back only after it was written by this program, so anything odd in it means a damaged
// store.
tl::unexpected<Error> broken(const std::string& field, const std::string& what) {
  return fail(ErrorCode::storage_broken, "the snapshot's manifest is broken: " + field + " " + what,
              "`trimtab fsck` checks every blob; restore this one from a backup");
}

// The order of parts: by time, files without one first. The hash makes the order total, so that the manifest
// does not depend on the order in which a folder happened to be listed.
auto place_in_order(const Part& part) {
  return std::tie(part.time_min, part.origin, part.origin_sha256, part.blob_sha256);
}

bool in_order(const Part& a, const Part& b) { return place_in_order(a) < place_in_order(b); }

Json time_to_json(const std::optional<TimeUs>& time) { return time ? Json(*time) : Json(nullptr); }

Json part_to_json(const Part& part) {
  Json json = Json::object({{"blob_sha256", part.blob_sha256},
                            {"bytes", part.bytes},
                            {"rows", part.rows},
                            {"time_min", time_to_json(part.time_min)},
                            {"time_max", time_to_json(part.time_max)},
                            {"origin", part.origin},
                            {"origin_sha256", part.origin_sha256},
                            {"step_key", part.step_key}});
  // Most parts lack nothing, and their manifests are those of before there was anything to say here.
  if (part.left_why.empty()) return json;
  return json.set("left", part.left).set("set_aside", part.set_aside).set("left_why", part.left_why);
}

// Reads the members of one object and remembers how to name them in a refusal.
class MemberReader {
 public:
  MemberReader(const Json& object, std::string prefix) : object_(object), prefix_(std::move(prefix)) {}

  std::string name(std::string_view member) const { return prefix_ + std::string(member); }

  // Every member of the object must be one of these: a manifest of a later version must not be half
  // understood.
  Status only(std::initializer_list<std::string_view> members) const {
    for (const auto& [member, value] : object_.as_object()) {
      if (std::find(members.begin(), members.end(), member) == members.end()) {
        return broken(name(member), "is no member that this version knows");
      }
    }
    return {};
  }

  Result<std::string> text(std::string_view member) const {
    const Json* found = object_.find(member);
    if (found == nullptr || !found->is_string()) return broken(name(member), "must be text");
    return found->as_string();
  }

  Result<std::string> hash(std::string_view member, bool may_be_empty) const {
    const std::string text = TRY(this->text(member));
    if (base::is_sha256(text) || (may_be_empty && text.empty())) return text;
    return broken(name(member), "must be 64 hexadecimal digits, but is '" + text + "'");
  }

  Result<std::int64_t> count(std::string_view member) const {
    const Json* found = object_.find(member);
    if (found == nullptr || !found->is_int()) return broken(name(member), "must be a whole number");
    if (found->as_int() < 0) return broken(name(member), "is negative");
    return found->as_int();
  }

  Result<std::optional<TimeUs>> time(std::string_view member) const {
    const Json* found = object_.find(member);
    if (found == nullptr) return broken(name(member), "is missing");
    if (found->is_null()) return std::nullopt;
    if (!found->is_int()) return broken(name(member), "must be microseconds or null");
    return found->as_int();
  }

 private:
  const Json& object_;
  std::string prefix_;
};

Result<Part> part_from_json(const Json& json, const std::string& place) {
  if (!json.is_object()) return broken(place, "must be an object");
  const MemberReader reader(json, place + ".");
  TRY(reader.only({"blob_sha256", "bytes", "rows", "time_min", "time_max", "origin", "origin_sha256",
                   "step_key", "left", "set_aside", "left_why"}));
  Part part;
  part.blob_sha256 = TRY(reader.hash("blob_sha256", false));
  part.bytes = static_cast<std::uint64_t>(TRY(reader.count("bytes")));
  part.rows = TRY(reader.count("rows"));
  part.time_min = TRY(reader.time("time_min"));
  part.time_max = TRY(reader.time("time_max"));
  part.origin = TRY(reader.text("origin"));
  part.origin_sha256 = TRY(reader.hash("origin_sha256", true));
  part.step_key = TRY(reader.hash("step_key", true));
  part.left_why = json.text_or("left_why");
  part.left = json.int_or("left");
  part.set_aside = json.bool_or("set_aside");
  if (part.time_min.has_value() != part.time_max.has_value()) {
    return broken(reader.name("time_max"), "and time_min must both be there or both be null");
  }
  if (part.time_min > part.time_max) return broken(reader.name("time_max"), "is before time_min");
  return part;
}

Result<std::vector<Part>> parts_from_json(const Json* json) {
  if (json == nullptr || !json->is_array()) return broken("parts", "must be a list");
  std::vector<Part> parts;
  parts.reserve(json->as_array().size());
  for (const Json& item : json->as_array()) {
    const std::string place = "parts[" + std::to_string(parts.size()) + "]";
    Part part = TRY(part_from_json(item, place));
    if (!parts.empty() && in_order(part, parts.back())) return broken(place, "is out of order");
    parts.push_back(std::move(part));
  }
  return parts;
}

Status check_time_column(const Snapshot& snapshot) {
  if (snapshot.time_column.empty()) return {};
  const std::optional<int> found = snapshot.schema.find(snapshot.time_column);
  if (!found) return broken("time_column", "'" + snapshot.time_column + "' is not in the schema");
  if (snapshot.schema.at(*found).type != ColumnType::time) {
    return broken("time_column", "'" + snapshot.time_column + "' is not of type time");
  }
  return {};
}

}  // namespace

std::int64_t Snapshot::rows() const {
  std::int64_t sum = 0;
  for (const Part& part : parts) sum += part.rows;
  return sum;
}

Json Snapshot::to_json() const {
  std::vector<Part> sorted = parts;
  std::sort(sorted.begin(), sorted.end(), in_order);
  Json list = Json::array();
  for (const Part& part : sorted) list.push(part_to_json(part));
  return Json::object({{"format", kManifestFormat},
                       {"name", name},
                       {"schema", schema.to_json()},
                       {"time_column", time_column},
                       {"parts", std::move(list)},
                       {"parent_sha256", parent_sha256}});
}

Result<Snapshot> Snapshot::from_json(const Json& json) {
  if (!json.is_object()) return broken("the document", "must be an object");
  const MemberReader reader(json, "");
  const std::int64_t format = TRY(reader.count("format"));
  if (format != kManifestFormat) {
    return fail(ErrorCode::unsupported,
                "the snapshot's manifest has format " + std::to_string(format) +
                    ", this version reads format " + std::to_string(kManifestFormat),
                "use the newer version of trimtab that wrote it");
  }
  TRY(reader.only({"format", "name", "schema", "time_column", "parts", "parent_sha256"}));
  Snapshot snapshot;
  snapshot.name = TRY(reader.text("name"));
  if (snapshot.name.empty()) return broken("name", "is empty");
  Result<Schema> schema = Schema::from_json(json["schema"]);
  if (!schema) return broken("schema", "cannot be read: " + schema.error().message);
  snapshot.schema = std::move(*schema);
  snapshot.time_column = TRY(reader.text("time_column"));
  TRY(check_time_column(snapshot));
  snapshot.parts = TRY(parts_from_json(json.find("parts")));
  snapshot.parent_sha256 = TRY(reader.hash("parent_sha256", true));
  return snapshot;
}

}  // namespace trimtab::table
