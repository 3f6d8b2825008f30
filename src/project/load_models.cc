#include "project/load_models.h"

#include <algorithm>
#include <filesystem>

#include "project/limit_text.h"
#include "project/mapping_reader.h"

namespace trimtab::project {
namespace {

constexpr double kDefaultTestShare = 0.2;

// A bare feature is a column and lends the feature its name, so it has to look like one.
bool is_plain_column(std::string_view text) {
  const auto is_inner = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
  };
  const bool starts_well = !text.empty() && !(text[0] >= '0' && text[0] <= '9');
  return starts_well && std::all_of(text.begin(), text.end(), is_inner);
}

std::string without_blanks(std::string text) {
  std::erase_if(text, [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; });
  return text;
}

class FeatureReader {
 public:
  FeatureReader(Model& model, Diagnostics& diagnostics) : model_(model), diagnostics_(diagnostics) {}

  void read(const YamlNode& list) {
    if (list.kind != YamlNode::Kind::sequence || list.items.empty()) {
      add_wrong(list, "'features'", wanted(Form::features), diagnostics_,
                "such as [carrier, hour: \"hour(sched_dep)\"]");
      return;
    }
    for (const YamlNode& item : list.items) read_item(item);
  }

 private:
  void read_item(const YamlNode& item) {
    if (item.kind == YamlNode::Kind::mapping && item.entries.size() == 1) {
      const YamlNode::Entry& entry = item.entries[0];
      return add(entry.key, entry.key_where, read_expression(entry.value, entry.key, diagnostics_));
    }
    if (item.kind != YamlNode::Kind::scalar) {
      return add_wrong(item, "a feature", "a column or one 'name: expression'", diagnostics_);
    }
    if (!is_plain_column(item.scalar)) {
      return diagnostics_.add(item.where,
                              "feature " + in_quotes(item.scalar) + " is an expression without a name",
                              "write it like 'name: expression'");
    }
    add(item.scalar, item.where, NamedExpression{item.scalar, item.scalar, text_place(item)});
  }

  void add(const std::string& name, const SourceRange& where, NamedExpression feature) {
    if (!is_new_column(name, where, "feature", seen_, diagnostics_)) return;
    const bool is_target =
        !feature.text.empty() && without_blanks(feature.text) == without_blanks(model_.target.text);
    if (is_target) {
      diagnostics_.add(where,
                       "feature " + in_quotes(name) + " uses the target of model " + in_quotes(model_.name),
                       "nobody knows the target when a prediction is asked for: remove the feature");
    }
    model_.feature_where[name] = where;
    model_.features.push_back(std::move(feature));
  }

