#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <functional>
#include <unistd.h>

#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "base/file.h"
#include "flow/source_refresh.h"
#include "heal/ward.h"
#include "http/server.h"
#include "model/scorer.h"
#include "project/load.h"
#include "registry/endpoints.h"
#include "serve/endpoint.h"
#include "table/parquet.h"

namespace trimtab::app {
namespace {

constexpr TimeUs kSpan = base::kSecondUs;  // Of each measurement.
constexpr int kWarmUp = 200;

struct Rates {
  std::vector<double> micros;  // Of each call, sorted.
  double per_second = 0;

  double quantile(double share) const {
    if (micros.empty()) return 0;
    const auto at = static_cast<std::size_t>(share * static_cast<double>(micros.size() - 1) + 0.5);
    return micros[at];
  }
  Json to_json() const {
    Json json = Json::object({{"calls", static_cast<std::int64_t>(micros.size())}});
    return json.set("p50_us", quantile(0.5)).set("p99_us", quantile(0.99)).set("per_second", per_second);
  }
};

// Calls again and again for a second, after some calls that do not count.
Result<Rates> measure(int warm_up, const std::function<Status()>& call) {
  for (int i = 0; i < warm_up; ++i) TRY(call());
  Rates rates;
  const TimeUs started = base::steady_now();
  TimeUs before = started;
  while (before - started < kSpan) {
    TRY(call());
    const TimeUs now = base::steady_now();
    rates.micros.push_back(static_cast<double>(now - before));
    before = now;
  }
  rates.per_second = static_cast<double>(rates.micros.size()) / (static_cast<double>(before - started) / 1e6);
  std::sort(rates.micros.begin(), rates.micros.end());
  return rates;
}

Result<Rates> measure_disk(store::Home& home) {
  const std::filesystem::path folder = TRY(home.make_staging("bench"));
  const std::string path = (folder / "writes").string();
  const base::Descriptor file(::open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
  const std::string page(4096, 't');
  Result<Rates> rates = measure(3, [&]() -> Status {
    const bool written = ::write(file.get(), page.data(), page.size()) == static_cast<ssize_t>(page.size());
    if (written && ::fsync(file.get()) == 0) return {};
    return fail(base::errno_error(errno, "cannot write " + path));
  });
  TRY(base::remove_tree(folder));
  return rates;
}

// Real rows of the model's source, as its newest part holds them.
Result<table::Batch> sample_rows(Workbench& bench, const std::string& source, const table::Schema& wanted) {
  const auto snapshot =
      TRY(flow::load_snapshot(*bench.home, bench.project.name, flow::source_dataset(source)));
  table::Batch sample(wanted);
  sample.reset(0);
  for (auto part = snapshot ? snapshot->parts.size() : 0; part > 0 && sample.rows() == 0; --part) {
    const std::filesystem::path file = bench.home->blobs().path(snapshot->parts[part - 1].blob_sha256);
    const Status read =
        table::read_parquet(*bench.engine, {file}, wanted.names(), [&](const table::Batch& rows) -> Status {
          sample.reset(rows.rows());
          for (int column = 0; column < wanted.size(); ++column) {
            const int from = *rows.schema().find(wanted.at(column).name);
            for (int row = 0; row < rows.rows(); ++row)
              table::copy_cell(rows, from, row, sample, column, row);
          }
          if (rows.rows() == 0) return {};
          return fail(ErrorCode::cancelled, "one batch is enough");
        });
    if (!read && read.error().code != ErrorCode::cancelled) return fail(read.error());
  }
  if (sample.rows() > 0) return sample;
  return fail(ErrorCode::not_found, "the source '" + source + "' has no rows to measure with",
              "run `trimtab apply`");
}

std::string body_of(const table::Batch& rows) {
  Json row = Json::object();
  for (int column = 0; column < rows.schema().size(); ++column)
    row.set(rows.schema().at(column).name, rows.cell_json(column, 0));
  return Json::object({{"dataframe_records", Json::array().push(std::move(row))}}).dump();
}

// The same answers over a real socket; the server knows this one route and logs nothing.
Result<Rates> measure_loopback(serve::Endpoint& endpoint, const std::string& body) {
  const auto answer = [&endpoint](const http::Request& request, const http::ReplyPromise&) -> http::Answer {
    Result<std::string> reply = endpoint.predict({request.body, "application/json", {}});
    if (!reply) return http::error_reply(reply.error());
    return http::Reply{200, "application/json", std::move(*reply), {}};
  };
  std::vector<http::Route> routes = {{.method = "POST",
                                      .path = "/invocations",
                                      .summary = "Predicts",
                                      .permission = http::Permission::open,
                                      .placement = http::Placement::io,
                                      .handler = answer}};
  const auto server =
      TRY(http::Server::start(http::ServerOptions{}, TRY(http::Router::make(std::move(routes)))));
  http::Client client("127.0.0.1", server->port());
  return measure(kWarmUp, [&]() -> Status {
    const http::ClientReply reply = TRY(client.send("POST", "/invocations", body));
    if (reply.status == 200) return {};
    return fail(ErrorCode::internal,
                "the server answered " + std::to_string(reply.status) + ": " + reply.body);
  });
}

Result<Json> measure_endpoint(Workbench& bench, const registry::EndpointFacts& facts) {
  serve::Lookups lookups(
      *bench.engine, [&bench](const std::string& source) -> Result<std::vector<std::filesystem::path>> {
        std::vector<std::filesystem::path> files;
        const auto snapshot =
            TRY(flow::load_snapshot(*bench.home, bench.project.name, flow::source_dataset(source)));
        if (!snapshot) return files;
        for (const table::Part& part : snapshot->parts)
          files.push_back(bench.home->blobs().path(part.blob_sha256));
        return files;
      });
  const project::Model* model = bench.project.find_model(facts.model);
  if (model == nullptr)
    return fail(ErrorCode::not_found, "the model '" + facts.model + "' is not declared any longer");
  const auto artifact = TRY(heal::load_version(*bench.home, facts.model, *facts.serving_version));
  const std::string& source = bench.project.find_table(model->from)->from;
  const table::Batch rows = TRY(sample_rows(bench, source, artifact->recipe.request));
  serve::Endpoint endpoint(facts.name, *bench.engine, lookups, bench.clock,
                           [](std::span<model::Prediction>) {});
  TRY(endpoint.deploy({.versions = {{*facts.serving_version}}},
                      [&artifact](std::int64_t) { return artifact; }));
  const std::string body = body_of(rows);
  const Rates one = TRY(measure(kWarmUp, [&]() -> Status {
    TRY(endpoint.predict({body, "application/json", {}}));
    return {};
  }));
  const Rates loopback = TRY(measure_loopback(endpoint, body));
  const auto scorer =
      TRY(model::Scorer::make(*bench.engine, artifact, TRY(lookups.for_recipe(artifact->recipe))));
  const Rates many = TRY(measure(3, [&]() -> Status {
    TRY(scorer->score(rows));
    return {};
  }));
  Json json = Json::object({{"endpoint", facts.name}, {"version", *facts.serving_version}});
  json.set("in_process", one.to_json()).set("loopback", loopback.to_json());
  return json.set("rows_per_second", many.per_second * rows.rows()).set("rows_a_batch", rows.rows());
}

std::string micros(const Json& rates, const char* name) {
  char text[48];
  std::snprintf(text, sizeof text, "%8.0f µs", rates.double_or(name));
  return text;
}

std::string whole(double number) {
  std::string text = std::to_string(static_cast<std::int64_t>(number));
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

std::string to_text(const Json& report) {
  const Json& disk = report["disk"];
  std::string text = "disk of the home: " + whole(disk.double_or("per_second")) +
                     " durable writes a second (p50" + micros(disk, "p50_us") + ", p99" +
                     micros(disk, "p99_us") + ")\n";
  for (const Json& endpoint : report["endpoints"].as_array()) {
    text += "endpoint " + endpoint.text_or("endpoint") + ", version " + endpoint["version"].dump() + "\n";
    for (const auto& [name, label] :
         {std::pair{"in_process", "one row in process   "}, std::pair{"loopback", "one row over loopback"}}) {
      const Json& rates = endpoint[name];
      text += std::string("  ") + label + "  p50" + micros(rates, "p50_us") + "  p99" +
              micros(rates, "p99_us") + "  " + whole(rates.double_or("per_second")) +
              " a second, one at a time\n";
    }
    text += "  recipe and learner     " + whole(endpoint.double_or("rows_per_second")) +
            " rows a second, in batches of " + endpoint["rows_a_batch"].dump() + " on one core\n";
  }
  if (report["endpoints"].as_array().empty())
    text += "No endpoint serves a version yet; run `trimtab apply`.\n";
  return text;
}

}  // namespace

Status bench_verb(const Arguments& arguments) {
  TRY(expect_named_home(arguments, home_folder(arguments, TRY(project::load(arguments.project)))));
  const std::unique_ptr<Workbench> bench = TRY(open_workbench(arguments));
  Json report = Json::object({{"disk", TRY(measure_disk(*bench->home)).to_json()}});
  Json endpoints = Json::array();
  for (const registry::EndpointFacts& facts : TRY(registry::list_endpoints(*bench->home))) {
    if (facts.project != bench->project.name || !facts.serving_version) continue;
    endpoints.push(TRY(measure_endpoint(*bench, facts)));
  }
  report.set("endpoints", std::move(endpoints));
  print_report(arguments, to_text(report), report);
  return {};
}

}  // namespace trimtab::app
