// An endpoint in operation: which versions are loaded, the swap between them, and the answer to a request.
// A request touches no disk and waits for nobody.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "model/artifact.h"
#include "model/prediction.h"
#include "serve/lookups.h"
#include "serve/request_rows.h"
#include "table/engine.h"

namespace trimtab::serve {

struct PredictRequest {
  std::string_view body;  // JSON: dataframe_split, dataframe_records, instances (list of objects), inputs.
  std::string_view inference_id;  // Header X-Amzn-SageMaker-Inference-Id; one row only.
  bool ignores_unknown = false;   // Columns that nobody knows are passed over, not refused.
};

// What the rows of one request are answered with. The views hold while the reply is being written.
struct Answers {
  std::span<const double> scores;  // A row each; one that is not finite is written as null.
  std::span<const std::string> ids;
  std::int64_t version = 0;  // That serves.
};
// The body of a reply in some dialect's shape.
using WriteReply = std::function<std::string(const Answers&)>;

// {"predictions":[…],"prediction_ids":[…],"model_version":"3"}
std::string native_reply(const Answers& answers);
// The lists of such a reply: [0.25,null] and ["a","b"].
void append_scores(std::string& reply, std::span<const double> scores);
void append_ids(std::string& reply, std::span<const std::string> ids);

// Hears of every prediction on the thread that made it; must be quick.
using OnPrediction = std::function<void(model::Prediction&&)>;
// Asked before each request: may predictions be given now? Its error is the answer.
using MayPredict = std::function<Status()>;

// Thread-safe.
class Endpoint {
 public:
  Endpoint(std::string name, table::Engine& engine, Lookups& lookups, const base::Clock& clock,
           OnPrediction on_prediction, MayPredict may_predict = {});
  ~Endpoint();

  const std::string& name() const { return name_; }
  // Loads and warms `versions`, then swaps. A version that does not load leaves everything as it was.
  // Errors: those of Scorer::make, in words that name the version.
  Status deploy(const std::vector<std::pair<std::int64_t, model::Role>>& versions,
                const std::function<Result<std::shared_ptr<const model::Artifact>>(std::int64_t)>& load);
  std::vector<std::pair<std::int64_t, model::Role>> deployed() const;

  // The reply's body, as `write` puts it. Ids: column
  // prediction_id, header, else made here; an id that was chosen before returns the logged answer for the
  // same input, and nothing is scored when all ids of a request are known. Errors: those of MayPredict, busy
  // (no version serves yet), malformed, invalid (unknown field: did you mean; missing column; wrong type: row
  // and column named), conflict (a known id with another input), too_large.
  Result<std::string> predict(const PredictRequest& request, const WriteReply& write = native_reply);
  // From now on the served version's scores are moved by so much in log odds before they are answered; what
  // it said itself is logged beside the answer. 0: answered as they are.
  void answer_at(double level);
  // Remembers an answer given before a restart, for repeated ids.
  void remember(const model::Prediction& prediction);

  // What a request may hold, as of the version that serves now. Errors: busy (none does yet).
  Result<std::shared_ptr<const RequestColumns>> request_columns() const;
  // The same as {"columns":[{"name","type","required"}]}.
  Result<Json> request_schema() const;
  struct Counters {
    std::uint64_t requests = 0, rows = 0, errors = 0;
    std::uint64_t latency_us_p50 = 0, latency_us_p99 = 0;  // Of the last 1,024 requests.
  };
  Counters counters() const;

 private:
  struct State;
  std::string name_;
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::serve
