// The server's sockets: the only file that knows Boost. Callbacks only, because g++ 12 miscompiles coroutines.
//
// Each io thread has an io_context and its own connections, and touches nobody else's: so neither locks nor counted
// references are needed on the way of a request. An answer given on another thread comes home through the Mailbox
// of the connection's io thread, many in one wake-up when the commit thread completes a group.
// A connection handles one request at a time; pipelined ones wait in its buffer. So answers keep their order, the
// views of a Request stay where they are, and no client can have more than one request in flight.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <condition_variable>
#include <exception>
#include <future>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

#include "base/file.h"
#include "base/log.h"
#include "http/guard.h"
#include "http/handler_pool.h"
#include "http/percent.h"
#include "http/receive_buffer.h"
#include "http/reply_text.h"
#include "http/server.h"

namespace trimtab::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;
using tcp = asio::ip::tcp;

constexpr std::size_t kTargetMax = 8u << 10;
constexpr std::size_t kHeadersMax = 256;
constexpr std::size_t kBufferBytes = 8u << 10;     // Of a new connection.
constexpr std::size_t kKeptBytes = 64u << 10;      // What a connection may keep between requests.
constexpr std::size_t kFlushBytes = 64u << 10;     // Pipelined answers are gathered up to here.
constexpr std::size_t kCopiedBody = 16u << 10;     // Larger reply bodies are written from where they are.
constexpr std::size_t kSkippedBody = 64u << 10;    // A refused request's body up to here is read to keep the connection.
constexpr int kRefusedConnectionsMax = 64;         // That are told "busy" at a time, beyond connections_max.
constexpr base::TimeUs kLingerUs = 2 * base::kSecondUs;
constexpr std::uint64_t kReaderBytesPerSecond = 64u << 10;  // Slower readers of large replies are cut off.

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

Reply refusal(ErrorCode code, std::string message, std::string hint = {}, int status = 0) {
  return error_reply({code, std::move(message), std::move(hint), std::nullopt, nullptr}, status);
}

class Connection;

// What all threads of one server share.
struct Shared {
  Shared(ServerOptions the_options, Router the_router)
      : options(std::move(the_options)),
        router(std::move(the_router)),
        guard(options),
        pool(options.pool_threads, static_cast<std::size_t>(options.pool_queue_max)) {}

  const ServerOptions options;
  const Router router;
  const Guard guard;
  HandlerPool pool;
  std::atomic<bool> stopping = false;
  std::atomic<int> connections = 0;
  std::atomic<std::uint64_t> large_bytes = 0;  // Held by connections beyond what each may keep.
  std::mutex mutex;
  std::condition_variable all_closed;
};

// Takes answers from any thread to the io thread of their connection; after close() it drops them.
class Mailbox {
 public:
  explicit Mailbox(asio::io_context& context) : context_(&context) {}

  void put(Connection* to, Reply reply);
  void close() {
    const std::lock_guard lock(mutex_);
    context_ = nullptr;
    letters_.clear();
  }

 private:
  struct Letter {
    Connection* to;
    Reply reply;
  };
  void hand_out();

  std::mutex mutex_;
  asio::io_context* context_;
  std::vector<Letter> letters_;
  std::vector<Letter> opened_;  // Only of the io thread; kept for its storage.
};

// The promise of one request. Delivers when there is an answer and the handler has returned, whichever is later:
// the request's views must not move under a handler that still runs.
class Ticket final : public ReplySink {
 public:
  Ticket(std::shared_ptr<Mailbox> mailbox, Connection* connection)
      : mailbox_(std::move(mailbox)), connection_(connection) {}
  ~Ticket() override {
    if (settle()) mailbox_->put(connection_, dropped_reply());
  }
  void deliver(Reply reply) override {
    reply_ = std::move(reply);
    arrive();
  }
  void handler_returned() { arrive(); }

 private:
  void arrive() {
    if (awaited_.fetch_sub(1) == 1) mailbox_->put(connection_, std::move(reply_));
  }

  std::shared_ptr<Mailbox> mailbox_;
  Connection* connection_;
  Reply reply_;
  std::atomic<int> awaited_ = 2;
};

// Runs the handler. The reply, or nothing when the promise carries it.
std::optional<Reply> call_handler(const Route& route, const Request& request,
                                  const std::shared_ptr<Ticket>& ticket) {
  std::string problem;
  try {
    Answer answer = route.handler(request, ReplyPromise(ticket));
    Reply* reply = std::get_if<Reply>(&answer);
    if (reply == nullptr) return std::nullopt;
    if (ticket->settle()) return std::move(*reply);
    problem = "both returned a reply and sent one";
  } catch (const std::exception& error) {
    problem = error.what();
  } catch (...) {
    problem = "threw something that is no exception";
  }
  base::log_error("http", "the handler of " + route.method + " " + route.path + ": " + problem);
  if (!ticket->settle()) return std::nullopt;
  return refusal(ErrorCode::internal, "internal error");
}

