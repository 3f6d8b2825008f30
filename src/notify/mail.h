// Events by e-mail, through a relay that takes mail from this server without signing in (a local one, or one
// of its network, which the home's file "egress" then has to list). Plain SMTP, one message a connection.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "notify/outbox.h"
#include "store/home.h"

namespace trimtab::notify {

// "smtp://relay:25/ops@example.com": what a Delivery's url says when it is a mail.
bool is_mail(std::string_view url);

// The message as it is sent, with its head; lines end in CRLF and none is only a dot.
std::string mail_text(const Delivery& delivery, const std::string& sender, const std::string& receiver,
                      TimeUs now);

// Blocks for at most `patience`. Errors: invalid (the address, the egress policy, a 5xx of the relay), busy
// (no connection, a 4xx of the relay: worth another attempt), deadline.
Status send_mail(const store::Home& home, const Delivery& delivery, TimeUs now, TimeUs patience);

}  // namespace trimtab::notify
