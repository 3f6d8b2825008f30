// The life of a connection: requests are read, judged, handled and answered, one at a time; pipelined ones
// wait in its buffer, and for the requests of others. So answers keep their order, the views of a Request
// stay where they are, and no client can have more than one request in flight. Callbacks only, because g++ 12
// miscompiles coroutines.
#include "http/live_connection.h"

#include <algorithm>
#include <optional>

#include "base/log.h"
#include "http/body_file.h"
#include "http/byte_stream.h"
#include "http/percent.h"
#include "http/reply_text.h"
#include "http/request_reader.h"

namespace trimtab::http {
namespace {

constexpr std::size_t kFlushBytes = 64u << 10;   // Pipelined answers are gathered up to here.
constexpr std::size_t kCopiedBody = 16u << 10;   // Larger reply bodies are written from where they are.
constexpr std::size_t kSkippedBody = 64u << 10;  // A refused body up to here is read to keep the connection.
constexpr base::TimeUs kLingerUs = 2 * base::kSecondUs;
constexpr std::uint64_t kReaderBytesPerSecond = 64u << 10;  // Slower readers of large replies are cut off.
constexpr std::size_t kPartBytes = 128u << 10;              // Of a reply's file.

Reply refusal(ErrorCode code, std::string message, std::string hint = {}, int status = 0) {
  return error_reply({code, std::move(message), std::move(hint), std::nullopt, nullptr}, status);
}

// Everything runs on the io thread, but for a pool handler, which reads the request.
class ClientConnection final : public LiveConnection {
 public:
  ClientConnection(Shared& shared, IoThread& io, Accepted client);
  ~ClientConnection() override { shared_.large_bytes -= accounted_; }

  void start() override { advance(); }
  void start_refused() override;
  void delivered(Reply reply) override;
  void check_deadline() override;
  void drain(bool everything) override;

 private:
  enum class Phase : std::uint8_t {
    reading,   // Between requests, or in one.
    proving,   // It is being found out who asks.
    handling,  // The handler or its promise has the request.
    storing,   // A part of the body is on its way to a file.
    sending,   // A reply's file is on its way, part by part.
    ending,    // The last reply is on its way; whatever still comes in is thrown away.
    closed,
  };

  void advance();
  void go_on_later();
  bool step();
  bool judge_head();
  bool ask_who(std::function<Admission()> proof);
  void admitted(Admission admission);
  bool settle_head();
  std::optional<Reply> find_route();
  Reply worded(const Error& error, int status) const;
  Reply no_route(const Router::Match& match) const;
  bool handle();
  bool handle_in_pool(std::shared_ptr<Ticket> ticket);
  std::optional<Reply> receive_file();
  bool store_part();
  void stored(const Status& status);
  void send_part();
  void part_read(Result<std::string> bytes, ReplyFile rest);
  void answer(Reply reply);
  void refuse(Reply reply);
  bool refuse_and_end(Reply reply);
  bool answer_and_end(Reply reply);

  bool flush();
  void wait_until_writable(std::size_t left, ByteStream::Wants wants);
  void receive();
  void receive_into(std::span<char> room);
  void received(std::size_t count);
  void linger();
  void close();
  void retire_when_over();
  bool account_for(std::uint64_t large_bytes);
  base::TimeUs after(base::TimeUs duration) const { return io_.now() + duration; }
  // The time that so many bytes may take at the slowest pace that is still fair.
  base::TimeUs after_moving(std::uint64_t bytes) const {
    const auto patience = static_cast<base::TimeUs>(bytes / kReaderBytesPerSecond) * base::kSecondUs;
    return after(shared_.options.idle_timeout + patience);
  }

  Shared& shared_;
  IoThread& io_;
  const bool from_loopback_;
  const std::string address_;
  ByteStream stream_;
  Phase phase_ = Phase::reading;

  RequestReader reader_;
  const Route* route_ = nullptr;  // Of the present request.
  std::optional<Reply> refusal_;  // Given once its body has been read over.
  bool keep_alive_ = true;

  std::unique_ptr<BodyFile> body_file_;  // Of the present request.
  std::optional<ReplyFile> reply_file_;  // What of it has not been read yet.
  Phase after_file_ = Phase::reading;

