// The bytes of one connection, plain or encrypted. Nothing here waits, and nothing knows what a request is.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "base/tls.h"
#include "http/io_thread.h"

namespace trimtab::http {

// Belongs to its io thread. Must outlive what it was asked to call.
class ByteStream {
 public:
  using Moved = base::TlsSession::Moved;
  using Wants = base::TlsSession::Wants;

  // `tls` null: plain.
  ByteStream(IoThread& io, Accepted client, base::TlsServer* tls);
  ~ByteStream();

  bool is_encrypted() const;
  // Writes what the socket takes of the one and then the other. Where it takes nothing, what it wants first;
  // nothing: the connection is over.
  Moved write(std::string_view head, std::string_view body);
  // Calls `then` when the socket is ready for what it wanted, or is closed.
  void wait(Wants wants, std::function<void()> then);
  // Calls `then` with how many bytes have come into `room`; 0: the connection is over.
  void read(std::span<char> room, std::function<void(std::size_t)> then);
  // Says that nothing more will be written; what still comes can be read.
  void end_writing();
  void close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::http
