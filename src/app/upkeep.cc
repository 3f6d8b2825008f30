#include "app/upkeep.h"

#include <chrono>
#include <filesystem>
#include <future>
#include <utility>

#include "app/backup_report.h"
#include "app/garbage.h"
#include "base/log.h"
#include "store/backup.h"

namespace trimtab::app {
namespace {

// A row that names a blob follows it at once; this is very generous.
constexpr TimeUs kYoungUs = 10 * base::kMinuteUs;
constexpr std::chrono::seconds kLookEvery(10);

tl::unexpected<Error> stopping() {
  return fail(ErrorCode::cancelled, "the server is stopping", "send the same request again when it is back");
}

}  // namespace

Upkeep::Upkeep(store::Home& home, registry::RunBook& runs, const base::Clock& clock, heal::Healer& healer,
               std::optional<project::Retention> retention)
    : home_(home), runs_(runs), clock_(clock), healer_(healer), retention_(std::move(retention)) {}

Upkeep::~Upkeep() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  for (const Order& order : orders_) order.done(stopping());
}

void Upkeep::start() {
  thread_ = std::thread([this] { work(); });
}

void Upkeep::run(const std::string& task, const Json& wish, Done done) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) {
      orders_.push_back({task, wish, std::move(done)});
      wake_.notify_all();
      return;
    }
  }
  done(stopping());
}

void Upkeep::work() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const bool is_woken = wake_.wait_for(lock, kLookEvery, [this] { return stopping_ || !orders_.empty(); });
    if (stopping_) return;
    if (!is_woken) {
      lock.unlock();
      look();
      lock.lock();
      continue;
    }
    const Order order = std::move(orders_.front());
    orders_.pop_front();
    lock.unlock();
    order.done(carry_out(order));
    lock.lock();
  }
}

void Upkeep::look() {
  const Result<std::vector<std::string>> ended = runs_.end_overdue_leases();
  if (!ended) base::log_warning("app", "leases: " + base::render(ended.error()));
  if (ended && !ended->empty()) {
    base::log_info("app",
                   std::to_string(ended->size()) + " runs have failed: nothing was heard of them in time");
  }
  const Status kept = keep_retention();
  if (!kept) base::log_warning("app", "retention: " + base::render(kept.error()));
}

// Once a day of the home's clock, also over restarts.
Status Upkeep::keep_retention() {
  if (!retention_) return {};
  const TimeUs now = clock_.now();
  bool is_due = true;
  TRY(home_.database().read([&](store::Connection& connection) -> Status {
    store::Statement row =
        connection.prepare("SELECT CAST(value AS INTEGER) FROM setting WHERE name = 'retention_kept_at'");
    if (TRY(row.step())) is_due = now - row.integer(0) >= base::kDayUs;
    return {};
  }));
  if (!is_due) return {};
  const Json report = TRY(collect(Json::object()));
  base::log_info("app", "retention: " + report.text_or("text"));
  return home_.database().write([now](store::Connection& connection) {
    return connection.prepare("INSERT OR REPLACE INTO setting (name, value) VALUES ('retention_kept_at', ?)")
        .with(std::to_string(now))
        .run();
  });
}

Result<Json> Upkeep::carry_out(const Order& order) {
  if (order.task == "gc") return collect(order.wish);
  if (order.task == "backup") return back_up(order.wish);
  return fail(ErrorCode::internal, "there is no upkeep called '" + order.task + "'");
}

// Steps run on the loop's thread alone.
Status Upkeep::between_steps(std::function<Status()> work) {
  std::promise<Status> finished;
  healer_.run(std::move(work), [&finished](Status status) { finished.set_value(std::move(status)); });
  return finished.get_future().get();
}

Result<Json> Upkeep::back_up(const Json& json) {
  const std::string to = json.text_or("to");
  if (!std::filesystem::path(to).is_absolute()) {
    return fail(ErrorCode::invalid, "'to' is no absolute path: '" + to + "'",
                R"(send {"to":"/backups/monday"})");
  }
  const TimeUs began = base::steady_now();
  const store::BackupReport report = TRY(store::back_up(home_, clock_, to));
  return backup_json(report, "Backed up", base::steady_now() - began, after_backup(to));
}

Result<Json> Upkeep::collect(const Json& json) {
  const GarbageWish wish = TRY(GarbageWish::from_json(json, retention_));
  const auto between = [this](std::function<Status()> work) { return between_steps(std::move(work)); };
  return TRY(collect_garbage(home_, runs_, clock_, wish, "gc", kYoungUs, between)).to_json();
}

}  // namespace trimtab::app
