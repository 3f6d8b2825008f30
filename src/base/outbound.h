// A connection that this program opens to somebody else, plain or over TLS. Every call returns by one
// deadline, however slowly the other side answers.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace trimtab::base {

// Belongs to one thread.
class Outbound {
 public:
  // `address` is a literal one: no name is looked up here. With a `tls_name` the other side must show a
  // certificate for it, signed by an authority that the system (or SSL_CERT_FILE) trusts. `deadline` is of
  // steady_now(). Errors: busy (no connection, no trust), deadline.
  static Result<Outbound> connect(const std::string& address, int port, const std::string& tls_name,
                                  TimeUs deadline);
  Outbound(Outbound&&) noexcept;
  Outbound& operator=(Outbound&&) noexcept;
  ~Outbound();

  // Errors of both: busy (connection lost), deadline.
  Status write(std::string_view bytes);
  // What has come in, at most `bytes_max`; "" at the end.
  Result<std::string> read(std::size_t bytes_max);

 private:
  struct State;
  explicit Outbound(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::base
