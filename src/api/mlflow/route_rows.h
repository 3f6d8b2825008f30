// The routes of a file as a list of rows, each with the function that answers it.
#pragma once

#include <functional>
#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

#include "api/mlflow/mlflow_routes.h"
#include "api/mlflow/wire.h"

namespace trimtab::api {

using Parameters = const MlflowParameters&;
using Request = const http::Request&;
using RouteBody = Result<http::Answer> (*)(RecordRooms&, Parameters, Request, http::ReplyPromise);

struct RouteRow {
  const char* method;
  const char* path;  // Below the version: "/mlflow/webhooks".
  const char* summary;
  RouteBody body;
};

// All of them open: MLflow's clients send no token until there are people. The rooms outlive them.
inline std::vector<http::Route> routes_of(RecordRooms& rooms, std::span<const RouteRow> rows,
                                          std::initializer_list<const char*> versions = {"2.0"}) {
  RouteList routes;
  for (const RouteRow& row : rows) {
    const auto handler = [&rooms, body = row.body](Parameters parameters, Request request,
                                                   http::ReplyPromise promise) {
      return body(rooms, parameters, request, std::move(promise));
    };
    routes.add(mlflow_route(row.method, row.path, row.summary, http::Permission::open, handler, versions));
  }
  return routes.take();
}

// Answers with {}, or with the error.
inline std::function<void(Result<bool>)> send_done(http::ReplyPromise promise) {
  return [promise](const Result<bool>& done) mutable {
    promise.send(done ? mlflow_reply(Status()) : mlflow_error(done.error()));
  };
}

}  // namespace trimtab::api