// What the parser finds out about one request, as views of the connection's buffer.
struct Head {
  std::string_view target;
  std::string chunked_body;          // Chunks are put together here.
  std::uint64_t body_bytes_max = 0;
  int version = 11;
  int lengths = 0;                   // Content-Length headers.
  bool chunked = false;
  bool expects_continue = false;
  const char* problem = nullptr;     // Why the parser was told to stop.
  int status = 400;                  // Of that problem.
};

class RequestParser final : public beast::http::basic_parser<true> {
 public:
  RequestParser(Request& request, Head& head) : request_(request), head_(head) {
    header_limit(UINT32_MAX);  // The connection limits both, to say which limit and what it is.
    body_limit(boost::none);
  }

 private:
  using BeastError = beast::error_code;

  void stop(const char* problem, int status, BeastError& error) {
    head_.problem = problem;
    head_.status = status;
    error = beast::http::error::bad_field;
  }

  void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target, int version,
                       BeastError&) override {
    request_.method = view(method);
    head_.target = view(target);
    head_.version = version;
  }

  void on_field_impl(beast::http::field field, beast::string_view name, beast::string_view value,
                     BeastError& error) override {
    if (in_body_) return;  // Trailers are read over: they must not pass for headers.
    const std::string_view text = view(value);
    // Beast joins folded lines: the value then lies outside of our buffer, or behind a line end.
    const char* const after_name = name.data() + name.size();
    const bool is_folded = text.data() < after_name || text.data() > after_name + kTargetMax ||
                           std::find(after_name, text.data(), '\n') != text.data();
    if (is_folded) return stop("a header is folded over several lines", 400, error);
    if (request_.headers.size() == kHeadersMax) return stop("the request has more than 256 headers", 431, error);
    request_.headers.emplace_back(view(name), text);
    switch (field) {
      case beast::http::field::content_length:
        if (++head_.lengths > 1) return stop("the request has more than one Content-Length", 400, error);
        if (text.find(',') != text.npos) return stop("Content-Length is a list", 400, error);
        break;
      case beast::http::field::transfer_encoding:
        if (!equal_without_case(text, "chunked")) {
          return stop("only the Transfer-Encoding 'chunked' is known here", 400, error);
        }
        if (head_.version < 11) return stop("HTTP/1.0 knows no Transfer-Encoding", 400, error);
        head_.chunked = true;
        break;
      case beast::http::field::expect:
        if (!equal_without_case(text, "100-continue")) {
          return stop("only '100-continue' may be expected", 417, error);
        }
        head_.expects_continue = true;
        break;
      default:
        break;
    }
  }

  void on_chunk_header_impl(std::uint64_t size, beast::string_view, BeastError& error) override {
    if (size > head_.body_bytes_max - head_.chunked_body.size()) error = beast::http::error::body_limit;
  }
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, BeastError&) override {
    head_.chunked_body.append(body.data(), body.size());
    return body.size();
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, BeastError&) override { in_body_ = true; }
  void on_response_impl(int, beast::string_view, int, BeastError&) override {}
  void on_header_impl(BeastError&) override {}
  std::size_t on_body_impl(beast::string_view body, BeastError&) override { return body.size(); }
  void on_finish_impl(BeastError&) override {}

  Request& request_;
  Head& head_;
  bool in_body_ = false;
};

class IoThread {
 public:
  explicit IoThread(Shared& shared);
  ~IoThread();

  void start();
  // Any thread: runs `job` on this one.
  template <class Job>
  void post(Job job) {
    asio::post(context_, std::move(job));
  }
  // Any thread: closes what is idle, or everything, and ends the others after their answer.
  void drain(bool everything);
  // Any other thread: no answer is delivered afterwards.
  void stop();

  // Only on this thread:
  void adopt(base::Descriptor socket, const tcp::endpoint& peer, bool is_refused);
  void retire(Connection* connection);
  base::TimeUs now() const { return now_; }  // As of the last tick, which is good enough for deadlines.
  asio::io_context& context() { return context_; }
  const std::shared_ptr<Mailbox>& mailbox() const { return mailbox_; }

 private:
  void run();
  void tick();

  Shared& shared_;
  // All sockets and timers of this context are used on this thread alone; only post() comes from others.
  asio::io_context context_{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO};
  asio::executor_work_guard<asio::io_context::executor_type> keep_running_{context_.get_executor()};
  asio::steady_timer timer_{context_};
  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>(context_);
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
  base::TimeUs now_ = base::steady_now();
  bool is_ticking_ = false;
  std::thread thread_;
};

