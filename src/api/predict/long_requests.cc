// Long requests for predictions: out of the way of the short ones, and never more than can be answered soon.
#include <charconv>
#include <memory>

#include "api/predict/inference.h"
#include "api/predict/parquet_rows.h"
#include "http/percent.h"

namespace trimtab::api {
namespace {

constexpr std::size_t kLongBytes = 32u << 10;  // About a hundred rows, whose answer takes a millisecond.

// A request that outlives its handler's call.
struct KeptRequest {
  explicit KeptRequest(const http::Request& request)
      : method(request.method), path(request.path), query(request.query), body(request.body) {
    for (const auto& [name, value] : request.headers) headers.emplace_back(name, value);
    view = request;
    view.method = method;
    view.path = path;
    view.query = query;
    view.body = body;
    view.headers.assign(headers.begin(), headers.end());
  }
  KeptRequest(const KeptRequest&) = delete;

  // The same rows as JSON.
  void become(std::string json) {
    body = std::move(json);
    view.body = body;
    std::erase_if(headers,
                  [](const auto& header) { return http::equal_without_case(header.first, "content-type"); });
    view.headers.assign(headers.begin(), headers.end());
  }

  std::string method, path, query, body;
  std::vector<std::pair<std::string, std::string>> headers;
  http::Request view;
};

// How long the request may wait. Nothing: as long as it takes. Errors: malformed.
Result<std::optional<TimeUs>> patience_of(const ServerRooms& rooms, const http::Request& request,
                                          const std::string& endpoint) {
  const std::string_view text = request.header("X-Trimtab-Deadline-Ms");
  std::int64_t milliseconds = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), milliseconds);
  const bool is_whole = wrong == std::errc() && end == text.data() + text.size();
  if (!text.empty() && (!is_whole || milliseconds < 0 || milliseconds > 86'400'000)) {
    return fail(ErrorCode::malformed,
                "X-Trimtab-Deadline-Ms is no whole number of milliseconds: '" + std::string(text) + "'");
  }
  if (!text.empty()) return std::optional<TimeUs>(milliseconds * 1000);
  const Result<heal::Ward*> ward = endpoint.empty() ? only_ward(rooms) : rooms.ward(endpoint);
  return ward ? (*ward)->declared().deadline : std::optional<TimeUs>();
}

Error too_late(TimeUs waited) {
  return {ErrorCode::busy,
          "the request waited for " + std::to_string(waited / 1000) + " ms, longer than its deadline",
          "send it again, later or with more patience", std::nullopt, nullptr};
}

Status read_parquet_body(const ServerRooms& rooms, KeptRequest& request) {
  if (rooms.parquet_bodies == nullptr)
    return fail(ErrorCode::unsupported, "Parquet bodies are not taken here", "send JSON or CSV");
  request.become(TRY(rooms.parquet_bodies->as_json(request.body)));
  return {};
}

// Nothing: the body is what it says it is.
std::optional<Error> compressed(const http::Request& request) {
  const std::string_view encoding = request.header("Content-Encoding");
  if (encoding.empty() || http::equal_without_case(encoding, "identity")) return std::nullopt;
  return Error{ErrorCode::unsupported,
               "a compressed body (Content-Encoding: " + http::shown(encoding) + ") is not taken here",
               "send it as it is", std::nullopt, nullptr};
}

Error too_many() {
  return {ErrorCode::busy, "too many long requests for predictions are waiting",
          "send it again a little later", std::nullopt, nullptr};
}

}  // namespace

std::string first_path_value(const http::Request& request) {
  return request.path_values.empty() ? "" : request.path_values[0];
}

http::Handler predict_handler(const ServerRooms& rooms,
                              std::function<http::Reply(const http::Request&)> answer, Refuser refuse,
                              EndpointOf endpoint_of) {
  return [&rooms, answer = std::move(answer), refuse, endpoint_of](
             const http::Request& request, http::ReplyPromise promise) -> http::Answer {
    if (const std::optional<Error> refused = compressed(request)) return refuse(request, *refused);
    const bool is_parquet = is_parquet_body(request);
    if (request.body.size() < kLongBytes && !is_parquet) return answer(request);
    const Result<std::optional<TimeUs>> patience = patience_of(rooms, request, endpoint_of(request));
    if (!patience) return refuse(request, patience.error());
    auto kept = std::make_shared<KeptRequest>(request);
    const TimeUs arrived = base::steady_now();
    const bool is_taken = rooms.long_requests->submit(
        [&rooms, kept, is_parquet, arrived, patience = *patience, answer, refuse, promise]() mutable {
          const TimeUs waited = base::steady_now() - arrived;
          if (patience && waited > *patience) return promise.send(refuse(kept->view, too_late(waited)));
          if (const Status read = is_parquet ? read_parquet_body(rooms, *kept) : Status(); !read)
            return promise.send(refuse(kept->view, read.error()));
          promise.send(answer(kept->view));
        });
    if (!is_taken) return refuse(request, too_many());
    return http::Pending{};
  };
}

}  // namespace trimtab::api
