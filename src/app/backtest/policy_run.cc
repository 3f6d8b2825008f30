#include "app/backtest/policy_run.h"

#include <atomic>
#include <cmath>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <memory>
#include <optional>
#include <thread>
#include <unistd.h>

#include "app/wiring.h"
#include "base/file.h"
#include "base/process.h"
#include "http/client.h"
#include "judge/metrics.h"
#include "store/connection.h"
#include "store/home.h"

namespace trimtab::app {
namespace {

constexpr TimeUs kTick = base::kHourUs;
constexpr TimeUs kStartWaitMax = 60 * base::kSecondUs;
// After the last request the clock runs on, so that the last labels arrive and the last batches are closed.
constexpr TimeUs kAfterglow = 3 * base::kDayUs;

// The policy's server process, and the thread that accompanies it.
class ServerProcess {
 public:
  explicit ServerProcess(const PolicySettings& settings) : settings_(settings) {
    companion_ = std::thread([this] { accompany(); });
  }
  ~ServerProcess() {
    if (const auto address = store::find_server(home())) ::kill(address->process_id, SIGTERM);
    const TimeUs until = base::steady_now() + 30 * base::kSecondUs;
    while (!ended_ && base::steady_now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    kill_ = true;
    companion_.join();
  }

  Result<http::Client> connect() {
    const TimeUs until = base::steady_now() + kStartWaitMax;
    while (!ended_ && base::steady_now() < until) {
      if (const int port = port_) return http::Client("127.0.0.1", port, base::kHourUs);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return fail(ErrorCode::step_failed,
                "the server of policy '" + settings_.name + "' did not start: " + log_);
  }

 private:
  std::filesystem::path home() const { return settings_.folder / "home"; }

  void accompany() {
    base::ProcessOptions process;
    process.argv = {own_program(),
                    "serve",
                    (settings_.folder / "project").string(),
                    "--home",
                    home().string(),
                    "--port",
                    "0",
                    "--clock",
                    "manual",
                    "--as-of",
                    base::format_time(settings_.from),
                    "--policy",
                    settings_.policy,
                    "--step-time-max",
                    base::format_duration(settings_.limits.wall_time_max),
                    "--step-memory-max",
                    flow::format_bytes(settings_.limits.memory_bytes_max)};
    // Of what happens in a replay nobody is told, and nobody is there to approve what others would only do.
    std::vector<std::string> own = {"heal.notify=off", "heal.approvals=given"};
    if (settings_.policy != "declared") own.emplace_back("heal.mode=auto");
    for (const std::string& setting : own) process.argv.insert(process.argv.end(), {"--set", setting});
    for (const std::string& setting : settings_.settings) {
      process.argv.insert(process.argv.end(), {"--set", setting});
    }
    process.cancel = &kill_;
    process.on_line = [this](std::string_view line) {
      const std::size_t colon = line.rfind(':');
      if (line.starts_with("trimtab serves at") && colon != std::string_view::npos) {
        port_ = std::atoi(std::string(line.substr(colon + 1)).c_str());
      }
    };
    const Result<base::ProcessOutcome> outcome = base::run_process(process);
    log_ = outcome ? outcome->log : outcome.error().message;
    ended_ = true;
  }

  const PolicySettings& settings_;
  std::atomic<int> port_{0};
  std::atomic<bool> kill_{false};
  std::atomic<bool> ended_{false};
  std::string log_;
  std::thread companion_;
};

// The replay's position and its answers, in two small files beside the home.
class Progress {
 public:
  static Result<std::unique_ptr<Progress>> open(const std::filesystem::path& folder, std::size_t requests) {
    auto progress = std::unique_ptr<Progress>(new Progress);
    progress->position_ = folder / "progress";
    const std::string answers = (folder / "answers").string();
    progress->answers_ = base::Descriptor(::open(answers.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!progress->answers_) return fail(base::errno_error(errno, "cannot open '" + answers + "'"));
    if (::ftruncate(progress->answers_.get(), static_cast<off_t>(requests * sizeof(double))) != 0) {
      return fail(base::errno_error(errno, "cannot size '" + answers + "'"));
    }
    std::ifstream(progress->position_) >> progress->ticks_done_;
    return progress;
  }

  std::int64_t ticks_done() const { return ticks_done_; }
  Status keep_answer(std::size_t request, double score) {
    const auto offset = static_cast<off_t>(request * sizeof score);
    if (::pwrite(answers_.get(), &score, sizeof score, offset) == sizeof score) return {};
    return fail(base::errno_error(errno, "cannot keep an answer"));
  }
  double answer(std::size_t request) const {
    double score = std::nan("");
    const auto offset = static_cast<off_t>(request * sizeof score);
    return ::pread(answers_.get(), &score, sizeof score, offset) == sizeof score ? score : std::nan("");
  }
  // Not fsynced: a lost position only means that a few ticks are sent again, and they change nothing.
  void finish_tick() {
    ++ticks_done_;
    std::ofstream(position_.string() + ".new") << ticks_done_ << "\n";
    std::error_code ignored;
    std::filesystem::rename(position_.string() + ".new", position_, ignored);
  }

 private:
  Progress() = default;
  std::filesystem::path position_;
  base::Descriptor answers_;
  std::int64_t ticks_done_ = 0;
};

Result<double> read_score(const std::string& body) {
  constexpr std::string_view kStart = R"("predictions":[)";
  const std::size_t at = body.find(kStart);
  if (at == std::string::npos) return fail(ErrorCode::malformed, "an answer without predictions: " + body);
  return std::strtod(body.c_str() + at + kStart.size(), nullptr);
}

class Replay {
 public:
  Replay(const PolicySettings& settings, const HistoryFeed& feed, http::Client& server, Progress& progress)
      : settings_(settings), feed_(feed), server_(server), progress_(progress) {
    ticks_ = (settings.to + kAfterglow - settings.from + kTick - 1) / kTick;
  }

  Status run(const std::function<void(std::int64_t, std::int64_t)>& on_tick) {
    skip_to(settings_.from + progress_.ticks_done() * kTick);
    while (progress_.ticks_done() < ticks_) {
      TRY(tick(settings_.from + progress_.ticks_done() * kTick));
      progress_.finish_tick();
      on_tick(progress_.ticks_done(), ticks_);
    }
    return {};
  }

 private:
  // What earlier ticks have sent. The tick that was interrupted is sent again as a whole.
  void skip_to(TimeUs start) {
    const TimeUs sent = start - kTick;
    while (next_request_ < feed_.requests.size() && feed_.requests[next_request_].time < start)
      ++next_request_;
    while (next_label_ < feed_.labels.size() && feed_.labels[next_label_].known_at <= sent) ++next_label_;
    for (const auto& [source, rows] : feed_.observed) {
      std::size_t& next = next_observed_[source];
      while (next < rows.size() && rows[next].time <= sent) ++next;
    }
  }

  Status post(const std::string& path, const std::string& body) {
    const http::ClientReply reply = TRY(server_.send("POST", path, body));
    if (reply.status == 200) return {};
    return fail(ErrorCode::step_failed,
                path + " answered " + std::to_string(reply.status) + ": " + reply.body);
  }

  Status tick(TimeUs now) {
    TRY(deliver_files(now));
    TRY(post("/api/v1/clock", R"({"to":")" + base::format_time(now) + "\"}"));
    TRY(send_observed(now));
    TRY(send_labels(now));
    return send_requests(now + kTick);
  }

  Status deliver_files(TimeUs now) {
    for (; next_file_ < feed_.files.size() && feed_.files[next_file_].at < now; ++next_file_) {
      const std::filesystem::path target = settings_.folder / "project" / feed_.files[next_file_].path;
      const std::filesystem::path origin = settings_.folder / "origin" / feed_.files[next_file_].path;
      TRY(base::make_folders(target.parent_path()));
      std::error_code failed;
      if (!std::filesystem::exists(target)) std::filesystem::create_hard_link(origin, target, failed);
      if (failed) std::filesystem::copy_file(origin, target, failed);
      if (failed)
        return fail(ErrorCode::storage_broken,
                    "cannot deliver '" + target.string() + "': " + failed.message());
    }
    return {};
  }

  Status send_observed(TimeUs now) {
    for (const auto& [source, rows] : feed_.observed) {
      std::size_t& next = next_observed_[source];
      std::string body;
      for (; next < rows.size() && rows[next].time <= now; ++next)
        body += (body.empty() ? "" : ",") + rows[next].json;
      if (!body.empty()) TRY(post("/api/v1/tables/" + source + "/rows", R"({"rows":[)" + body + "]}"));
    }
    return {};
  }

  Status send_labels(TimeUs now) {
    std::string body;
    for (; next_label_ < feed_.labels.size() && feed_.labels[next_label_].known_at <= now; ++next_label_) {
      const HistoryFeed::Label& label = feed_.labels[next_label_];
      const HistoryFeed::Request& request = feed_.requests[label.request];
      body += (body.empty() ? R"({"id":)" : R"(,{"id":)");
      base::append_json_string(body, request.id);
      body += R"(,"label":)";
      base::append_json_double(body, request.truth);
      body += R"(,"time":")" + base::format_time(label.known_at) + "\"}";
    }
    if (body.empty()) return {};
    return post("/api/v1/endpoints/" + settings_.endpoint + "/labels", R"({"labels":[)" + body + "]}");
  }

  Status send_requests(TimeUs until) {
    const std::string path = "/endpoints/" + settings_.endpoint + "/invocations";
    for (; next_request_ < feed_.requests.size() && feed_.requests[next_request_].time < until;
         ++next_request_) {
      const HistoryFeed::Request& request = feed_.requests[next_request_];
      const http::ClientReply reply = TRY(server_.send("POST", path, request.body));
      if (reply.status != 200) {
        return fail(ErrorCode::step_failed,
                    "a prediction was refused with " + std::to_string(reply.status) + ": " + reply.body);
      }
      TRY(progress_.keep_answer(next_request_, TRY(read_score(reply.body))));
    }
    return {};
  }

  const PolicySettings& settings_;
  const HistoryFeed& feed_;
  http::Client& server_;
  Progress& progress_;
  std::int64_t ticks_ = 0;
  std::size_t next_request_ = 0;
  std::size_t next_label_ = 0;
  std::size_t next_file_ = 0;
  std::map<std::string, std::size_t> next_observed_;
};

void measure_answers(const HistoryFeed& feed, const Progress& progress, PolicyResult& result) {
  std::vector<double> truth, score;
  for (std::size_t i = 0; i < feed.requests.size(); ++i) {
    if (std::isnan(feed.requests[i].truth)) continue;
    truth.push_back(feed.requests[i].truth);
    score.push_back(progress.answer(i));
  }
  result.predictions = static_cast<std::int64_t>(feed.requests.size());
  result.labels = static_cast<std::int64_t>(truth.size());
  const auto value = [&](const char* name) {
    const Result<judge::Measure> measured = judge::measure(name, truth, score);
    return measured && measured->value ? Json(*measured->value) : Json();
  };
  result.log_loss = value("log_loss");
  result.auc = value("auc");
  result.brier = value("brier");
}

Json timeline_entry(const std::string& time, const std::string& event, Json evidence,
                    const std::string& action) {
  Json entry = Json::object();
  entry.set("time", time).set("event", event).set("evidence", std::move(evidence));
  return entry.set("action", action);
}

// A mean that is null until something was added.
class Mean {
 public:
  void add(double value) {
    sum_ += value;
    ++count_;
  }
  Json value() const { return count_ == 0 ? Json() : Json(sum_ / static_cast<double>(count_)); }