// One client. Everything runs on its io thread, but for a pool handler, which reads the request.
class Connection {
 public:
  Connection(Shared& shared, IoThread& io, base::Descriptor socket, const tcp::endpoint& peer);
  ~Connection();

  void start() { advance(); }
  void start_refused();
  void delivered(Reply reply);
  void check_deadline();
  void drain(bool everything);

 private:
  enum class Phase : std::uint8_t {
    head,      // Between requests, or in the head of one.
    body,      // Of a known length.
    chunks,
    handling,  // The handler or its promise has the request.
    ending,    // The last reply is on its way; whatever still comes in is thrown away.
    closed,
  };

  void advance();
  bool step();
  bool read_head();
  bool judge_head();
  std::optional<Reply> find_route();
  bool read_body();
  bool read_chunks();
  bool handle();
  bool answer_and_end(Reply reply);
  bool refuse_bad_parse(const error_code& error);
  bool refuse_large_body();
  void answer(Reply reply);
  void forget_request();

  bool flush();
  void wait_until_writable(std::size_t left);
  void receive();
  void received(const error_code& error, std::size_t count);
  void linger();
  void close();
  void retire_when_over();

  bool make_room();
  void move_buffer(std::size_t capacity);
  bool account_for(std::size_t bytes);
  base::TimeUs after(base::TimeUs duration) const { return io_.now() + duration; }

  Shared& shared_;
  IoThread& io_;
  tcp::socket socket_;
  bool from_loopback_;
  Phase phase_ = Phase::head;

  ReceiveBuffer buffer_{kBufferBytes};
  std::optional<RequestParser> parser_;   // Of the present request.
  Head head_;
  Request request_;
  std::string decoded_path_;
  const Route* route_ = nullptr;
  std::optional<Reply> refusal_;          // Given once the body has been read over.
  std::size_t parsed_ = 0;                // Bytes of the buffer that the parser has taken: the head's, in the end.
  std::size_t body_size_ = 0;
  std::uint64_t chunk_wire_bytes_ = 0;
  bool keep_alive_ = true;

  std::string output_;                    // Heads and small bodies of replies.
  std::string large_body_;                // Of the last reply in output_.
  std::size_t written_ = 0;               // Of both.
  std::uint64_t accounted_ = 0;           // This connection's share of large_bytes.
  base::TimeUs deadline_ = 0;             // 0: none.
  bool is_timed_ = false;                 // The deadline of the present request has been set.
  bool is_write_timed_ = false;           // And that of the present output.
  bool is_lingering_ = false;
  bool is_reading_ = false;
  bool is_writing_ = false;               // It waits for the socket to take more.
  bool is_awaited_ = false;               // A ticket still refers to this connection.
  bool is_retired_ = false;
};

void Mailbox::put(Connection* to, Reply reply) {
  const std::lock_guard lock(mutex_);
  if (context_ == nullptr) return;
  letters_.push_back({to, std::move(reply)});
  if (letters_.size() == 1) asio::post(*context_, [this] { hand_out(); });
}

void Mailbox::hand_out() {
  {
    const std::lock_guard lock(mutex_);
    opened_.swap(letters_);
  }
  for (Letter& letter : opened_) letter.to->delivered(std::move(letter.reply));
  opened_.clear();
}

Connection::Connection(Shared& shared, IoThread& io, base::Descriptor socket, const tcp::endpoint& peer)
    : shared_(shared), io_(io), socket_(io.context()) {
  error_code error;
  socket_.assign(peer.protocol(), socket.get(), error);
  if (!error) socket.release();
  if (!error) socket_.non_blocking(true, error);
  asio::ip::address address = peer.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  from_loopback_ = address.is_loopback();
}

Connection::~Connection() {
  shared_.large_bytes -= accounted_;
}

void Connection::start_refused() {
  answer_and_end(refusal(ErrorCode::busy, "the server is busy: " + std::to_string(shared_.options.connections_max) +
                                              " connections are open", "try again in a moment"));
  advance();
}

// Goes as far as the bytes at hand allow, then waits for whatever is missing.
void Connection::advance() {
  if (is_writing_) return;  // Comes back when the socket can be written to.
  while (phase_ != Phase::closed) {
    bool more = true;
    while (more && large_body_.empty() && output_.size() < kFlushBytes) more = step();
    if (!flush()) return;
    if (!more) break;
  }
  if (phase_ == Phase::ending) linger();
  if (phase_ <= Phase::chunks) receive();
}

// One stage of a request. False when it cannot go on before bytes, an answer or the end come.
bool Connection::step() {
  switch (phase_) {
    case Phase::head: return read_head();
    case Phase::body: return read_body();
    case Phase::chunks: return read_chunks();
    case Phase::handling:
    case Phase::ending:
    case Phase::closed: break;
  }
  return false;
}

