// TLS 1.2 and 1.3 over a socket that somebody else waits for: the only door to OpenSSL's connections, so that
// http/ needs no more of it than reads and writes that say what they wait for.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace trimtab::base {

// One end of a connection. Belongs to one thread at a time; the socket must outlive it.
class TlsSession {
 public:
  enum class Wants : std::uint8_t {
    nothing,
    to_read,   // Call again when the socket can be read, whatever the call was.
    to_write,  // Or written.
    the_end,   // The other end has closed.
    failed,    // It is no TLS, or was tampered with.
  };
  struct Moved {
    std::size_t bytes = 0;
    Wants wants = Wants::nothing;  // When there were no bytes.
  };

  ~TlsSession();
  Moved read(std::span<char> room);
  Moved write(std::string_view bytes);
  void say_goodbye();           // Once, as far as the socket takes it.
  std::string problem() const;  // Why it failed.

 private:
  friend class TlsServer;
  friend class TlsClient;
  struct State;
  explicit TlsSession(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct TlsFiles {
  std::filesystem::path certificate;  // PEM; with the intermediate ones behind it.
  std::filesystem::path key;          // PEM.
};

// The server's end. Thread-safe.
class TlsServer {
 public:
  // Errors: not_found, invalid (no PEM, a key of another certificate).
  static Result<std::unique_ptr<TlsServer>> make(TlsFiles files);
  ~TlsServer();

  // A session on a socket that has been accepted. Looks at the files again when it last did so a second ago:
  // changed ones are for this and later sessions; wrong ones leave things as they are and are logged.
  std::unique_ptr<TlsSession> accept(int socket);

 private:
  struct State;
  TlsServer(TlsFiles files, std::shared_ptr<const State> state);
  void look_again();

  const TlsFiles files_;
  mutable std::mutex mutex_;
  std::shared_ptr<const State> state_;  // Guarded by mutex_.
  std::string stamp_;                   // Guarded by mutex_: sizes and times of the files.
  TimeUs looked_at_ = 0;                // Guarded by mutex_.
};

// SHA-256 of the first certificate of a PEM file, by which the command line knows its own server. Errors:
// invalid.
Result<std::string> certificate_fingerprint(const std::filesystem::path& file);

// Whom a client believes.
struct TlsTrust {
  std::string fingerprint;  // Exactly this certificate, whatever name it has. "": what the system's
                            // authorities (or those in SSL_CERT_FILE) vouch for, under the right name.
};

// The client's end.
class TlsClient {
 public:
  // On a connected, blocking socket. Errors: invalid (a certificate that is not believed), busy (the
  // connection broke).
  static Result<std::unique_ptr<TlsSession>> connect(int socket, const std::string& host,
                                                     const TlsTrust& trust);
};

}  // namespace trimtab::base
