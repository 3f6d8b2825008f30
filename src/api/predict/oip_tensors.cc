#include "api/predict/oip_tensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <unordered_set>

#include "base/json_view.h"
#include "serve/answer_text.h"
#include "table/utf8.h"

namespace trimtab::api {
namespace {

static_assert(std::endian::native == std::endian::little);  // As the protocol's binary tensors are.

Error malformed(std::string message, std::string hint = {}) {
  return {ErrorCode::malformed, std::move(message), std::move(hint), std::nullopt, nullptr};
}
Error tensor_error(std::string_view name, const std::string& what, std::string hint = {}) {
  return malformed("the tensor '" + std::string(name) + "' " + what, std::move(hint));
}

// Appends the value at `bytes` as JSON.
template <class T>
void append_number(std::string& out, const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) {
      out += "null";
    } else {
      base::append_json_double(out, static_cast<double>(value));
    }
  } else {
    out += std::to_string(value);
  }
}
void append_bool(std::string& out, const char* bytes) { out += *bytes != 0 ? "true" : "false"; }

struct TensorType {
  std::string_view name;
  std::size_t bytes;  // Of one value; 0: each has its length before it.
  void (*append)(std::string& out, const char* bytes);
};
constexpr std::array kTypes = {
    TensorType{"BOOL", 1, append_bool},
    TensorType{"INT8", 1, append_number<std::int8_t>},
    TensorType{"INT16", 2, append_number<std::int16_t>},
    TensorType{"INT32", 4, append_number<std::int32_t>},
    TensorType{"INT64", 8, append_number<std::int64_t>},
    TensorType{"UINT8", 1, append_number<std::uint8_t>},
    TensorType{"UINT16", 2, append_number<std::uint16_t>},
    TensorType{"UINT32", 4, append_number<std::uint32_t>},
    TensorType{"UINT64", 8, append_number<std::uint64_t>},
    TensorType{"FP32", 4, append_number<float>},
    TensorType{"FP64", 8, append_number<double>},
    TensorType{"BYTES", 0, nullptr},
};

// One tensor of a request, as its JSON describes it.
struct Tensor {
  std::string_view name;
  const TensorType* type = nullptr;
  std::size_t rows = 0;
};

std::string_view text_of(JsonView object, std::string_view name) {
  const JsonView value = object.find(name).value_or(JsonView());
  return value.is_text() ? value.as_text() : std::string_view();
}

// Of the parameters of a request, a tensor or an output.
std::optional<JsonView> parameter(JsonView object, std::string_view name) {
  return object.find("parameters").value_or(JsonView()).find(name);
}

// Nothing: what stands there is no shape.
std::optional<std::vector<std::int64_t>> sizes_of(JsonView shape) {
  std::vector<std::int64_t> sizes;
  bool is_whole = shape.is_array();
  if (!is_whole) return std::nullopt;
  shape.each_item([&](JsonView size) {
    is_whole = is_whole && size.kind() == JsonView::Kind::integer;
    if (is_whole) sizes.push_back(size.as_int());
  });
  return is_whole ? std::optional(std::move(sizes)) : std::nullopt;
}

Result<Tensor> make_tensor(std::string_view name, std::string_view datatype,
                           const std::optional<std::vector<std::int64_t>>& sizes, const std::string& shape) {
  Tensor tensor;
  tensor.name = name;
  if (tensor.name.empty()) return fail(malformed("an input has no name"));
  const auto* type = std::find_if(kTypes.begin(), kTypes.end(),
                                  [datatype](const TensorType& known) { return known.name == datatype; });
  if (type == kTypes.end()) {
    return fail(tensor_error(tensor.name, "has the datatype '" + std::string(datatype) + "'",
                             "send BOOL, INT8 to INT64, UINT8 to UINT64, FP32, FP64 or BYTES"));
  }
  tensor.type = type;
  const bool is_column = sizes && (sizes->size() == 1 || (sizes->size() == 2 && (*sizes)[1] == 1));
  if (!is_column || sizes->front() < 0) {
    return fail(tensor_error(tensor.name, "has the shape " + shape,
                             "send one tensor for each column, of shape [n] or [n,1]"));
  }
  tensor.rows = static_cast<std::size_t>(sizes->front());
  return tensor;
}

