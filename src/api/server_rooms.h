// What the routes reach: the rooms of a running server, wired by app/. All of it outlives every request.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "heal/healer.h"
#include "heal/ward.h"
#include "http/handler_pool.h"
#include "project/project.h"
#include "serve/lookups.h"
#include "store/home.h"
#include "table/engine.h"

namespace trimtab::api {

// A project file that somebody wants to know about before it is applied.
struct PlanWish {
  std::string text;
  std::string file;    // For messages.
  std::string folder;  // Where its relative paths start.
  std::optional<TimeUs> as_of;
  bool only_check = false;
};

class ParquetBodies;

struct ServerRooms {
  store::Home& home;
  const base::Clock& clock;
  bool clock_is_manual = false;
  const std::vector<project::Project>& projects;
  const std::vector<std::unique_ptr<heal::Ward>>& wards;
  heal::Healer& healer;
  serve::Lookups& lookups;
  // The schema of a source's rows. Errors: not_found (did you mean).
  std::function<Result<table::Schema>(const std::string& source)> source_schema;
  // Applies the project again for `actor` and loads what it made; runs on the healer's thread.
  std::function<Result<Json>(std::optional<TimeUs> as_of, const std::string& actor)> apply;

  // plan::Plan of the file, or {"ok":true} when it is only checked; thread-safe. Errors: its diagnostics.
  std::function<Result<Json>(const PlanWish& wish)> preview;
  // What is known of a table's or source's columns (flow::profile_dataset); thread-safe.
  std::function<Result<Json>(const std::string& name)> profile;
  // Work that keeps the home in order and takes its time ("gc"), with the request's body; answers from a
  // thread of its own. Errors: invalid (the body), and what the work says.
  std::function<void(const std::string&, const Json&, std::function<void(Result<Json>)> done)> upkeep;

  // Where that is done which waits for the disk or for steps and must not wait for the loop.
  std::shared_ptr<http::HandlerPool> long_work = std::make_shared<http::HandlerPool>(1, 32);
  // Where long requests for predictions wait and are answered (api/predict/inference.h).
  std::shared_ptr<http::HandlerPool> long_requests = std::make_shared<http::HandlerPool>(1, 32);

  // Reads bodies that are Parquet files, on the threads of long requests.
  std::shared_ptr<ParquetBodies> parquet_bodies = nullptr;

  // Errors: not_found (did you mean).
  Result<heal::Ward*> ward(const std::string& endpoint) const;
  const project::Project* project_of_source(const std::string& source) const;
};

}  // namespace trimtab::api
