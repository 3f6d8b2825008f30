#include "http/client.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <span>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/file.h"
#include "http/percent.h"

namespace trimtab::http {
namespace {

constexpr std::size_t kHeadBytesMax = 256u << 10;
constexpr std::uint64_t kBodyBytesMax = 1u << 30;
constexpr std::size_t kReceiveBytes = 64u << 10;

Error malformed(std::string_view what) {
  return {ErrorCode::malformed,
          "the server's answer is no HTTP: " + std::string(what),
          {},
          std::nullopt,
          nullptr};
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::optional<std::uint64_t> parse_number(std::string_view text, int base) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

struct Head {
  int status = 0;
  std::optional<std::uint64_t> length;
  bool chunked = false;
  bool close = false;
};

Result<Head> parse_head(std::string_view text) {
  Head head;
  const bool is_http = text.starts_with("HTTP/1.") && text.size() >= 12 && text[8] == ' ';
  const std::optional<std::uint64_t> status = is_http ? parse_number(text.substr(9, 3), 10) : std::nullopt;
  if (!status) return fail(malformed("its first line is '" + shown(text.substr(0, text.find('\r'))) + "'"));
  head.status = static_cast<int>(*status);
  head.close = text[7] == '0';
  for (std::size_t line = text.find("\r\n"); line != std::string_view::npos && line + 2 < text.size();) {
    const std::size_t end = std::min(text.find("\r\n", line + 2), text.size());
    const std::string_view field = text.substr(line + 2, end - line - 2);
    line = end;
    const std::size_t colon = field.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = field.substr(0, colon);
    const std::string_view value = trim(field.substr(colon + 1));
    if (equal_without_case(name, "content-length")) {
      head.length = parse_number(value, 10);
      if (!head.length || *head.length > kBodyBytesMax) return fail(malformed("a bad Content-Length"));
    } else if (equal_without_case(name, "transfer-encoding")) {
      head.chunked = equal_without_case(value, "chunked");
    } else if (equal_without_case(name, "connection")) {
      head.close = equal_without_case(value, "close");
    }
  }
  return head;
}

// Where a Unix system says that its peer has closed the connection.
bool is_lost(int number) { return number == EPIPE || number == ECONNRESET; }

}  // namespace

struct Client::State {
  std::string host;
  int port;
  base::TimeUs timeout;
  std::string fixed;  // " HTTP/1.1", Host and the headers that each request carries.
  std::string request;
  std::string received;  // received[consumed..] has not been read yet.
  std::size_t consumed = 0;
  bool got_any = false;       // Of the present reply.
  base::TimeUs deadline = 0;  // Of the present request.
  base::Descriptor socket;
  std::optional<base::TlsTrust> trust;  // Nothing: plain HTTP.
  std::unique_ptr<base::TlsSession> tls;