 private:
  double sum_ = 0;
  std::int64_t count_ = 0;
};

// How long an incident's change had lasted when it was seen, and when something better answered.
void time_incident(const Json& incident, Mean& detect, Mean& heal) {
  std::optional<TimeUs> since;
  for (const Json& event : incident["events"].as_array()) {
    const Json& detail = event["detail"];
    const Result<TimeUs> time = base::parse_time(event.text_or("time"));
    if (!time) continue;
    if (event.text_or("kind") == "verdict" && !since && detail["evidence"].is_object()) {
      const Result<TimeUs> begin = base::parse_time(detail["evidence"].text_or("since"));
      if (!begin) continue;
      since = *begin;
      detect.add(static_cast<double>(*time - *since) / base::kDayUs);
    }
    if (event.text_or("kind") != "outcome" || !since) continue;
    const std::string outcome = detail.text_or("result");
    if (outcome != "promoted" && outcome != "rolled back") continue;
    heal.add(static_cast<double>(*time - *since) / base::kDayUs);
    return;
  }
}

// What the incidents' journals say was done, in order of time.
void read_incidents(const Json& incidents, PolicyResult& result) {
  const Json::Array& list = incidents["incidents"].as_array();
  result.incidents = static_cast<std::int64_t>(list.size());
  Mean detect, heal;
  for (auto incident = list.rbegin(); incident != list.rend(); ++incident) {
    time_incident(*incident, detect, heal);
    Json verdict = Json::object();  // The newest one: what is done is done for it.
    for (const Json& event : (*incident)["events"].as_array()) {
      const Json& detail = event["detail"];
      const std::string kind = event.text_or("kind");
      if (kind == "verdict") verdict = detail;
      if (kind == "treatment" && detail.text_or("treatment") == "retrain") ++result.retrains;
      if (kind != "outcome") continue;
      const std::string outcome = detail.text_or("result");
      if (outcome == "promoted") ++result.promotions;
      if (outcome == "rolled back") ++result.rollbacks;
      std::string action = outcome;
      if (!detail["version"].is_null()) action += ", version " + detail["version"].dump();
      if (outcome == "failed") action += ": " + detail.text_or("error");
      const std::string why = verdict.text_or("hypothesis", incident->text_or("summary"));
      result.timeline.push(timeline_entry(event.text_or("time"), why, verdict["evidence"], action));
    }
  }
  result.days_to_detect = detect.value();
  result.days_to_heal = heal.value();
}

// Batches that were decided on, and versions that did no better than the one before them while both scored.
Status read_performance(const std::filesystem::path& home, PolicyResult& result) {
  const base::SystemClock clock;
  const std::unique_ptr<store::Home> owned = TRY(store::Home::open(home, clock));
  return owned->database().read([&result](store::Connection& connection) -> Status {
    store::Statement batches =
        connection.prepare("SELECT count(DISTINCT batch) FROM batch_performance WHERE role = 'served'");
    if (TRY(batches.step())) result.batches = batches.integer(0);
    store::Statement useless = connection.prepare(
        "SELECT count(*) FROM (SELECT s.version, sum((s.metrics_json ->> 'log_loss' - p.metrics_json ->> "
        "'log_loss') * s.labels) AS loss FROM batch_performance s JOIN batch_performance p ON p.endpoint = "
        "s.endpoint AND p.batch = s.batch AND p.role = 'previous' AND p.version < s.version WHERE s.role = "
        "'served' GROUP BY s.version) WHERE loss >= 0");
    if (TRY(useless.step())) result.useless = useless.integer(0);
    return {};
  });
}

}  // namespace

Json PolicyResult::to_json() const {
  Json json = Json::object();
  json.set("name", name).set("log_loss", log_loss).set("auc", auc).set("predictions", predictions);
  json.set("labels", labels).set("retrains", retrains).set("promotions", promotions);
  json.set("rollbacks", rollbacks).set("incidents", incidents).set("brier", brier).set("batches", batches);
  json.set("useless", useless).set("days_to_detect", days_to_detect);
  return json.set("days_to_heal", days_to_heal);
}

Result<PolicyResult> run_policy(const PolicySettings& settings, const HistoryFeed& feed,
                                const std::function<void(std::int64_t done, std::int64_t total)>& on_tick) {
  const std::unique_ptr<Progress> progress = TRY(Progress::open(settings.folder, feed.requests.size()));
  PolicyResult result;
  result.name = settings.name;
  {
    ServerProcess process(settings);
    http::Client server = TRY(process.connect());
    TRY(Replay(settings, feed, server, *progress).run(on_tick));
    const http::ClientReply incidents = TRY(server.send("GET", "/api/v1/incidents"));
    read_incidents(TRY(base::parse_json(incidents.body)), result);
  }
  measure_answers(feed, *progress, result);
  TRY(read_performance(settings.folder / "home", result));
  return result;
}

}  // namespace trimtab::app