bool Connection::read_head() {
  if (buffer_.size() == 0) return false;
  if (!parser_) {
    head_.body_bytes_max = shared_.options.body_bytes_max;
    parser_.emplace(request_, head_);
  }
  error_code error;
  parsed_ += parser_->put({buffer_.data() + parsed_, buffer_.size() - parsed_}, error);
  if (error && error != beast::http::error::need_more) return refuse_bad_parse(error);
  const std::size_t head_size = error ? buffer_.size() : parsed_;
  const std::string_view so_far(buffer_.data(), head_size);
  // Before the first line end the request line itself is what does not end.
  if (head_.target.size() > kTargetMax || (head_size > kTargetMax + 64 && head_.target.empty())) {
    return answer_and_end(refusal(ErrorCode::too_large, "the address of the request is longer than " +
                                                            std::to_string(kTargetMax) + " bytes",
                                  "send long values in a body", 414));
  }
  if (head_size > shared_.options.header_bytes_max) {
    return answer_and_end(refusal(ErrorCode::too_large, "the headers are longer than " +
                                                            std::to_string(shared_.options.header_bytes_max) +
                                                            " bytes", {}, 431));
  }
  if (!error) return judge_head();
  if (so_far.ends_with("\n\n")) {
    return answer_and_end(refusal(ErrorCode::malformed, "lines must end with CR LF, not with LF alone"));
  }
  return false;
}

bool Connection::refuse_bad_parse(const error_code& error) {
  const bool has_both = (head_.chunked && error == beast::http::error::bad_content_length) ||
                        (head_.lengths > 0 && error == beast::http::error::bad_transfer_encoding);
  std::string message = "the request is no well-formed HTTP/1.1: " + error.message();
  if (has_both) {
    message = "a request has a Content-Length or a Transfer-Encoding, not both";
  }
  if (error == beast::http::error::multiple_content_length) {
    message = "the request has more than one Content-Length";
  }
  if (head_.problem != nullptr) message = head_.problem;
  const ErrorCode code = head_.status == 431 ? ErrorCode::too_large : ErrorCode::malformed;
  return answer_and_end(refusal(code, std::move(message), {}, head_.status));
}

bool Connection::refuse_large_body() {
  return answer_and_end(refusal(
      ErrorCode::too_large,
      "the body is longer than " + std::to_string(shared_.options.body_bytes_max) + " bytes", "send it in parts"));
}

// Decides everything that needs no body, so that a refused one need not be read.
bool Connection::judge_head() {
  const std::size_t question = head_.target.find('?');
  request_.path = head_.target.substr(0, question);
  request_.query = question == std::string_view::npos ? std::string_view() : head_.target.substr(question + 1);
  request_.from_loopback = from_loopback_;
  keep_alive_ = parser_->keep_alive();
  const std::uint64_t length = parser_->content_length().value_or(0);
  if (length > shared_.options.body_bytes_max) return refuse_large_body();
  body_size_ = static_cast<std::size_t>(length);

  refusal_ = shared_.guard.refuse_caller(request_);
  if (!refusal_) refusal_ = find_route();
  const bool is_complete = !head_.chunked && buffer_.size() >= parsed_ + body_size_;
  if (refusal_ && !is_complete && (head_.chunked || head_.expects_continue || body_size_ > kSkippedBody)) {
    return answer_and_end(*std::move(refusal_));
  }
  if (head_.expects_continue && !is_complete) output_ += "HTTP/1.1 100 Continue\r\n\r\n";
  if (head_.chunked) parser_->eager(true);
  phase_ = head_.chunked ? Phase::chunks : Phase::body;
  return true;
}

// Sets route_ and the request's path, or says why there is none for this caller.
std::optional<Reply> Connection::find_route() {
  constexpr std::array<std::string_view, 7> kKnown = {"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"};
  if (std::find(kKnown.begin(), kKnown.end(), request_.method) == kKnown.end()) {
    return refusal(ErrorCode::unsupported, "the method '" + shown(request_.method) + "' is not known here");
  }
  Result<Router::Match> match = shared_.router.find(request_.method, request_.path);
  if (!match) return error_reply(match.error());
  if (match->route != nullptr) {
    route_ = match->route;
    request_.path_values = std::move(match->path_values);
    if (request_.path.find('%') != std::string_view::npos) {
      decoded_path_ = decode_percent(request_.path).value_or("");
      request_.path = decoded_path_;
    }
    return shared_.guard.refuse_for_route(request_, *route_);
  }
  if (match->other_methods.empty()) {
    const std::string nearest = shared_.router.nearest(request_.path);
    return refusal(ErrorCode::not_found, "there is nothing at '" + shown(request_.path) + "'",
                   nearest.empty() ? "GET /openapi.json lists every path" : "did you mean '" + shown(nearest) + "'?");
  }
  std::string allowed;
  for (const std::string& method : match->other_methods) {
    allowed += (allowed.empty() ? "" : ", ") + method + (method == "GET" ? ", HEAD" : "");
  }
  Reply reply = refusal(ErrorCode::unsupported,
                        "'" + shown(request_.path) + "' does not answer to " + std::string(request_.method),
                        "it answers to " + allowed, 405);
  reply.headers.emplace_back("Allow", std::move(allowed));
  return reply;
}