  Model& model_;
  Diagnostics& diagnostics_;
  std::map<std::string, SourceRange> seen_;
};

void read_test_size(const YamlNode& node, Split& split, Diagnostics& diagnostics) {
  if (node.kind == YamlNode::Kind::scalar) {
    const std::optional<double> share = share_of_text(node.scalar);
    const Result<TimeUs> duration = base::parse_duration(node.scalar);
    if (share && *share > 0 && *share < 1) {
      split.test_share = share;
      return;
    }
    if (duration && *duration > 0) {
      split.test_duration = *duration;
      return;
    }
    if (share || duration) {
      diagnostics.add(node.where, "'test' is " + in_quotes(node.scalar) +
                                      ", a share between 0% and 100% or a duration "
                                      "above 0 is wanted");
      return;
    }
  }
  add_wrong(node, "'test'", wanted(Form::test_size), diagnostics);
}

Split read_split(const MappingReader& model, Draft& draft) {
  Split split;
  const YamlNode* node = model.find("split");
  draft.model_split[draft.project.models.back().name] = node == nullptr ? model.place() : node->where;
  if (node != nullptr) {
    const MappingReader reader(*node, node->where, "'split'", kSplitKeys, draft.diagnostics);
    split.by_time = reader.choice("by").value_or(0) == 0;
    if (const YamlNode* test = reader.find("test")) read_test_size(*test, split, draft.diagnostics);
    split.gap = reader.duration("gap").value_or(0);
    if (!split.by_time && split.test_duration) {
      draft.diagnostics.add(reader.place_of("test"), "'test' is a duration, but the split is random",
                            "write a share like 20%, or 'by: time'");
    }
    if (!split.by_time && reader.has("gap")) {
      draft.diagnostics.add(reader.place_of("gap"), "'gap' needs a split by time",
                            "remove it, or write 'by: time'");
    }
  }
  if (!split.test_share && !split.test_duration) split.test_share = kDefaultTestShare;
  return split;
}

LightgbmLearner read_lightgbm(const YamlNode& node, const SourceRange& place, Diagnostics& diagnostics) {
  LightgbmLearner learner;
  if (node.kind == YamlNode::Kind::null) return learner;
  const MappingReader reader(node, place, "'lightgbm'", kLightgbmKeys, diagnostics);
  learner.rounds = reader.whole("rounds", learner.rounds);
  learner.leaves = reader.whole("leaves", learner.leaves);
  learner.learning_rate = reader.number("learning_rate", learner.learning_rate);
  learner.min_data_in_leaf = reader.whole("min_data_in_leaf", learner.min_data_in_leaf);
  learner.feature_fraction = reader.number("feature_fraction", learner.feature_fraction);
  learner.bagging_fraction = reader.number("bagging_fraction", learner.bagging_fraction);
  learner.lambda_l2 = reader.number("lambda_l2", learner.lambda_l2);
  learner.seed = reader.whole("seed", learner.seed);
  return learner;
}

// The name alone, or the name with its options.
Learner read_learner(const YamlNode& node, Diagnostics& diagnostics) {
  YamlNode mapping = node;
  if (node.kind == YamlNode::Kind::scalar) {
    YamlNode nothing;
    nothing.where = node.where;
    mapping.kind = YamlNode::Kind::mapping;
    mapping.entries.push_back({node.scalar, node.where, std::move(nothing)});
  }
  if (mapping.kind != YamlNode::Kind::mapping) {
    add_wrong(node, "'learner'", wanted(Form::learner), diagnostics);
    return {};
  }
  const MappingReader reader(mapping, node.where, "'learner'", kLearnerKeys, diagnostics);
  const std::vector<YamlNode::Entry>& entries = reader.node().entries;
  if (entries.size() != 1) {
    diagnostics.add(entries.empty() ? node.where : entries[1].key_where,
                    "'learner' names " + std::to_string(entries.size()) + " learners, one is wanted");
  }
  if (entries.empty() || entries[0].key != "baseline") {
    const YamlNode* lightgbm = reader.find("lightgbm");
    return lightgbm == nullptr ? Learner{} : read_lightgbm(*lightgbm, node.where, diagnostics);
  }
  const YamlNode& options = entries[0].value;
  if (options.kind != YamlNode::Kind::null) {
    const MappingReader baseline(options, node.where, "'baseline'", kBaselineKeys, diagnostics);
  }
  return BaselineLearner{};
}

bool ask_the_same(const Gate& one, const Gate& other) {
  return one.metric == other.metric && one.slice == other.slice && one.fairness == other.fairness &&
         one.against_champion == other.against_champion;
}

void read_gates(const YamlNode& list, Model& model, Draft& draft) {
  if (list.kind != YamlNode::Kind::sequence) {
    add_wrong(list, "'gates'", wanted(Form::gates), draft.diagnostics, "such as [auc >= 0.68]");
    return;
  }
  for (const YamlNode& item : list.items) {
    const std::optional<std::string> text = read_text(item, "a gate", draft.diagnostics);
    if (!text) continue;
    Result<Gate> gate = parse_gate(*text, text_place(item));
    if (!gate) {
      draft.diagnostics.add(gate.error());
      continue;
    }
    if (std::ranges::any_of(model.gates, [&](const Gate& other) { return ask_the_same(*gate, other); })) {
      const bool of_people = gate->metric == kApprovals;
      draft.diagnostics.add(gate->where,
                            "gate " + in_quotes(gate->text) + " asks for " + gate->metric + " a second time",
                            of_people ? "one gate says how many are wanted" : "the stricter one says it all");
      continue;
    }
    draft.metric_uses.push_back({gate->metric, model.name, gate->where, "gate " + in_quotes(gate->text)});
    model.gates.push_back(std::move(*gate));
  }
}

// Steps may read below the project's folder only, and only lines of CSV have numbers.
void read_golden(const MappingReader& reader, Model& model, Diagnostics& diagnostics) {
  model.golden = reader.text("golden");
  model.golden_where = reader.place_of("golden");
  if (model.golden.empty()) return;
  const std::filesystem::path path(model.golden);
  const bool is_below = path.is_relative() && std::count(path.begin(), path.end(), "..") == 0;
  if (is_below && path.extension() == ".csv") return;
  diagnostics.add(
      model.golden_where,
      "'golden' is " + in_quotes(model.golden) + ", a CSV file below the project's folder is wanted",
      "such as golden.csv");
}

}  // namespace

void load_model(const YamlNode::Entry& entry, Draft& draft) {
  Diagnostics& diagnostics = draft.diagnostics;
  const std::string what = "model " + in_quotes(entry.key);
  const MappingReader reader(entry.value, entry.key_where, what, kModelKeys, diagnostics);
  Model& model = draft.project.models.emplace_back();
  model.name = entry.key;
  model.where = entry.key_where;
  model.from = reader.text("from");
  if (!model.from.empty()) {
    draft.references.push_back(
        {Reference::Target::table, model.from, reader.place_of("from"), what + " reads"});
  }
  if (const auto task = reader.choice("task")) {
    model.task = static_cast<Task>(*task);
    draft.tasks[model.name] = model.task;
  }
  model.target = reader.expression("target");
  if (reader.has("label_time")) model.label_time = reader.expression("label_time");
  model.label_delay = reader.duration("label_delay").value_or(0);
  if (const YamlNode* features = reader.find("features")) FeatureReader(model, diagnostics).read(*features);
  model.split = read_split(reader, draft);
  if (const YamlNode* learner = reader.find("learner")) model.learner = read_learner(*learner, diagnostics);
  if (const YamlNode* gates = reader.find("gates")) read_gates(*gates, model, draft);
  read_golden(reader, model, diagnostics);
}

}  // namespace trimtab::project
