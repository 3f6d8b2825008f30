#include "heal/healer.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/log.h"

namespace trimtab::heal {
namespace {

constexpr TimeUs kStopSeenWithin = 50 * base::kMillisecondUs;

}  // namespace

struct Healer::State {
  State(const base::Clock& clock_, base::ManualClock* manual_, Rounds& rounds_, std::vector<Ward*> wards_,
        LookAt look_at_, HealerOptions options_)
      : clock(clock_),
        manual(manual_),
        rounds(rounds_),
        wards(std::move(wards_)),
        look_at(std::move(look_at_)),
        options(options_) {}

  const base::Clock& clock;
  base::ManualClock* manual;
  Rounds& rounds;
  std::vector<Ward*> wards;
  LookAt look_at;
  HealerOptions options;

  struct Wish {
    std::optional<TimeUs> advance_to;
    std::function<Status()> work;
    std::function<void(Status)> done;
  };
  std::mutex mutex;
  std::condition_variable news;
  std::deque<Wish> wishes;
  std::atomic<bool> stopping{false};
  std::thread thread;

  void ask(Wish wish) {
    std::scoped_lock lock(mutex);
    wishes.push_back(std::move(wish));
    news.notify_all();
  }
  void loop();
  Status await_recovery() const;
  Status serve(const Wish& wish);
  Status advance(TimeUs to);
  std::optional<TimeUs> next_due();
  Status look();
};

// The loop: serves wishes in order, and looks of its own accord when the real clock runs.
void Healer::State::loop() {
  while (true) {
    Wish wish;
    {
      std::unique_lock lock(mutex);
      const auto pause = std::chrono::microseconds(options.look_every);
      news.wait_for(lock, pause, [this] { return stopping || !wishes.empty(); });
      if (stopping && wishes.empty()) return;
      if (!wishes.empty()) {
        wish = std::move(wishes.front());
        wishes.pop_front();
      } else if (manual != nullptr) {
        continue;  // Time stands still: nothing can have become due.
      }
    }
    const Status status = serve(wish);
    // Who asked hears what went wrong; a look of the loop's own accord has only the log to tell.
    if (!status && !wish.done) base::log_error("heal", base::render(status.error()));
    if (wish.done) wish.done(status);
  }
}

// Nothing is decided of an endpoint before all is known again that was known of it. Who asks waits for that.
Status Healer::State::await_recovery() const {
  for (const Ward* ward : wards) {
    while (!ward->recovery().wait(kStopSeenWithin)) {
      if (stopping) return fail(ErrorCode::cancelled, "the server is stopping");
    }
  }
  return {};
}

Status Healer::State::serve(const Wish& wish) {
  if (wish.done) TRY(await_recovery());
  if (stopping) return fail(ErrorCode::cancelled, "the server is stopping");
  if (wish.work) return wish.work();
  if (wish.advance_to) return advance(*wish.advance_to);
  return look();
}

// Moves the clock from due time to due time, so that nothing is decided later than it would have been.
Status Healer::State::advance(TimeUs to) {
  if (manual == nullptr) return fail(ErrorCode::invalid, "this server's clock is not manual");
  // Whoever moves the clock has heard that the time before is over: a crash must not take its rows back.
  // Where the disk refuses them they wait in memory, and the endpoint takes no more: time goes on.
  for (Ward* ward : wards) {
    ward->endpoint().settle();
    (void)ward->log().flush();
  }
  for (std::optional<TimeUs> due = next_due(); due && *due <= to && !stopping; due = next_due()) {
    if (*due > clock.now()) manual->advance_to(*due);
    TRY(look());
    // What is still due now waits for something else than time (a label, a person).
    const std::optional<TimeUs> again = next_due();
    if (again && *again <= clock.now()) break;
  }
  manual->advance_to(to);
  return look();
}

std::optional<TimeUs> Healer::State::next_due() {
  std::optional<TimeUs> due;
  for (Ward* ward : wards) {
    const std::optional<TimeUs> of_ward = rounds.next_due(*ward);
    if (of_ward && (!due || *of_ward < *due)) due = of_ward;
  }
  return due;
}

Status Healer::State::look() {
  Status first;
  for (Ward* ward : wards) {
    if (!ward->recovery().is_over()) continue;
    // One endpoint's trouble is no reason to leave the others alone.
    Status status = look_at(rounds, *ward);
    if (!status && first) first = std::move(status);
  }
  return first;
}

Healer::Healer(const base::Clock& clock, base::ManualClock* manual, Rounds& rounds, std::vector<Ward*> wards,
               LookAt look_at, HealerOptions options)
    : state_(std::make_unique<State>(clock, manual, rounds, std::move(wards), std::move(look_at), options)) {}

Healer::~Healer() {
  {
    std::scoped_lock lock(state_->mutex);
    state_->stopping = true;
  }
  state_->news.notify_all();
  if (state_->thread.joinable()) state_->thread.join();
}

void Healer::start() {
  state_->thread = std::thread([this] { state_->loop(); });
}

void Healer::look(std::function<void(Status)> done) { state_->ask({std::nullopt, {}, std::move(done)}); }

void Healer::advance(TimeUs to, std::function<void(Status)> done) { state_->ask({to, {}, std::move(done)}); }

void Healer::run(std::function<Status()> work, std::function<void(Status)> done) {
  state_->ask({std::nullopt, std::move(work), std::move(done)});
}

}  // namespace trimtab::heal