  std::string output_;           // Heads and small bodies of replies.
  std::string large_body_;       // Of the last reply in output_.
  std::size_t written_ = 0;      // Of both.
  std::uint64_t accounted_ = 0;  // This connection's share of large_bytes.
  base::TimeUs deadline_ = 0;    // 0: none.
  bool is_timed_ = false;        // The deadline of the present request has been set.
  bool is_write_timed_ = false;  // And that of the present output.
  bool is_reading_ = false;      // The socket waits for bytes.
  bool is_writing_ = false;      // The socket waits until it can take more.
  bool is_yielding_ = false;     // Others have their turn first.
  bool is_pipelined_ = false;    // The present request came before the answer to the one before.
  bool is_awaited_ = false;      // A ticket still refers to this connection.
  bool is_lingering_ = false;
  bool is_retired_ = false;
};

ClientConnection::ClientConnection(Shared& shared, IoThread& io, Accepted client)
    : shared_(shared),
      io_(io),
      from_loopback_(client.from_loopback),
      address_(std::move(client.address)),
      stream_(io, std::move(client), shared.options.tls.get()),
      reader_({shared.options.body_bytes_max, shared.options.header_bytes_max}) {}

void ClientConnection::start_refused() {
  const std::string open = std::to_string(shared_.options.connections_max);
  answer_and_end(refusal(ErrorCode::busy, "the server is busy: " + open + " connections are open",
                         "try again in a moment"));
  advance();
}

// Goes as far as the bytes at hand allow, then waits for whatever is missing.
void ClientConnection::advance() {
  if (is_writing_ || is_yielding_) return;  // Comes back when the socket can be written to, or in its turn.
  while (phase_ != Phase::closed) {
    bool more = true;
    while (more && large_body_.empty() && output_.size() < kFlushBytes) more = step();
    if (!flush()) return;
    if (!more) break;
    // Much has been answered and more is asked for already: first come the requests of others.
    if (phase_ == Phase::reading && !reader_.is_between_requests()) return go_on_later();
  }
  if (phase_ == Phase::sending && !is_awaited_) send_part();
  if (phase_ == Phase::ending) linger();
  if (phase_ == Phase::reading) receive();
}

void ClientConnection::go_on_later() {
  is_yielding_ = true;
  io_.post([this] {
    is_yielding_ = false;
    if (phase_ == Phase::closed) return retire_when_over();
    advance();
  });
}

// One stage of a request. False when it cannot go on before bytes, an answer or the end come.
bool ClientConnection::step() {
  if (phase_ != Phase::reading) return false;
  switch (reader_.advance()) {
    case RequestReader::Progress::wants_bytes:
      return false;
    case RequestReader::Progress::has_head:
      return judge_head();
    case RequestReader::Progress::has_part:
      return store_part();
    case RequestReader::Progress::has_request:
      return handle();
    case RequestReader::Progress::refused:
      break;
  }
  constexpr int kAddressTooLong = 414;  // Then the path is known, and nothing else.
  const int status = reader_.refusal_status();
  return answer_and_end(status == kAddressTooLong ? worded(reader_.refusal(), status)
                                                  : error_reply(reader_.refusal(), status));
}

// Decides everything that needs no body, so that a refused one need not be read.
bool ClientConnection::judge_head() {
  Request& request = reader_.request();
  request.from_loopback = from_loopback_;
  request.peer = address_;
  keep_alive_ = reader_.keep_alive();
  refusal_ = shared_.guard.refuse_caller(request);
  if (!refusal_) refusal_ = find_route();
  if (!refusal_ && shared_.options.doorkeeper) {
    Admission admission = shared_.options.doorkeeper->admit(request, *route_);
    if (admission.proof) return ask_who(std::move(admission.proof));
    refusal_ = std::move(admission.refusal);
    request.caller = std::move(admission.caller);
  } else if (!refusal_) {
    refusal_ = shared_.guard.refuse_without_token(request, *route_);
  }
  return settle_head();
}

// Nothing is received meanwhile.
bool ClientConnection::ask_who(std::function<Admission()> proof) {
  phase_ = Phase::proving;
  is_awaited_ = true;
  const bool is_taken = shared_.proofs.submit(
      [this, proof = std::move(proof)] { io_.post([this, admission = proof()] { admitted(admission); }); });
  if (is_taken) return false;
  is_awaited_ = false;
  phase_ = Phase::reading;
  refusal_ = refusal(ErrorCode::busy, "the server is busy: too many callers want to sign in",
                     "try again in a moment");
  return settle_head();
}

void ClientConnection::admitted(Admission admission) {
  is_awaited_ = false;
  if (phase_ == Phase::closed) return retire_when_over();
  phase_ = Phase::reading;
  refusal_ = std::move(admission.refusal);
  reader_.request().caller = std::move(admission.caller);
  settle_head();
  advance();
}

// What becomes of the body, when it is known whether the request is refused.
bool ClientConnection::settle_head() {
  if (!refusal_) refusal_ = Guard::refuse_type(reader_.request(), *route_);
  const bool goes_to_file = !refusal_ && route_->takes_files && !shared_.options.body_folder.empty() &&
                            reader_.body_size() > kSkippedBody;
  if (!goes_to_file && reader_.body_size() > shared_.options.body_bytes_max) {
    reader_.refuse_large_body();
    return refuse_and_end(refusal_ ? *std::move(refusal_) : error_reply(reader_.refusal()));
  }
  if (goes_to_file && (refusal_ = receive_file())) return refuse_and_end(*std::move(refusal_));
  if (reader_.has_whole_body()) return true;
  const bool is_long = reader_.is_chunked() || reader_.body_size() > kSkippedBody;
  if (refusal_ && (is_long || reader_.expects_continue())) return refuse_and_end(*std::move(refusal_));
  if (reader_.expects_continue()) output_ += "HTTP/1.1 100 Continue\r\n\r\n";
  return true;
}

// Sets route_ and the request's path, or says why there is none for this caller.
std::optional<Reply> ClientConnection::find_route() {
  constexpr std::array<std::string_view, 7> kKnown = {"GET",  "POST",  "PUT",    "DELETE",
                                                      "HEAD", "PATCH", "OPTIONS"};
  Request& request = reader_.request();
  if (std::find(kKnown.begin(), kKnown.end(), request.method) == kKnown.end()) {
    return refusal(ErrorCode::unsupported, "the method '" + shown(request.method) + "' is not known here");
  }
  Result<Router::Match> match = shared_.router.find(request.method, request.path);
  if (!match) return worded(match.error(), 400);
  if (match->route == nullptr) return no_route(*match);
  route_ = match->route;
  request.path_values = std::move(match->path_values);
  if (request.path.find('%') != std::string_view::npos) {
    reader_.set_decoded_path(decode_percent(request.path).value_or(""));
  }
  return std::nullopt;
}

Reply ClientConnection::worded(const Error& error, int status) const {
  std::optional<Reply> reply;
  if (shared_.options.no_route) reply = shared_.options.no_route(reader_.request().path, error, status);
  return reply ? *std::move(reply) : error_reply(error, status);
}

Reply ClientConnection::no_route(const Router::Match& match) const {
  const Request& request = reader_.request();
  if (match.other_methods.empty()) {
    const std::string nearest = shared_.router.nearest(request.path);
    return worded(
        {ErrorCode::not_found, "there is nothing at '" + shown(request.path) + "'",
         nearest.empty() ? "GET /openapi.json lists every path" : "did you mean '" + shown(nearest) + "'?",
         std::nullopt, nullptr},
        404);
  }
  std::string allowed = match.allowed();
  Reply reply = worded({ErrorCode::unsupported,
                        "'" + shown(request.path) + "' does not answer to " + std::string(request.method),
                        "it answers to " + allowed, std::nullopt, nullptr},
                       405);
  reply.headers.emplace_back("Allow", std::move(allowed));
  return reply;
}

// Makes the file that the body goes to, and gives the body the time it needs at a fair pace.
std::optional<Reply> ClientConnection::receive_file() {
  Result<std::unique_ptr<BodyFile>> file = BodyFile::create(shared_.options.body_folder);
  if (!file) return error_reply(file.error());
  body_file_ = *std::move(file);
  deadline_ = after_moving(reader_.body_size());
  is_timed_ = true;
  reader_.stream_body();
  return std::nullopt;
}

// Nothing is received meanwhile, so the part stays where it is, and the sender waits for the disk.
bool ClientConnection::store_part() {
  phase_ = Phase::storing;
  is_awaited_ = true;
  const bool is_taken = shared_.disk.submit([this, part = reader_.part()] {
    Status status = body_file_->append(part);
    io_.post([this, status = std::move(status)] { stored(status); });
  });
  if (!is_taken) stored(fail(ErrorCode::busy, "the server is stopping"));
  return false;
}

void ClientConnection::stored(const Status& status) {
  is_awaited_ = false;
  if (phase_ == Phase::closed) return retire_when_over();
  phase_ = Phase::reading;
  if (status) {
    reader_.take_part();
  } else {
    refuse_and_end(error_reply(status.error()));
  }
  advance();
}

void ClientConnection::send_part() {
  is_awaited_ = true;
  const bool is_taken = shared_.disk.submit([this, file = *reply_file_]() mutable {
    Result<std::string> bytes = read_part(file, kPartBytes);
    io_.post(
        [this, bytes = std::move(bytes), file]() mutable { part_read(std::move(bytes), std::move(file)); });
  });
  if (is_taken) return;
  is_awaited_ = false;
  close();
}

void ClientConnection::part_read(Result<std::string> bytes, ReplyFile rest) {
  is_awaited_ = false;
  if (phase_ == Phase::closed) return retire_when_over();
  // The status is on its way already: only the end of the connection can still say that this is not all.
  if (!bytes) {
    base::log_error("http", base::render(bytes.error()));
    return close();
  }
  large_body_ = *std::move(bytes);
  reply_file_ = std::move(rest);
  if (reply_file_->size == 0) {
    reply_file_.reset();
    phase_ = after_file_;
  }
  advance();
}

// The request is complete. True when it has its answer already.
bool ClientConnection::handle() {
  if (refusal_) {
    refuse(*std::move(refusal_));
    return true;
  }
  phase_ = Phase::handling;
  deadline_ = 0;
  if (body_file_) reader_.request().body_file = &body_file_->finish();
  auto ticket = std::make_shared<Ticket>(io_.mailbox(), this);
  if (route_->placement == Placement::pool) return handle_in_pool(std::move(ticket));
  if (std::optional<Reply> reply = call_handler(*route_, reader_.request(), ticket)) {
    answer(*std::move(reply));
    return true;
  }
  is_awaited_ = true;
  ticket->handler_returned();
  return false;
}

bool ClientConnection::handle_in_pool(std::shared_ptr<Ticket> ticket) {
  is_awaited_ = true;
  // Whoever does not wait for answers may be no reader of them either, and its requests can wait.
  const bool is_patient = is_pipelined_ || reader_.has_more_behind();
  const bool is_taken = shared_.pool.submit(
      [route = route_, &request = reader_.request(), ticket] {
        if (std::optional<Reply> reply = call_handler(*route, request, ticket))
          ticket->deliver(*std::move(reply));
        ticket->handler_returned();
      },
      is_patient ? HandlerPool::Queue::patient : HandlerPool::Queue::usual);
  if (is_taken) return false;
  is_awaited_ = false;
  ticket->settle();  // Nobody else will.
  const std::string waiting = std::to_string(shared_.pool.waiting());
  refuse(
      refusal(ErrorCode::busy, "the server is busy: " + waiting + " requests wait", "try again in a moment"));
  return true;
}

void ClientConnection::delivered(Reply reply) {
  is_awaited_ = false;
  if (phase_ == Phase::closed) return retire_when_over();
  answer(std::move(reply));
  advance();
}

// A refusal of the server's own, of a request whose head is known.
void ClientConnection::refuse(Reply reply) {
  if (shared_.options.reword) shared_.options.reword(reader_.request(), reply);
  answer(std::move(reply));
}

bool ClientConnection::refuse_and_end(Reply reply) {
  keep_alive_ = false;
  refuse(std::move(reply));
  return false;
}

bool ClientConnection::answer_and_end(Reply reply) {
  keep_alive_ = false;
  answer(std::move(reply));
  return false;
}

// Puts the reply into the output and makes the connection ready for the next request, or for its end.
void ClientConnection::answer(Reply reply) {
  const bool is_last = !keep_alive_ || shared_.ends_connections;
  // Browsers that have been here do not come back without TLS.
  if (stream_.is_encrypted()) reply.headers.emplace_back("Strict-Transport-Security", "max-age=31536000");
  append_reply_head(output_, reply, {.close = is_last, .say_keep = reader_.is_old()});
  const bool has_body = reader_.request().method != "HEAD" && status_has_body(reply.status);
  if (has_body && reply.file) reply_file_ = std::move(reply.file);
  if (has_body && !reply_file_) {
    if (reply.body.size() <= kCopiedBody) {
      output_ += reply.body;
    } else {
      large_body_ = std::move(reply.body);
    }
  }
  is_write_timed_ = is_timed_ = false;
  refusal_.reset();
  reader_.request().caller.reset();
  route_ = nullptr;
  body_file_.reset();
  after_file_ = is_last ? Phase::ending : Phase::reading;
  phase_ = reply_file_ ? Phase::sending : after_file_;
  if (reply_file_) {
    deadline_ = after_moving(reply_file_->size);
    is_write_timed_ = true;
  }
  if (is_last) return;
  reader_.next();
  is_pipelined_ = !reader_.is_between_requests();
  account_for(reader_.large_bytes());
}

// Writes what the socket takes. False when it must wait for the rest, or the connection is over.
bool ClientConnection::flush() {
  const std::size_t total = output_.size() + large_body_.size();
  while (written_ < total) {
    const std::size_t of_output = std::min(written_, output_.size());
    const std::size_t of_body = written_ - of_output;
    const ByteStream::Moved moved = stream_.write(std::string_view(output_).substr(of_output),
                                                  std::string_view(large_body_).substr(of_body));
    written_ += moved.bytes;
    if (moved.bytes > 0) continue;
    if (moved.wants == ByteStream::Wants::to_write || moved.wants == ByteStream::Wants::to_read) {
      wait_until_writable(total - written_, moved.wants);
    } else {
      close();
    }
    return false;
  }
  // A file has one deadline for all its parts.
  if (phase_ != Phase::sending) {
    if (is_write_timed_) deadline_ = 0;
    is_write_timed_ = false;
  }
  output_.clear();
  if (output_.capacity() > 2 * kFlushBytes) output_ = std::string();
  if (!large_body_.empty()) large_body_ = std::string();
  written_ = 0;
  return true;
}

// TLS may have to read before it can write.
void ClientConnection::wait_until_writable(std::size_t left, ByteStream::Wants wants) {
  // One deadline for all that is to be written, so that reading slowly gains nothing.
  if (!is_write_timed_) {
    deadline_ = after_moving(left);
    is_write_timed_ = true;
    is_timed_ = false;
  }
  is_writing_ = true;
  stream_.wait(wants, [this] {
    is_writing_ = false;
    if (phase_ == Phase::closed) return retire_when_over();
    advance();
  });
}

void ClientConnection::receive() {
  if (is_reading_) return;
  const bool is_idle = reader_.is_between_requests();
  if (is_idle && shared_.stopping) return close();
  // A request has one deadline from its first byte to its last, so that sending slowly gains nothing either.
  if (is_idle || !is_timed_) deadline_ = after(shared_.options.idle_timeout);
  is_timed_ = !is_idle;
  const std::span<char> room = reader_.room();
  if (account_for(reader_.large_bytes())) return receive_into(room);
  answer_and_end(refusal(ErrorCode::busy, "the server is busy: it is receiving too many large bodies",
                         "try again in a moment"));
  advance();
}

void ClientConnection::receive_into(std::span<char> room) {
  is_reading_ = true;
  stream_.read(room, [this](std::size_t count) { received(count); });
}

void ClientConnection::received(std::size_t count) {
  is_reading_ = false;
  if (phase_ == Phase::closed) return retire_when_over();
  if (count == 0) return close();
  if (phase_ == Phase::reading) reader_.received(count);
  advance();
}

// Closing at once would reset the connection while the client still sends, and it might never see the reply.
void ClientConnection::linger() {
  if (is_reading_) return;
  if (!is_lingering_) {
    is_lingering_ = true;
    deadline_ = after(kLingerUs);
    stream_.end_writing();
    reader_.discard();
    account_for(reader_.large_bytes());
  }
  receive_into(reader_.room());
}

void ClientConnection::close() {
  if (phase_ == Phase::closed) return;
  phase_ = Phase::closed;
  stream_.close();
  retire_when_over();
}

void ClientConnection::retire_when_over() {
  if (is_reading_ || is_writing_ || is_yielding_ || is_awaited_ || is_retired_) return;
  is_retired_ = true;
  io_.retire(this);
}

void ClientConnection::check_deadline() {
  if (deadline_ != 0 && io_.now() > deadline_) close();
}

void ClientConnection::drain(bool everything) {
  const bool has_request = phase_ != Phase::reading || !reader_.is_in_head();
  if (everything || (!has_request && !is_writing_)) close();
}

// Counts what this connection holds beyond its share. False when all of them together now hold too much.
bool ClientConnection::account_for(std::uint64_t large_bytes) {
  if (large_bytes == accounted_) return true;
  const bool grows = large_bytes > accounted_;
  const std::uint64_t total = shared_.large_bytes += large_bytes - accounted_;
  accounted_ = large_bytes;
  return !grows || total <= shared_.options.received_bytes_max;
}

}  // namespace

std::unique_ptr<LiveConnection> LiveConnection::make(Shared& shared, IoThread& io, Accepted client) {
  return std::make_unique<ClientConnection>(shared, io, std::move(client));
}

}  // namespace trimtab::http