bool Connection::read_body() {
  if (buffer_.size() < parsed_ + body_size_) return false;
  request_.body = {buffer_.data() + parsed_, body_size_};
  return handle();
}

bool Connection::read_chunks() {
  if (buffer_.size() == parsed_) return false;
  error_code error;
  const std::size_t taken = parser_->put({buffer_.data() + parsed_, buffer_.size() - parsed_}, error);
  buffer_.cut(parsed_, taken);
  chunk_wire_bytes_ += taken;
  if (error == beast::http::error::body_limit) return refuse_large_body();
  if (error && error != beast::http::error::need_more) return refuse_bad_parse(error);
  // Tiny chunks and long extensions cost work that the length of the body does not show.
  const std::uint64_t framing = chunk_wire_bytes_ - head_.chunked_body.size() + (buffer_.size() - parsed_);
  const bool is_done = parser_->is_done();
  const bool is_mostly_framing = framing > shared_.options.header_bytes_max + head_.chunked_body.size() ||
                                 buffer_.size() - parsed_ > shared_.options.header_bytes_max;
  if (is_mostly_framing) {
    return answer_and_end(refusal(ErrorCode::too_large, "the chunks are mostly framing, not content",
                                  "send larger chunks, or a Content-Length"));
  }
  if (!account_for(buffer_.capacity() + head_.chunked_body.capacity())) return false;
  if (!is_done) return !error;
  request_.body = head_.chunked_body;
  body_size_ = 0;
  return handle();
}

// The request is complete. True when it has its answer already.
bool Connection::handle() {
  if (refusal_) {
    answer(*std::move(refusal_));
    return phase_ == Phase::head;
  }
  phase_ = Phase::handling;
  deadline_ = 0;
  auto ticket = std::make_shared<Ticket>(io_.mailbox(), this);
  if (route_->placement == Placement::io) {
    if (std::optional<Reply> reply = call_handler(*route_, request_, ticket)) {
      answer(*std::move(reply));
      return phase_ == Phase::head;
    }
    is_awaited_ = true;
    ticket->handler_returned();
    return false;
  }
  is_awaited_ = true;
  const bool taken = shared_.pool.submit([route = route_, &request = request_, ticket] {
    if (std::optional<Reply> reply = call_handler(*route, request, ticket)) ticket->deliver(*std::move(reply));
    ticket->handler_returned();
  });
  if (taken) return false;
  is_awaited_ = false;
  ticket->settle();  // Nobody else will.
  answer(refusal(ErrorCode::busy, "the server is busy: " + std::to_string(shared_.pool.waiting()) + " requests wait",
                 "try again in a moment"));
  return phase_ == Phase::head;
}

void Connection::delivered(Reply reply) {
  is_awaited_ = false;
  if (phase_ == Phase::closed) return retire_when_over();
  answer(std::move(reply));
  advance();
}

bool Connection::answer_and_end(Reply reply) {
  keep_alive_ = false;
  answer(std::move(reply));
  return false;
}

// Puts the reply into the output and makes the connection ready for the next request, or for its end.
void Connection::answer(Reply reply) {
  const bool close = !keep_alive_ || shared_.stopping;
  is_write_timed_ = false;
  append_reply_head(output_, reply, {.close = close, .say_keep = head_.version < 11});
  if (request_.method != "HEAD" && status_has_body(reply.status)) {
    if (reply.body.size() <= kCopiedBody) {
      output_ += reply.body;
    } else {
      large_body_ = std::move(reply.body);
    }
  }
  phase_ = close ? Phase::ending : Phase::head;
  if (close) return;
  buffer_.consume(parsed_ + body_size_);
  forget_request();
}