Result<Tensor> read_tensor(JsonView input) {
  const JsonView shape = input.find("shape").value_or(JsonView());
  return make_tensor(text_of(input, "name"), text_of(input, "datatype"), sizes_of(shape),
                     shape.to_json().dump());
}

Result<Tensor> read_tensor(const OipTensor& input) {
  Json shape = Json::array();
  for (const std::int64_t size : input.shape) shape.push(size);
  return make_tensor(input.name, input.datatype, input.shape, shape.dump());
}

Error wrong_size(const Tensor& tensor, std::size_t bytes) {
  return tensor_error(tensor.name, "has " + std::to_string(bytes) + " bytes, which are not " +
                                       std::to_string(tensor.rows) + " values of " +
                                       std::string(tensor.type->name));
}

// Texts, each behind the four bytes of its length.
Status append_texts(std::string& out, const Tensor& tensor, std::string_view bytes) {
  const std::size_t size = bytes.size();
  for (std::size_t row = 0; row < tensor.rows; ++row) {
    std::uint32_t length = 0;
    if (bytes.size() < sizeof length) return fail(wrong_size(tensor, size));
    std::memcpy(&length, bytes.data(), sizeof length);
    bytes.remove_prefix(sizeof length);
    if (bytes.size() < length) return fail(wrong_size(tensor, size));
    const std::string_view text = bytes.substr(0, length);
    if (!table::is_utf8(text)) {
      return fail(
          tensor_error(tensor.name, "has a text that is not in UTF-8, in row " + std::to_string(row + 1)));
    }
    if (row > 0) out += ',';
    base::append_json_string(out, text);
    bytes.remove_prefix(length);
  }
  return bytes.empty() ? Status() : Status(fail(wrong_size(tensor, size)));
}

Status append_binary(std::string& out, const Tensor& tensor, std::string_view bytes) {
  const std::size_t width = tensor.type->bytes;
  if (width == 0) return append_texts(out, tensor, bytes);
  if (bytes.size() % width != 0 || bytes.size() / width != tensor.rows) {
    return fail(wrong_size(tensor, bytes.size()));
  }
  for (std::size_t row = 0; row < tensor.rows; ++row) {
    if (row > 0) out += ',';
    tensor.type->append(out, bytes.data() + row * width);
  }
  return {};
}

// Values in JSON, flat or, as the shape [n,1] may be written, each in a list of its own.
Status append_values(std::string& out, const Tensor& tensor, JsonView data) {
  if (!data.is_array()) return fail(tensor_error(tensor.name, "has no data"));
  std::size_t count = 0;
  const auto add = [&](JsonView value) {
    if (count++ > 0) out += ',';
    out += value.to_json().dump();
  };
  data.each_item([&](JsonView value) {
    if (value.is_array()) {
      value.each_item([&add](JsonView inner) { add(inner); });
    } else {
      add(value);
    }
  });
  if (count == tensor.rows) return {};
  return fail(tensor_error(tensor.name, "has " + std::to_string(count) + " values for the " +
                                            std::to_string(tensor.rows) + " of its shape"));
}

// Turns the inputs of one request into columns.
class InputReader {
 public:
  explicit InputReader(std::string_view binary) : binary_(binary) {}

