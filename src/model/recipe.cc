#include "model/recipe.h"

#include <cmath>
#include <set>
#include <string_view>
#include <unordered_map>

#include "model/unseen.h"

namespace trimtab::model {
namespace {

using table::ColumnType;

tl::unexpected<Error> broken(const std::string& what) {
  return fail(ErrorCode::invalid, "the model's recipe is broken: " + what);
}

Json joined_to_json(const JoinedTable& joined) {
  return Json::object(
      {{"stage", joined.stage}, {"source", joined.source}, {"schema", joined.schema.to_json()}});
}

Json feature_to_json(const Feature& feature) {
  Json json = Json::object({{"name", feature.name}, {"type", table::type_name(feature.type)}});
  if (feature.type != ColumnType::text) return json;
  Json levels = Json::array();
  for (const std::string& level : feature.levels) levels.push(level);
  return json.set("levels", std::move(levels));
}

Result<const Json::Array*> list_in(const Json& json, std::string_view name) {
  const Json* found = json.find(name);
  if (found == nullptr || !found->is_array()) return broken("'" + std::string(name) + "' is not a list");
  return &found->as_array();
}

Result<std::string> text_in(const Json& json, std::string_view name) {
  const Json* found = json.find(name);
  if (found == nullptr || !found->is_string()) return broken("'" + std::string(name) + "' is not a text");
  return found->as_string();
}

Result<JoinedTable> joined_from_json(const Json& json, const std::vector<table::Stage>& stages) {
  JoinedTable joined;
  const Json& stage = json["stage"];
  const auto count = static_cast<std::int64_t>(stages.size());
  if (!stage.is_int() || stage.as_int() < 0 || stage.as_int() >= count ||
      !std::holds_alternative<table::LookupStage>(stages[static_cast<std::size_t>(stage.as_int())])) {
    return broken("a joined table belongs to stage " + stage.dump() + ", which is no lookup");
  }
  joined.stage = static_cast<int>(stage.as_int());
  joined.source = TRY(text_in(json, "source"));
  joined.schema = TRY(table::Schema::from_json(json["schema"]));
  return joined;
}

Result<Feature> feature_from_json(const Json& json) {
  Feature feature;
  feature.name = TRY(text_in(json, "name"));
  const std::string type = TRY(text_in(json, "type"));
  const std::optional<ColumnType> found = table::type_of_name(type);
  if (!found || *found == ColumnType::time) {
    return broken("feature '" + feature.name + "' is of type '" + type + "', which no learner takes");
  }
  feature.type = *found;
  if (feature.type != ColumnType::text) return feature;
  std::set<std::string_view> seen;
  for (const Json& level : *TRY(list_in(json, "levels"))) {
    if (!level.is_string() || !seen.insert(level.as_string()).second) {
      return broken("feature '" + feature.name + "' has the level " + level.dump() +
                    " twice, or it is no text");
    }
    feature.levels.push_back(level.as_string());
  }
  return feature;
}

}  // namespace

Json Recipe::to_json() const {
  Json joined_list = Json::array();
  for (const JoinedTable& each : joined) joined_list.push(joined_to_json(each));
  Json ignored_list = Json::array();
  for (const std::string& each : ignored) ignored_list.push(each);
  Json feature_list = Json::array();
  for (const Feature& each : features) feature_list.push(feature_to_json(each));
  return Json::object({{"request", request.to_json()},
                       {"ignored", std::move(ignored_list)},
                       {"time_zone", time_zone},
                       {"time_column", time_column},
                       {"stages", table::stages_to_json(stages)},
                       {"joined", std::move(joined_list)},
                       {"features", std::move(feature_list)}});
}

Result<Recipe> Recipe::from_json(const Json& json) {
  if (!json.is_object()) return broken("it is no object");
  Recipe recipe;
  recipe.request = TRY(table::Schema::from_json(json["request"]));
  if (json["ignored"].is_array()) {
    for (const Json& each : json["ignored"].as_array()) {
      if (!each.is_string()) return broken("a name in \"ignored\" is no text");
      recipe.ignored.push_back(each.as_string());
    }
  }
  recipe.time_zone = TRY(text_in(json, "time_zone"));
  recipe.time_column = TRY(text_in(json, "time_column"));
  recipe.stages = TRY(table::stages_from_json(json["stages"]));
  for (const Json& each : *TRY(list_in(json, "joined"))) {
    recipe.joined.push_back(TRY(joined_from_json(each, recipe.stages)));
  }
  for (const Json& each : *TRY(list_in(json, "features"))) {
    recipe.features.push_back(TRY(feature_from_json(each)));
  }
  return recipe;
}

// A text feature's levels, found by a view of the cell without making a string of it.
struct EncodedFeature {
  ColumnType type = ColumnType::real;
  std::vector<std::string> levels;  // Owns what the keys of `codes` look at.
  std::unordered_map<std::string_view, double> codes;
};

struct FeatureEncoder::State {
  std::vector<EncodedFeature> features;
};

namespace {

double encode_cell(const EncodedFeature& feature, const table::Batch& rows, int column, int row) {
  if (rows.is_null(column, row)) return kMissing;
  switch (feature.type) {
    case ColumnType::boolean:
      return rows.boolean(column, row) ? 1 : 0;
    case ColumnType::integer:
      return static_cast<double>(rows.integer(column, row));
    case ColumnType::real: {
      const double value = rows.real(column, row);
      return std::isnan(value) ? kMissing
                               : value;  // One NaN of the many, so that equal rows have equal bytes.
    }
    case ColumnType::text: {
      const auto found = feature.codes.find(rows.text(column, row));
      return found == feature.codes.end() ? kUnseen : found->second;
    }
    case ColumnType::time:
      break;
  }
  CHECK(false);
  return kMissing;
}

}  // namespace

FeatureEncoder::FeatureEncoder(const std::vector<Feature>& features) : state_(std::make_unique<State>()) {
  state_->features.resize(features.size());
  for (std::size_t i = 0; i < features.size(); ++i) {
    CHECK(features[i].type != ColumnType::time);
    EncodedFeature& encoded = state_->features[i];
    encoded.type = features[i].type;
    encoded.levels = features[i].levels;
    for (const std::string& level : encoded.levels) {
      encoded.codes.emplace(level, static_cast<double>(encoded.codes.size()));
    }
    CHECK(encoded.codes.size() == encoded.levels.size());
  }
}

FeatureEncoder::~FeatureEncoder() = default;
FeatureEncoder::FeatureEncoder(FeatureEncoder&&) noexcept = default;

int FeatureEncoder::width() const { return static_cast<int>(state_->features.size()); }

std::vector<int> FeatureEncoder::categorical() const {
  std::vector<int> positions;
  for (int i = 0; i < width(); ++i) {
    if (state_->features[static_cast<std::size_t>(i)].type == ColumnType::text) positions.push_back(i);
  }
  return positions;
}

void FeatureEncoder::encode(const table::Batch& rows, double* out) const {
  const int columns = width();
  CHECK(rows.schema().size() >= columns);
  const int count = rows.rows();
  for (int column = 0; column < columns; ++column) {
    const EncodedFeature& feature = state_->features[static_cast<std::size_t>(column)];
    double* cell = out + column;
    for (int row = 0; row < count; ++row, cell += columns) *cell = encode_cell(feature, rows, column, row);
  }
}

}  // namespace trimtab::model
