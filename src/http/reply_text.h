// A reply as the bytes of HTTP/1.1.
#pragma once

#include <string>
#include <string_view>

#include "http/message.h"

namespace trimtab::http {

std::string_view reason_phrase(int status);

struct ReplyStyle {
  bool close = false;     // The connection ends after this reply.
  bool say_keep = false;  // A caller of HTTP/1.0 must be told that the connection stays open.
};

// Appends the status line and headers with the blank line. Every reply is told not to be sniffed, and not to
// be stored unless it has a Cache-Control of its own. Headers that would break out of their line are left
// out.
void append_reply_head(std::string& out, const Reply& reply, ReplyStyle style);

// Whether replies of this status carry a body at all.
bool status_has_body(int status);

}  // namespace trimtab::http