  Status add(JsonView input) {
    const Tensor tensor = TRY(read_tensor(input));
    TRY(begin(tensor));
    const auto size = parameter(input, "binary_data_size");
    if (!size) {
      TRY(append_values(out_, tensor, input.find("data").value_or(JsonView())));
    } else {
      TRY(append_binary(out_, tensor, TRY(take(tensor, *size))));
    }
    out_ += ']';
    return {};
  }
  Status add(const OipTensor& input) {
    const Tensor tensor = TRY(read_tensor(input));
    TRY(begin(tensor));
    TRY(append_binary(out_, tensor, input.bytes));
    out_ += ']';
    return {};
  }
  Result<std::string> finish(const std::string& id) {
    if (names_.empty()) return fail(malformed("the request has no inputs"));
    if (!binary_.empty()) {
      return fail(malformed(std::to_string(binary_.size()) + " bytes behind the last tensor are nobody's"));
    }
    if (!id.empty() && !names_.contains(serve::kIdColumn) && rows_ <= table::kBatchRowsMax) add_ids(id);
    return out_ + "}}";
  }

 private:
  Status begin(const Tensor& tensor) {
    if (!names_.insert(tensor.name).second) return fail(tensor_error(tensor.name, "is sent twice"));
    out_ += names_.size() == 1 ? R"({"inputs":{)" : ",";
    base::append_json_string(out_, tensor.name);
    out_ += ":[";
    rows_ = names_.size() == 1 ? tensor.rows : rows_;
    return {};
  }
  Result<std::string_view> take(const Tensor& tensor, JsonView size) {
    const bool is_size = size.kind() == JsonView::Kind::integer && size.as_int() >= 0;
    const auto wanted = is_size ? static_cast<std::size_t>(size.as_int()) : binary_.size() + 1;
    if (wanted > binary_.size()) {
      return fail(tensor_error(tensor.name, "has a binary_data_size of " + size.to_json().dump() + "; " +
                                                std::to_string(binary_.size()) + " bytes are left"));
    }
    const std::string_view taken = binary_.substr(0, wanted);
    binary_.remove_prefix(wanted);
    return taken;
  }
  void add_ids(const std::string& id) {
    out_ += std::string(",\"") + serve::kIdColumn + "\":[";
    for (std::size_t row = 1; row <= rows_; ++row) {
      if (row > 1) out_ += ',';
      base::append_json_string(out_, rows_ == 1 ? id : id + "-" + std::to_string(row));
    }
    out_ += ']';
  }

  std::string_view binary_;  // What no tensor has taken yet.
  std::string out_;
  std::unordered_set<std::string_view> names_;  // Of the tensors so far.
  std::size_t rows_ = 0;
};

bool is_true(std::optional<JsonView> value) {
  return value && value->kind() == JsonView::Kind::boolean && value->as_bool();
}

// Without a list of outputs there are all.
Result<std::vector<OipOutput>> read_outputs(JsonView request) {
  const bool is_binary = is_true(parameter(request, "binary_data_output"));
  const JsonView asked = request.find("outputs").value_or(JsonView());
  if (!asked.is_array() || asked.size() == 0) {
    return std::vector<OipOutput>{{kScoresTensor, is_binary}, {kIdsTensor, is_binary}};
  }
  std::vector<OipOutput> outputs;
  Status status;
  asked.each_item([&](JsonView output) {
    const std::string name(text_of(output, "name"));
    const auto binary = parameter(output, "binary_data");
    outputs.push_back({name, binary ? is_true(binary) : is_binary});
    if (status) status = check_oip_output(name);
  });
  TRY(status);
  return outputs;
}

// One output in the reply's JSON; its bytes, when it is binary, in `binary`.
void append_output(std::string& json, std::string& binary, const OipOutput& output,
                   const serve::Answers& answers) {
  const bool is_scores = output.name == kScoresTensor;
  json += R"({"name":")" + output.name + R"(","datatype":")" + (is_scores ? "FP64" : "BYTES") +
          R"(","shape":[)" + std::to_string(answers.scores.size()) + "],";
  if (output.is_binary) {
    const std::string bytes = is_scores ? scores_as_bytes(answers) : ids_as_bytes(answers);
    json += R"("parameters":{"binary_data_size":)" + std::to_string(bytes.size()) + "}}";
    binary += bytes;
    return;
  }
  json += R"("data":)";
  if (is_scores) serve::append_scores(json, answers.scores);
  if (!is_scores) serve::append_ids(json, answers.ids);
  json += '}';
}

}  // namespace