// Forgets the request, whose bytes are no longer in the buffer, and gives back what it needed beyond the usual.
void Connection::forget_request() {
  parser_.reset();
  parsed_ = body_size_ = 0;
  chunk_wire_bytes_ = 0;
  request_.headers.clear();
  request_.path_values.clear();
  request_.method = request_.path = request_.query = request_.body = {};
  std::string chunked_body = std::move(head_.chunked_body);
  chunked_body.clear();
  if (chunked_body.capacity() > kKeptBytes) chunked_body = std::string();
  head_ = Head();
  head_.chunked_body = std::move(chunked_body);
  refusal_.reset();
  route_ = nullptr;
  is_timed_ = false;
  if (buffer_.capacity() > kKeptBytes && buffer_.size() <= kBufferBytes) move_buffer(kBufferBytes);
  if (accounted_ > 0) account_for(buffer_.capacity() + head_.chunked_body.capacity());
}

// Writes what the socket takes. False when it must wait for the rest, or the connection is over.
bool Connection::flush() {
  const std::size_t total = output_.size() + large_body_.size();
  while (written_ < total) {
    const std::size_t of_output = std::min(written_, output_.size());
    const std::size_t of_body = written_ - of_output;
    const asio::const_buffer head(output_.data() + of_output, output_.size() - of_output);
    const asio::const_buffer body(large_body_.data() + of_body, large_body_.size() - of_body);
    error_code error;
    written_ += large_body_.empty() ? socket_.write_some(head, error)
                                    : socket_.write_some(std::array{head, body}, error);
    if (error == asio::error::would_block) {
      wait_until_writable(total - written_);
      return false;
    }
    if (error) {
      close();
      return false;
    }
  }
  if (is_write_timed_) deadline_ = 0;
  is_write_timed_ = false;
  output_.clear();
  if (output_.capacity() > 2 * kFlushBytes) output_ = std::string();
  if (!large_body_.empty()) large_body_ = std::string();
  written_ = 0;
  return true;
}

void Connection::wait_until_writable(std::size_t left) {
  // One deadline for all that is to be written, so that reading slowly gains nothing either.
  if (!is_write_timed_) {
    const auto patience = static_cast<base::TimeUs>(left / kReaderBytesPerSecond) * base::kSecondUs;
    deadline_ = after(shared_.options.idle_timeout + patience);
    is_write_timed_ = true;
    is_timed_ = false;
  }
  is_writing_ = true;
  socket_.async_wait(tcp::socket::wait_write, [this](const error_code&) {
    is_writing_ = false;
    if (phase_ == Phase::closed) return retire_when_over();
    advance();
  });
}

void Connection::receive() {
  if (is_reading_) return;
  const bool is_idle = phase_ == Phase::head && buffer_.size() == 0;
  if (is_idle && shared_.stopping) return close();
  // A request has one deadline from its first byte to its last, so that sending slowly gains nothing.
  if (is_idle || !is_timed_) deadline_ = after(shared_.options.idle_timeout);
  is_timed_ = !is_idle;
  if (!make_room()) return;
  is_reading_ = true;
  socket_.async_read_some(asio::mutable_buffer(buffer_.free_space(), buffer_.free_size()),
                          [this](const error_code& error, std::size_t count) { received(error, count); });
}

void Connection::received(const error_code& error, std::size_t count) {
  is_reading_ = false;
  if (phase_ == Phase::closed) return retire_when_over();
  if (error) return close();
  if (phase_ == Phase::ending) return linger();
  buffer_.received(count);
  advance();
}

// Closing at once would reset the connection while the client still sends, and it might never see the reply.
void Connection::linger() {
  if (is_reading_) return;
  if (!is_lingering_) {
    is_lingering_ = true;
    deadline_ = after(kLingerUs);
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    buffer_.consume(buffer_.size());
    forget_request();
  }
  is_reading_ = true;
  socket_.async_read_some(asio::mutable_buffer(buffer_.free_space(), buffer_.free_size()),
                          [this](const error_code& error, std::size_t count) { received(error, count); });
}

void Connection::close() {
  if (phase_ == Phase::closed) return;
  phase_ = Phase::closed;
  error_code ignored;
  socket_.close(ignored);
  retire_when_over();
}

void Connection::retire_when_over() {
  if (is_reading_ || is_writing_ || is_awaited_ || is_retired_) return;
  is_retired_ = true;
  io_.retire(this);
}

void Connection::check_deadline() {
  if (deadline_ != 0 && io_.now() > deadline_) close();
}

void Connection::drain(bool everything) {
  const bool is_idle = phase_ == Phase::head && !is_writing_;
  if (everything || is_idle) close();
}

