#include "http/byte_stream.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <utility>

namespace trimtab::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

}  // namespace

struct ByteStream::State {
  explicit State(IoThread& its_io) : io(its_io), socket(its_io.context()) {}

  IoThread& io;
  tcp::socket socket;
  std::unique_ptr<base::TlsSession> tls;  // Null: plain.
  bool said_goodbye = false;

  void read_tls(std::span<char> room, std::function<void(std::size_t)> then);
  void say_goodbye();
};

ByteStream::ByteStream(IoThread& io, Accepted client, base::TlsServer* tls)
    : state_(std::make_unique<State>(io)) {
  tcp::socket& socket = state_->socket;
  error_code error;
  socket.assign(client.is_ipv6 ? tcp::v6() : tcp::v4(), client.socket.get(), error);
  if (!error) client.socket.release();
  if (!error) socket.non_blocking(true, error);
  if (tls != nullptr) state_->tls = tls->accept(socket.native_handle());
}
ByteStream::~ByteStream() = default;

bool ByteStream::is_encrypted() const { return state_->tls != nullptr; }

ByteStream::Moved ByteStream::write(std::string_view head, std::string_view body) {
  if (state_->tls) return state_->tls->write(head.empty() ? body : head);
  error_code error;
  const asio::const_buffer first(head.data(), head.size());
  const asio::const_buffer second(body.data(), body.size());
  const std::size_t written = body.empty() ? state_->socket.write_some(first, error)
                                           : state_->socket.write_some(std::array{first, second}, error);
  if (!error) return {written};
  return {0, error == asio::error::would_block ? Wants::to_write : Wants::nothing};
}

void ByteStream::wait(Wants wants, std::function<void()> then) {
  state_->socket.async_wait(wants == Wants::to_read ? tcp::socket::wait_read : tcp::socket::wait_write,
                            [then = std::move(then)](const error_code&) { then(); });
}

void ByteStream::read(std::span<char> room, std::function<void(std::size_t)> then) {
  if (state_->tls) return state_->read_tls(room, std::move(then));
  state_->socket.async_read_some(
      asio::mutable_buffer(room.data(), room.size()),
      [then = std::move(then)](const error_code& error, std::size_t count) { then(error ? 0 : count); });
}

// What TLS has decrypted already may be all that comes: it is asked before the socket is waited for.
void ByteStream::State::read_tls(std::span<char> room, std::function<void(std::size_t)> then) {
  const Moved moved = tls->read(room);
  const bool waits = moved.wants == Wants::to_write || moved.wants == Wants::to_read;
  if (moved.bytes > 0 || !waits)
    return io.post([then = std::move(then), count = moved.bytes] { then(count); });
  socket.async_wait(moved.wants == Wants::to_write ? tcp::socket::wait_write : tcp::socket::wait_read,
                    [this, room, then = std::move(then)](const error_code& error) mutable {
                      if (error || !socket.is_open()) return then(0);
                      read_tls(room, std::move(then));
                    });
}

void ByteStream::State::say_goodbye() {
  if (tls && !std::exchange(said_goodbye, true)) tls->say_goodbye();
}

void ByteStream::end_writing() {
  state_->say_goodbye();
  error_code ignored;
  state_->socket.shutdown(tcp::socket::shutdown_send, ignored);
}

void ByteStream::close() {
  state_->say_goodbye();
  error_code ignored;
  state_->socket.close(ignored);
}

}  // namespace trimtab::http