  ssize_t send_some(std::string_view bytes);
  ssize_t receive_some(std::span<char> room);
  Error lost(int number) const;
  Status connect();
  Status write();
  Status read_more();
  Result<std::string_view> read_line();
  Status read_bytes(std::string& out, std::uint64_t count);
  Status read_chunks(std::string& out);
  Result<ClientReply> read_reply(std::string_view method);
  Result<Head> read_head();
  Result<ClientReply> exchange(std::string_view method);
};

Error Client::State::lost(int number) const {
  const std::string place = host + ":" + std::to_string(port);
  if (number == EAGAIN || number == EWOULDBLOCK || number == EINPROGRESS || number == ETIMEDOUT) {
    return {ErrorCode::deadline,
            "the server at " + place + " did not answer within " + base::format_duration(timeout),
            {},
            std::nullopt,
            nullptr};
  }
  if (number == 0 || is_lost(number)) {
    return {ErrorCode::busy, "the server at " + place + " closed the connection", "try again", std::nullopt,
            nullptr};
  }
  return {ErrorCode::busy, "no connection to the server at " + place + ": " + std::strerror(number),
          "is it running?", std::nullopt, nullptr};
}

// As send() and recv() answer, errno included.
ssize_t Client::State::send_some(std::string_view bytes) {
  if (tls == nullptr) return ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  const base::TlsSession::Moved moved = tls->write(bytes);
  if (moved.bytes > 0) return static_cast<ssize_t>(moved.bytes);
  errno = moved.wants == base::TlsSession::Wants::failed ? ECONNRESET : EAGAIN;
  return -1;
}

ssize_t Client::State::receive_some(std::span<char> room) {
  if (tls == nullptr) return ::recv(socket.get(), room.data(), room.size(), 0);
  const base::TlsSession::Moved moved = tls->read(room);
  if (moved.bytes > 0 || moved.wants == base::TlsSession::Wants::the_end)
    return static_cast<ssize_t>(moved.bytes);
  errno = moved.wants == base::TlsSession::Wants::failed ? ECONNRESET : EAGAIN;
  return -1;
}

Status Client::State::connect() {
  tls.reset();
  received.clear();
  consumed = 0;
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found) != 0) {
    return fail(ErrorCode::busy,
                "no connection to the server: the host '" + shown(host) + "' cannot be found");
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  int problem = EADDRNOTAVAIL;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    base::Descriptor candidate(::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!candidate) {
      problem = errno;
      continue;
    }
    // Blocking calls with the kernel's own timeouts: a request is one send and one receive, without a poll.
    timeval patience{timeout / base::kSecondUs, timeout % base::kSecondUs};
    const int on = 1;
    ::setsockopt(candidate.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(candidate.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    ::setsockopt(candidate.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(candidate.get(), address->ai_addr, address->ai_addrlen) == 0) {
      socket = std::move(candidate);
      if (trust) tls = TRY(base::TlsClient::connect(socket.get(), host, *trust));
      return {};
    }
    problem = errno;
  }
  return fail(lost(problem));
}

Status Client::State::write() {
  for (std::size_t sent = 0; sent < request.size();) {
    const ssize_t count = send_some(std::string_view(request).substr(sent));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(lost(errno));
    sent += static_cast<std::size_t>(count);
  }
  return {};
}

Status Client::State::read_more() {
  if (consumed == received.size()) {
    received.clear();
    consumed = 0;
  }
  // A server that sends a byte now and then must not hold us for ever.
  if (got_any && base::steady_now() > deadline) return fail(lost(ETIMEDOUT));
  const std::size_t before = received.size();
  received.resize(before + kReceiveBytes);
  ssize_t count = -1;
  do {
    count = receive_some({received.data() + before, kReceiveBytes});
  } while (count < 0 && errno == EINTR);
  const int number = count < 0 ? errno : 0;
  received.resize(before + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  if (count <= 0) return fail(lost(number));
  got_any = true;
  return {};
}

// Without its line end; valid until more is read.
Result<std::string_view> Client::State::read_line() {
  while (true) {
    const std::size_t end = received.find("\r\n", consumed);
    if (end != std::string::npos) {
      const std::string_view line(received.data() + consumed, end - consumed);
      consumed = end + 2;
      return line;
    }
    if (received.size() - consumed > kHeadBytesMax) return fail(malformed("a line without end"));
    TRY(read_more());
  }
}

Status Client::State::read_bytes(std::string& out, std::uint64_t count) {
  while (count > 0) {
    if (consumed == received.size()) TRY(read_more());
    const std::size_t part =
        static_cast<std::size_t>(std::min<std::uint64_t>(count, received.size() - consumed));
    out.append(received, consumed, part);
    consumed += part;
    count -= part;
  }
  return {};
}

Status Client::State::read_chunks(std::string& out) {
  while (true) {
    const std::string_view line = TRY(read_line());
    const std::optional<std::uint64_t> size = parse_number(trim(line.substr(0, line.find(';'))), 16);
    if (!size || *size > kBodyBytesMax - out.size()) return fail(malformed("a bad chunk"));
    if (*size == 0) break;
    TRY(read_bytes(out, *size));
    if (!TRY(read_line()).empty()) return fail(malformed("a chunk that is longer than it says"));
  }
  while (!TRY(read_line()).empty()) {
  }
  return {};
}

Result<Head> Client::State::read_head() {
  while (true) {
    const std::size_t end = received.find("\r\n\r\n", consumed);
    if (end == std::string::npos) {
      if (received.size() - consumed > kHeadBytesMax) return fail(malformed("headers without end"));
      TRY(read_more());
      continue;
    }
    const std::string_view text(received.data() + consumed, end - consumed);
    consumed = end + 4;
    const Head head = TRY(parse_head(text));
    if (head.status >= 200) return head;  // What comes before is "100 Continue" and its like.
  }
}

Result<ClientReply> Client::State::read_reply(std::string_view method) {
  const Head head = TRY(read_head());
  ClientReply reply;
  reply.status = head.status;
  bool close = head.close;
  if (method != "HEAD" && head.status != 204 && head.status != 304) {
    if (head.chunked) {
      TRY(read_chunks(reply.body));
    } else if (head.length) {
      reply.body.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(*head.length, kHeadBytesMax)));
      TRY(read_bytes(reply.body, *head.length));
    } else {
      return fail(malformed("a body without a length"));
    }
  }
  if (consumed != received.size()) close = true;  // Bytes that nobody asked for.
  if (close) socket = base::Descriptor();
  return reply;
}

Result<ClientReply> Client::State::exchange(std::string_view method) {
  got_any = false;
  deadline = base::steady_now() + timeout;
  Status written = write();
  // A server that refuses a request before its end has answered all the same.
  if (!written && written.error().code != ErrorCode::busy) return fail(std::move(written).error());
  Result<ClientReply> reply = read_reply(method);
  if (!reply && !written && !got_any) return fail(std::move(written).error());
  return reply;
}

Client::Client(std::string host, int port, base::TimeUs timeout) : state_(std::make_unique<State>()) {
  state_->timeout = timeout;
  state_->port = port;
  const bool is_ipv6 = host.find(':') != std::string::npos;
  state_->fixed =
      " HTTP/1.1\r\nHost: " + (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port) + "\r\n";
  state_->host = std::move(host);
}

Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

void Client::set_header(std::string name, std::string value) {
  CHECK(name.find_first_of("\r\n:") == std::string::npos && value.find_first_of("\r\n") == std::string::npos);
  std::string& fixed = state_->fixed;
  const std::size_t old = fixed.find("\r\n" + name + ": ");
  if (old != std::string::npos) fixed.erase(old + 2, fixed.find("\r\n", old + 2) - old);
  fixed.append(name).append(": ").append(value).append("\r\n");
}

void Client::set_tls(base::TlsTrust trust) {
  state_->trust = std::move(trust);
  state_->socket = base::Descriptor();
}

Result<ClientReply> Client::send(std::string_view method, std::string_view path, std::string_view body,
                                 std::string_view content_type) {
  State& state = *state_;
  std::string& request = state.request;
  request.clear();
  request.append(method).append(" ").append(path).append(state.fixed);
  const bool has_body = !body.empty() || (method != "GET" && method != "HEAD");
  if (!body.empty()) request.append("Content-Type: ").append(content_type).append("\r\n");
  if (has_body) request.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  request.append("\r\n").append(body);

  const bool was_open = static_cast<bool>(state.socket);
  if (!was_open) TRY(state.connect());
  Result<ClientReply> reply = state.exchange(method);
  if (!reply && was_open && !state.got_any && reply.error().code == ErrorCode::busy) {
    // The server had closed the idle connection before it could see the request.
    TRY(state.connect());
    reply = state.exchange(method);
  }
  if (!reply) state.socket = base::Descriptor();
  return reply;
}

}  // namespace trimtab::http
