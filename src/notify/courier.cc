#include "notify/courier.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "base/base64.h"
#include "base/hmac.h"
#include "base/id.h"
#include "base/log.h"
#include "base/outbound.h"
#include "notify/egress.h"
#include "notify/mail.h"

namespace trimtab::notify {
namespace {

constexpr TimeUs kPatience = 10 * base::kSecondUs;
constexpr TimeUs kFirstPause = base::kSecondUs;
constexpr TimeUs kLongestPause = base::kHourUs;
constexpr std::int64_t kAttemptsMax = 32;  // About a day.
constexpr std::int64_t kRound = 16;
constexpr auto kLook = std::chrono::seconds(1);
constexpr std::size_t kAnswerBytesMax = 64u << 10;
constexpr std::size_t kTriesWaitingMax = 64;

std::string request_text(const Url& url, const Receiver& receiver, const std::string& delivery_id,
                         const std::string& body, TimeUs now) {
  const std::string timestamp = std::to_string(now / base::kSecondUs);
  std::string text = "POST " + url.target + " HTTP/1.1\r\nHost: " + url.authority() +
                     "\r\nUser-Agent: trimtab\r\nContent-Type: application/json\r\nConnection: close"
                     "\r\nContent-Length: " +
                     std::to_string(body.size()) + "\r\nX-MLflow-Delivery-Id: " + delivery_id +
                     "\r\nX-MLflow-Timestamp: " + timestamp;
  if (!receiver.secret.empty()) {
    const std::string signed_text = delivery_id + "." + timestamp + "." + body;
    text += "\r\nX-MLflow-Signature: v1," + base::to_base64(base::hmac_sha256(receiver.secret, signed_text));
  }
  return text + "\r\n\r\n" + body;
}

// Of a chunked body what is whole.
std::string without_chunks(std::string_view text) {
  std::string body;
  while (true) {
    const std::size_t end = text.find("\r\n");
    std::size_t size = 0;
    for (const char c : text.substr(0, end == std::string_view::npos ? 0 : std::min<std::size_t>(end, 6))) {
      const std::size_t digit = std::string_view("0123456789abcdef").find(c >= 'A' && c <= 'F' ? c + 32 : c);
      if (digit == std::string_view::npos) break;
      size = size * 16 + digit;
    }
    if (size == 0) return body;
    body += text.substr(end + 2, size);
    if (text.size() < end + size + 4) return body;
    text.remove_prefix(end + size + 4);
  }
}

Result<Answer> read_answer(base::Outbound& connection) {
  std::string text;
  while (text.size() < kAnswerBytesMax) {
    Result<std::string> part = connection.read(kAnswerBytesMax - text.size());
    // Whoever answered and then hangs has answered.
    if (!part && text.find("\r\n\r\n") != std::string::npos) break;
    if (!part) return fail(part.error());
    if (part->empty()) break;
    text += *part;
  }
  const std::size_t end = text.find("\r\n\r\n");
  const bool is_http = text.starts_with("HTTP/1.") && text.size() > 12 && end != std::string::npos;
  Answer answer;
  for (std::size_t i = 9; is_http && i < 12 && text[i] >= '0' && text[i] <= '9'; ++i)
    answer.status = answer.status * 10 + (text[i] - '0');
  if (answer.status < 100) return fail(ErrorCode::busy, "the answer is no HTTP");
  std::string head = text.substr(0, end);
  for (char& c : head) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  answer.body = text.substr(end + 4);
  if (head.find("\r\ntransfer-encoding: chunked") != std::string::npos)
    answer.body = without_chunks(answer.body);
  return answer;
}

// Later and later, and never all at the same moment.
TimeUs pause_after(const Delivery& delivery) {
  const auto doublings = static_cast<int>(std::min<std::int64_t>(delivery.attempts, 12));
  const TimeUs pause = std::min(kLongestPause, kFirstPause << doublings);
  return pause + delivery.sequence * 7919 % (pause / 4);
}

// Why it was not taken, and whether trying again may help. Nothing: it was.
struct Refusal {
  std::string why;
  bool is_final = false;
};
std::optional<Refusal> refusal_of(const Result<Answer>& answer) {
  if (!answer) return Refusal{answer.error().message, answer.error().code == ErrorCode::invalid};
  const int status = answer->status;
  if (status < 300) return std::nullopt;
  const std::string why = "the receiver answered " + std::to_string(status);
  if (status < 400) return Refusal{why + ", a redirect; those are not followed", true};
  return Refusal{why, status < 500 && status != 408 && status != 425 && status != 429};
}

}  // namespace

Result<Answer> post_event(const store::Home& home, const Receiver& receiver, const std::string& delivery_id,
                          const std::string& body, TimeUs now, TimeUs patience) {
  const TimeUs deadline = base::steady_now() + patience;
  const Url url = TRY(parse_url(receiver.url));
  const Egress egress = TRY(Egress::read(home.folder()));
  Error problem{ErrorCode::busy, "'" + url.host + "' has no address", {}, std::nullopt, nullptr};
  for (const Address& address : TRY(egress.resolve(url))) {
    Result<base::Outbound> connection =
        base::Outbound::connect(address.text, address.port, url.is_secure ? url.host : "", deadline);
    if (!connection) {
      problem = connection.error();
      continue;
    }
    TRY(connection->write(request_text(url, receiver, delivery_id, body, now)));
    return read_answer(*connection);
  }
  return fail(std::move(problem));
}

namespace {

// One attempt, whichever way it goes. A mail that the relay took counts as any other answer of success.
Result<Answer> attempt(const store::Home& home, const Delivery& delivery, TimeUs now) {
  if (!is_mail(delivery.url)) {
    return post_event(home, {delivery.url, delivery.secret}, delivery.id, delivery.body, now, kPatience);
  }
  TRY(send_mail(home, delivery, now, kPatience));
  return Answer{200, ""};
}

}  // namespace

struct Courier::State {
  struct Trial {
    Receiver receiver;
    Event event;
    std::function<void(Result<Answer>)> done;
  };

