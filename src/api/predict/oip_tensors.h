// Tensors of the Open Inference Protocol (version 2), in JSON and in its binary extension: a request's become
// the rows that endpoints read, and predictions become tensors. Knows no route.
#pragma once

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

// "BOOL", "INT64", "FP64" or "BYTES".
std::string_view oip_type(table::ColumnType type);

}  // namespace trimtab::api