// Makes sure that there is room to receive into. False when that ended the connection.
bool Connection::make_room() {
  if (buffer_.free_size() > 0 && phase_ != Phase::body) return true;
  const std::size_t wanted = phase_ == Phase::body ? parsed_ + body_size_ : buffer_.size() + 1;
  if (buffer_.size() + buffer_.free_size() >= wanted) return true;
  if (buffer_.capacity() >= wanted) {
    move_buffer(buffer_.capacity());
    return true;
  }
  if (buffer_.free_size() > 0) return true;
  // Doubled as bytes come in: what a client announces costs nothing before it is sent.
  const std::size_t doubled = 2 * buffer_.capacity();
  const std::size_t capacity = phase_ == Phase::body ? std::min(doubled, wanted) : doubled;
  if (!account_for(capacity + head_.chunked_body.capacity())) {
    advance();
    return false;
  }
  move_buffer(capacity);
  return true;
}

// The views of the request follow their bytes.
void Connection::move_buffer(std::size_t capacity) {
  const char* const before = buffer_.data();
  buffer_.move_to(capacity);
  const char* const after_move = buffer_.data();
  const auto follow = [&](std::string_view& text) {
    if (text.data() != nullptr) text = {after_move + (text.data() - before), text.size()};
  };
  for (auto& [name, value] : request_.headers) {
    follow(name);
    follow(value);
  }
  follow(request_.method);
  follow(head_.target);
  if (request_.path.data() != decoded_path_.data()) follow(request_.path);
  follow(request_.query);
}

// Counts what this connection holds beyond its share. False, and the last answer is given, when all of them
// together hold too much.
bool Connection::account_for(std::size_t bytes) {
  const std::uint64_t large = bytes > 2 * kKeptBytes ? bytes - 2 * kKeptBytes : 0;
  if (large == accounted_) return true;
  const std::uint64_t total = shared_.large_bytes += large - accounted_;
  const bool grows = large > accounted_;
  accounted_ = large;
  if (!grows || total <= shared_.options.received_bytes_max) return true;
  answer_and_end(refusal(ErrorCode::busy, "the server is busy: it is receiving too many large bodies",
                         "try again in a moment"));
  return false;
}

IoThread::IoThread(Shared& shared) : shared_(shared) {}

IoThread::~IoThread() { stop(); }

void IoThread::start() {
  thread_ = std::thread([this] { run(); });
}

void IoThread::run() {
  // Signals are for the main thread.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  while (!context_.stopped()) {
    try {
      context_.run();
    } catch (const std::exception& error) {
      base::log_error("http", std::string("an exception reached the io thread: ") + error.what());
    }
  }
}

void IoThread::adopt(base::Descriptor socket, const tcp::endpoint& peer, bool is_refused) {
  now_ = base::steady_now();
  auto owned = std::make_unique<Connection>(shared_, *this, std::move(socket), peer);
  Connection* connection = owned.get();
  connections_.emplace(connection, std::move(owned));
  if (!is_ticking_) tick();
  is_refused ? connection->start_refused() : connection->start();
}

void IoThread::retire(Connection* connection) {
  // Later, because its own functions are still on the stack.
  post([this, connection] {
    connections_.erase(connection);
    if (--shared_.connections == 0) {
      const std::lock_guard lock(shared_.mutex);
      shared_.all_closed.notify_all();
    }
  });
}

void IoThread::tick() {
  now_ = base::steady_now();
  for (const auto& [connection, owned] : connections_) connection->check_deadline();
  is_ticking_ = !connections_.empty();
  if (!is_ticking_) return;
  const base::TimeUs period = std::clamp<base::TimeUs>(shared_.options.idle_timeout / 4, 10'000, base::kSecondUs);
  timer_.expires_after(std::chrono::microseconds(period));
  timer_.async_wait([this](const error_code& error) {
    if (!error) tick();
  });
}

void IoThread::drain(bool everything) {
  post([this, everything] {
    for (const auto& [connection, owned] : connections_) connection->drain(everything);
  });
}

void IoThread::stop() {
  if (!thread_.joinable()) return;
  mailbox_->close();
  context_.stop();
  thread_.join();
}

}  // namespace

struct Server::State {
  State(ServerOptions options, Router router) : shared(std::move(options), std::move(router)) {}

  Status listen();
  void accept();
  void accept_waiting();
  void stop(base::TimeUs drain);

  Shared shared;
  std::vector<std::unique_ptr<IoThread>> threads;
  std::optional<tcp::acceptor> acceptor;      // On the first thread.
  std::optional<asio::steady_timer> pause;    // While there are no free descriptors.
  int port = 0;
  std::size_t next_thread = 0;
  std::mutex stop_mutex;
  bool is_stopped = false;
};

namespace {

std::string address_text(const ServerOptions& options) {
  const bool is_ipv6 = options.host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + options.host + "]" : options.host) + ":" + std::to_string(options.port);
}