  store::Home& home;
  const base::Clock& clock;
  std::mutex mutex;
  std::condition_variable woken;
  std::deque<Trial> trials;
  bool stops = false;
  std::thread thread;

  void run_trial(Trial trial) const {
    const TimeUs now = clock.now();
    trial.done(
        post_event(home, trial.receiver, base::random_id(), event_body(trial.event, now), now, kPatience));
  }
};

Courier::Courier(store::Home& home, const base::Clock& clock)
    : state_(new State{home, clock, {}, {}, {}, false, {}}) {}

Courier::~Courier() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stops = true;
  }
  state_->woken.notify_all();
  if (state_->thread.joinable()) state_->thread.join();
  for (State::Trial& trial : state_->trials) trial.done(fail(ErrorCode::cancelled, "the server stops"));
}

void Courier::start() {
  state_->thread = std::thread([this] {
    std::unique_lock lock(state_->mutex);
    while (!state_->stops) {
      if (!state_->trials.empty()) {
        State::Trial trial = std::move(state_->trials.front());
        state_->trials.pop_front();
        lock.unlock();
        state_->run_trial(std::move(trial));
        lock.lock();
        continue;
      }
      lock.unlock();
      const Result<int> attempts = carry();
      if (!attempts) base::log_warning("notify", "the outbox cannot be read: " + attempts.error().message);
      lock.lock();
      const bool has_more = attempts && *attempts > 0;
      if (!has_more && !state_->stops && state_->trials.empty()) state_->woken.wait_for(lock, kLook);
    }
  });
}

Result<int> Courier::carry() {
  State& state = *state_;
  int attempts = 0;
  std::vector<Delivery> refused;
  for (const Delivery& delivery : TRY(due_deliveries(state.home, state.clock.now(), kRound))) {
    {
      const std::lock_guard lock(state.mutex);
      if (state.stops) break;
    }
    // Its receiver has just refused an earlier one: this one waits as long.
    const bool is_behind = std::any_of(refused.begin(), refused.end(), [&](const Delivery& earlier) {
      return earlier.webhook_id == delivery.webhook_id && earlier.url == delivery.url;
    });
    if (is_behind) continue;
    ++attempts;
    const TimeUs now = state.clock.now();
    const std::optional<Refusal> refusal = refusal_of(attempt(state.home, delivery, now));
    if (!refusal) {
      TRY(note_delivered(state.home, delivery));
      continue;
    }
    const bool gives_up = refusal->is_final || delivery.attempts + 1 >= kAttemptsMax;
    const std::optional<TimeUs> next = gives_up ? std::nullopt : std::optional(now + pause_after(delivery));
    if (next) refused.push_back(delivery);
    TRY(note_failed(state.home, delivery, next, refusal->why));
    // Not the whole URL: its path may be a secret.
    const Result<Url> url = parse_url(delivery.url);
    const std::string whom = url ? url->authority() : is_mail(delivery.url) ? "the relay" : "its receiver";
    base::log_warning("notify", delivery.event + " was not taken by " + whom + ": " + refusal->why +
                                    (next ? "" : "; given up"));
  }
  return attempts;
}

void Courier::try_out(Receiver receiver, Event event, std::function<void(Result<Answer>)> done) {
  bool is_full = false;
  {
    const std::lock_guard lock(state_->mutex);
    is_full = state_->trials.size() >= kTriesWaitingMax;
    if (!is_full) state_->trials.push_back({std::move(receiver), std::move(event), std::move(done)});
  }
  if (is_full) return done(fail(ErrorCode::busy, "too many webhooks are being tried", "try again later"));
  state_->woken.notify_all();
}

}  // namespace trimtab::notify
