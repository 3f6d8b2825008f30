// Leases of runs: who promised to write every so often and has not is marked as failed.
#include "registry/run_leases.h"

#include <future>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/json.h"
#include "registry/book_state.h"
#include "registry/run_rows.h"
#include "store/audit.h"

namespace trimtab::registry {
namespace {

using store::Connection;

constexpr TimeUs kShortestUs = 10 * base::kSecondUs;

bool is_over(RunStatus status) { return status != RunStatus::running && status != RunStatus::scheduled; }

template <class State>
struct EndLease {
  Status write(Connection& connection) {
    const Result<RunKey> held = find_active_run(connection, run_id);
    if (!held || is_over(held->status)) return {};  // Ended, deleted or removed meanwhile.
    TRY(connection.prepare("UPDATE run SET status = 'FAILED', end_ms = ? WHERE number = ?")
            .with(last_beat / base::kMillisecondUs, held->number)
            .run());
    tag = {std::string(kLeaseEndedTag), base::format_time(now)};
    TRY(put_tag(connection, held->number, tag));
    Json detail = Json::object({{"lease", base::format_duration(period)}});
    detail.set("last_heartbeat", base::format_time(last_beat));
    TRY(store::append_audit(connection, now, "lease", "run.fail", "run/" + run_id, detail.dump()));
    run = held->number;
    return {};
  }
  void apply(State& book) const {
    const std::optional<std::uint32_t> place = run == 0 ? std::nullopt : book.place(run);
    if (!place) return;
    book.columns.set_status(*place, RunStatus::failed);
    book.columns.set_end(*place, last_beat / base::kMillisecondUs);
    book.columns.set_tag(*place, tag.key, tag.value);
    book.leases.erase(run);
    book.seal_when_long(*place);
  }

  std::string run_id;
  TimeUs period = 0;
  TimeUs last_beat = 0;
  TimeUs now = 0;
  KeyValue tag;
  std::int64_t run = 0;  // 0: nothing was to be done.
};

}  // namespace

Status check_lease(const KeyValue& tag) {
  if (tag.key != kLeaseTag) return {};
  const Result<TimeUs> period = base::parse_duration(tag.value);
  if (period && *period >= kShortestUs) return {};
  return fail(ErrorCode::invalid,
              "The tag 'trimtab.lease' is '" + tag.value + "', no duration of 10s or more",
              "write how often the run is written to at least, as in 10m");
}

void RunBook::State::read_lease(std::uint32_t place) {
  const HeldRun& run = columns.run(place);
  leases.erase(run.number);
  if (is_over(run.status) || run.is_deleted) return;
  for (const TextPair& tag : run.tags) {
    if (columns.texts().text(tag.key) != kLeaseTag) continue;
    const Result<TimeUs> period = base::parse_duration(columns.texts().text(tag.value));
    if (period) leases[run.number] = {*period, clock.now()};
  }
}

void RunBook::State::read_leases(std::uint32_t from) {
  if (!columns.texts().find(kLeaseTag)) return;
  for (std::uint32_t place = from; place < columns.size(); ++place) read_lease(place);
}

void RunBook::State::beat(std::int64_t run) {
  const auto found = leases.find(run);
  if (found != leases.end()) found->second.last_beat = clock.now();
}

Status RunBook::heartbeat(std::string_view run_id) {
  const std::unique_lock guard(state_->lock);
  const std::optional<std::uint32_t> place = state_->columns.find(run_id);
  if (!place) return fail(ErrorCode::not_found, "Run with id=" + std::string(run_id) + " not found");
  state_->beat(state_->columns.run(*place).number);
  return {};
}

namespace {

// What fsck holds the runs against: when leases were last looked at, and the last heartbeats known then.
Status keep_look(store::Home& home, const Json& look) {
  return home.database().write([&look](Connection& connection) {
    return connection.prepare("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)")
        .with(kLeaseLookSetting, look.dump())
        .run();
  });
}

}  // namespace

Result<std::vector<std::string>> RunBook::end_overdue_leases() {
  std::vector<std::shared_ptr<EndLease<State>>> overdue;
  const TimeUs now = state_->clock.now();
  Json beats = Json::object();
  {
    const std::shared_lock guard(state_->lock);
    if (state_->leases.empty()) return std::vector<std::string>();
    for (const auto& [number, lease] : state_->leases) {
      const std::optional<std::uint32_t> place = state_->columns.find_number(number);
      if (!place) continue;
      beats.set(std::string(state_->columns.run(*place).id), lease.last_beat);
      if (now - lease.last_beat <= lease.period) continue;
      auto end = std::make_shared<EndLease<State>>();
      end->run_id = state_->columns.run(*place).id;
      end->period = lease.period;
      end->last_beat = lease.last_beat;
      end->now = now;
      overdue.push_back(std::move(end));
    }
  }
  std::vector<std::string> ended;
  for (const auto& end : overdue) {
    std::promise<Status> written;
    state_->write(end, [&written](Status status) { written.set_value(std::move(status)); });
    TRY(written.get_future().get());
    if (end->run != 0) ended.push_back(end->run_id);
  }
  TRY(keep_look(state_->home, Json::object({{"time", now}, {"heartbeats", std::move(beats)}})));
  return ended;
}

}  // namespace trimtab::registry
