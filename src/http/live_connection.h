// One client of the server, as its io thread sees it. Everything runs on that thread.
#pragma once

#include <memory>

#include "http/io_thread.h"
#include "http/reply_ticket.h"

namespace trimtab::http {

class LiveConnection : public Recipient {
 public:
  // Nothing happens before start() or start_refused().
  static std::unique_ptr<LiveConnection> make(Shared& shared, IoThread& io, Accepted client);

  virtual void start() = 0;
  virtual void start_refused() = 0;   // Says that the server is busy, and ends.
  virtual void check_deadline() = 0;  // Closes what has been waited for long enough.
  // Closes what is idle, or everything; what is in flight ends after its answer.
  virtual void drain(bool everything) = 0;
};

}  // namespace trimtab::http
