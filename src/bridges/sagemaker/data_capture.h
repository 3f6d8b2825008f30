// The data-capture lines of SageMaker endpoints: what was asked and what was answered, a call a line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "model/prediction.h"

namespace trimtab::bridges {

// One row of a call.
struct CapturedRow {
  std::string id;            // inferenceId, else eventId; with "-<n>" when the call had several rows.
  TimeUs time = 0;           // inferenceTime
  std::vector<Json> values;  // Of a CSV line: numbers where they are some. Of JSON: a single object.
  std::string prediction;    // The answer's line or element; "" when only inputs were captured.
};

// The rows of one line. CSV: a row a line. JSON: an object or list of them; {"instances":[…]} and
// {"predictions":[…]}. BASE64 bodies are opened first. Errors: malformed (no JSON), invalid (no captured
// call; a body of another kind; as many answers as rows is not so). They do not name the line; who reads a
// file does.
Result<std::vector<CapturedRow>> read_capture_line(std::string_view line);

// Rows of one capture as CSV, header first: id, time, the inputs (by name, or c0, c1, …), prediction. Rows
// of another shape than the first: errors invalid, naming the row.
Result<std::string> capture_csv(const std::vector<CapturedRow>& rows);

// One of our own logged predictions as such a line (without its end).
std::string capture_line(const model::Prediction& prediction);

}  // namespace trimtab::bridges