Result<tcp::endpoint> resolve(const ServerOptions& options, asio::io_context& context) {
  if (options.port < 0 || options.port > 65535) {
    return fail(ErrorCode::invalid, "the port " + std::to_string(options.port) + " is not between 0 and 65535");
  }
  const auto port = static_cast<std::uint16_t>(options.port);
  error_code error;
  const asio::ip::address address = asio::ip::make_address(options.host, error);
  if (!error) return tcp::endpoint(address, port);
  const auto found = tcp::resolver(context).resolve(options.host, std::to_string(port), error);
  if (!error && !found.empty()) return found.begin()->endpoint();
  return fail(ErrorCode::invalid, "the host '" + shown(options.host) + "' cannot be found: " + error.message(),
              "pass --host 127.0.0.1, or an address of this machine");
}

Error listen_error(const ServerOptions& options, const error_code& error) {
  if (error == asio::error::address_in_use) {
    return {ErrorCode::address_in_use, "the address " + address_text(options) + " is in use",
            "stop the other program or pass --port 0 for any free port", std::nullopt, nullptr};
  }
  const bool is_callers = error == boost::system::errc::address_not_available || error == asio::error::access_denied;
  return {is_callers ? ErrorCode::invalid : ErrorCode::internal,
          "cannot listen at " + address_text(options) + ": " + error.message(), {}, std::nullopt, nullptr};
}

}  // namespace

// Without SO_REUSEPORT: with it a second server of the same user would silently share the port.
Status Server::State::listen() {
  const tcp::endpoint endpoint = TRY(resolve(shared.options, threads[0]->context()));
  acceptor.emplace(threads[0]->context());
  pause.emplace(threads[0]->context());
  error_code error;
  const auto set = [&](const auto& option) {
    if (!error) acceptor->set_option(option, error);
  };
  acceptor->open(endpoint.protocol(), error);
  set(tcp::acceptor::reuse_address(true));
  set(tcp::no_delay(true));  // Accepted sockets inherit it.
  if (!error) ::fcntl(acceptor->native_handle(), F_SETFD, FD_CLOEXEC);
  if (!error) acceptor->non_blocking(true, error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(tcp::acceptor::max_listen_connections, error);
  if (error) return fail(listen_error(shared.options, error));
  port = acceptor->local_endpoint().port();
  return {};
}

void Server::State::accept() {
  acceptor->async_wait(tcp::acceptor::wait_read, [this](const error_code& error) {
    if (!error) accept_waiting();
  });
}

void Server::State::accept_waiting() {
  while (acceptor->is_open()) {
    tcp::endpoint peer;
    socklen_t size = static_cast<socklen_t>(peer.capacity());
    // Close-on-exec, because worker processes must not inherit the clients.
    base::Descriptor socket(
        ::accept4(acceptor->native_handle(), peer.data(), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) {
      const bool is_gone = errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
      if (is_gone) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return accept();
      base::log_warning("http", "cannot accept connections; trying again");
      pause->expires_after(std::chrono::milliseconds(100));
      return pause->async_wait([this](const error_code& error) {
        if (!error) accept_waiting();
      });
    }
    peer.resize(size);
    const int open = ++shared.connections;
    const bool is_refused = open > shared.options.connections_max;
    if (open > shared.options.connections_max + kRefusedConnectionsMax) {
      --shared.connections;
      continue;
    }
    IoThread& thread = *threads[next_thread++ % threads.size()];
    thread.post([&thread, socket = std::move(socket), peer, is_refused]() mutable {
      thread.adopt(std::move(socket), peer, is_refused);
    });
  }
}

void Server::State::stop(base::TimeUs drain) {
  const std::lock_guard once(stop_mutex);
  if (is_stopped) return;
  is_stopped = true;
  shared.stopping = true;
  std::promise<void> closed;
  threads[0]->post([&] {
    error_code ignored;
    acceptor->close(ignored);
    pause->cancel();
    closed.set_value();
  });
  closed.get_future().wait();
  for (const auto& thread : threads) thread->drain(false);
  {
    std::unique_lock lock(shared.mutex);
    shared.all_closed.wait_for(lock, std::chrono::microseconds(drain), [&] { return shared.connections == 0; });
  }
  for (const auto& thread : threads) thread->drain(true);
  shared.pool.stop();
  for (const auto& thread : threads) thread->stop();
}

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, Router router) {
  auto state = std::make_unique<State>(std::move(options), std::move(router));
  const int threads = std::max(1, state->shared.options.io_threads);
  for (int i = 0; i < threads; ++i) state->threads.push_back(std::make_unique<IoThread>(state->shared));
  TRY(state->listen());
  for (const auto& thread : state->threads) thread->start();
  state->threads[0]->post([raw = state.get()] { raw->accept(); });
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}

Server::~Server() { stop(); }

int Server::port() const { return state_->port; }

void Server::stop(base::TimeUs drain) { state_->stop(drain); }

}  // namespace trimtab::http