Status check_oip_output(const std::string& name) {
  if (name == kScoresTensor || name == kIdsTensor) return {};
  return fail(ErrorCode::invalid, "there is no output '" + name + "'",
              std::string("there are '") + kScoresTensor + "' and '" + kIdsTensor + "'");
}

Result<std::string> rows_of_tensors(const std::vector<OipTensor>& tensors, const std::string& id) {
  InputReader reader({});
  for (const OipTensor& tensor : tensors) TRY(reader.add(tensor));
  return reader.finish(id);
}

std::string scores_as_bytes(const serve::Answers& answers) {
  const auto* begin = reinterpret_cast<const char*>(answers.scores.data());
  return {begin, answers.scores.size_bytes()};
}

void append_text_bytes(std::string& bytes, std::string_view text) {
  const auto length = static_cast<std::uint32_t>(text.size());
  bytes.append(reinterpret_cast<const char*>(&length), sizeof length).append(text);
}

std::string ids_as_bytes(const serve::Answers& answers) {
  std::string bytes;
  for (const std::string& id : answers.ids) append_text_bytes(bytes, id);
  return bytes;
}

namespace {

Result<std::string> request_id(JsonView request) {
  const JsonView id = request.find("id").value_or(JsonView());
  if (id.kind() == JsonView::Kind::null || id.is_text()) return std::string(text_of(request, "id"));
  return fail(malformed("'id' is no text: " + id.to_json().dump()));
}

}  // namespace

Result<OipRequest> read_oip_request(std::string_view body, std::optional<std::size_t> json_size) {
  const std::size_t size = json_size.value_or(body.size());
  if (size > body.size()) {
    return fail(malformed("Inference-Header-Content-Length is " + std::to_string(size) + ", the body has " +
                          std::to_string(body.size()) + " bytes"));
  }
  base::JsonText text;
  const JsonView request = TRY(text.parse(body.substr(0, size)));
  const JsonView inputs = request.find("inputs").value_or(JsonView());
  if (!inputs.is_array()) return fail(malformed("the request has no list 'inputs'"));
  OipRequest read;
  read.id = TRY(request_id(request));
  InputReader reader(body.substr(size));
  Status status;
  inputs.each_item([&](JsonView input) {
    if (status) status = reader.add(input);
  });
  TRY(status);
  read.rows = TRY(reader.finish(read.id));
  read.outputs = TRY(read_outputs(request));
  return read;
}

OipReply write_oip_reply(const OipRequest& request, const std::string& model, const serve::Answers& answers) {
  OipReply reply;
  std::string binary;
  std::string& json = reply.body;
  json = R"({"model_name":)";
  base::append_json_string(json, model);
  json += R"(,"model_version":")" + std::to_string(answers.version) + '"';
  if (!request.id.empty()) {
    json += R"(,"id":)";
    base::append_json_string(json, request.id);
  }
  json += R"(,"outputs":[)";
  bool has_binary = false;
  for (const OipOutput& output : request.outputs) {
    if (json.back() != '[') json += ',';
    append_output(json, binary, output, answers);
    has_binary = has_binary || output.is_binary;
  }
  json += "]}";
  if (has_binary) reply.json_size = json.size();
  json += binary;
  return reply;
}

std::string_view oip_type(table::ColumnType type) {
  switch (type) {
    case table::ColumnType::boolean:
      return "BOOL";
    case table::ColumnType::integer:
      return "INT64";
    case table::ColumnType::real:
      return "FP64";
    case table::ColumnType::text:
    case table::ColumnType::time:
      break;
  }
  return "BYTES";
}

}  // namespace trimtab::api
