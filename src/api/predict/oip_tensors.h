// Tensors of the Open Inference Protocol (version 2), in JSON and in its binary extension: a request's become
// the rows that endpoints read, and predictions become tensors. Knows no route.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "serve/endpoint.h"
#include "table/schema.h"

namespace trimtab::api {

inline constexpr const char* kScoresTensor = "predictions";  // FP64, a number a row.
inline constexpr const char* kIdsTensor = "prediction_ids";  // BYTES, a text a row.

struct OipOutput {
  std::string name;  // kScoresTensor or kIdsTensor.
  bool is_binary = false;
};

struct OipRequest {
  std::string rows;  // {"inputs":{column:[…], …}}
  std::string id;    // The caller's, or "".
  std::vector<OipOutput> outputs;
};

// Reads an inference request: one tensor a column, of the column's name and the shape [n] or [n,1]. A request
// with an id gives its rows prediction ids, unless a tensor does: of one row the id, of more "<id>-1",
// "<id>-2", …. A floating-point NaN is a value that is not known. `json_size` is the header
// Inference-Header-Content-Length: behind so many bytes of JSON follow the binary tensors.
// Errors: malformed (no such request; the tensor named), invalid (an output that there is not).
Result<OipRequest> read_oip_request(std::string_view body, std::optional<std::size_t> json_size);

struct OipReply {
  std::string body;
  std::optional<std::size_t> json_size;  // Of a body that goes on with binary tensors.
};
OipReply write_oip_reply(const OipRequest& request, const std::string& model, const serve::Answers& answers);

// One tensor whose values are bytes, as gRPC and the binary extension carry them.
struct OipTensor {
  std::string_view name;
  std::string_view datatype;
  std::vector<std::int64_t> shape;
  std::string_view bytes;
};
// The rows of such tensors, as in OipRequest. Errors: as read_oip_request.
Result<std::string> rows_of_tensors(const std::vector<OipTensor>& tensors, const std::string& id);
// Errors: invalid (there is no such output).
Status check_oip_output(const std::string& name);

// Values as bytes: numbers as they lie in memory, each text behind its length.
std::string scores_as_bytes(const serve::Answers& answers);
std::string ids_as_bytes(const serve::Answers& answers);
void append_text_bytes(std::string& bytes, std::string_view text);

// "BOOL", "INT64", "FP64" or "BYTES".
std::string_view oip_type(table::ColumnType type);

}  // namespace trimtab::api
