#include "http/reply_text.h"

#include <array>
#include <charconv>
#include <cstddef>

#include "base/log.h"
#include "http/percent.h"

namespace trimtab::http {
namespace {

struct Reason {
  int status;
  std::string_view phrase;
};

constexpr std::array kReasons = {Reason{200, "OK"},
                                 Reason{201, "Created"},
                                 Reason{202, "Accepted"},
                                 Reason{204, "No Content"},
                                 Reason{206, "Partial Content"},
                                 Reason{301, "Moved Permanently"},
                                 Reason{302, "Found"},
                                 Reason{303, "See Other"},
                                 Reason{304, "Not Modified"},
                                 Reason{307, "Temporary Redirect"},
                                 Reason{308, "Permanent Redirect"},
                                 Reason{400, "Bad Request"},
                                 Reason{401, "Unauthorized"},
                                 Reason{403, "Forbidden"},
                                 Reason{404, "Not Found"},
                                 Reason{405, "Method Not Allowed"},
                                 Reason{409, "Conflict"},
                                 Reason{412, "Precondition Failed"},
                                 Reason{413, "Content Too Large"},
                                 Reason{414, "URI Too Long"},
                                 Reason{415, "Unsupported Media Type"},
                                 Reason{416, "Range Not Satisfiable"},
                                 Reason{417, "Expectation Failed"},
                                 Reason{422, "Unprocessable Content"},
                                 Reason{429, "Too Many Requests"},
                                 Reason{431, "Request Header Fields Too Large"},
                                 Reason{499, "Cancelled"},
                                 Reason{500, "Internal Server Error"},
                                 Reason{501, "Not Implemented"},
                                 Reason{503, "Service Unavailable"},
                                 Reason{504, "Gateway Timeout"},
                                 Reason{507, "Insufficient Storage"}};

void append_number(std::string& out, std::size_t number) {
  std::array<char, 20> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  out.append(digits.data(), end);
}

bool fits_a_line(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

}  // namespace

std::string_view reason_phrase(int status) {
  for (const Reason& reason : kReasons) {
    if (reason.status == status) return reason.phrase;
  }
  return {};
}

bool status_has_body(int status) { return status >= 200 && status != 204 && status != 304; }

void append_reply_head(std::string& out, const Reply& reply, ReplyStyle style) {
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::size_t>(reply.status));
  out += ' ';
  out += reason_phrase(reply.status);
  if (status_has_body(reply.status)) {
    if (!reply.content_type.empty() && fits_a_line(reply.content_type)) {
      out.append("\r\nContent-Type: ").append(reply.content_type);
    }
    out += "\r\nContent-Length: ";
    append_number(out, reply.file ? static_cast<std::size_t>(reply.file->size) : reply.body.size());
  }
  out += "\r\nX-Content-Type-Options: nosniff";
  bool has_cache_control = false;
  for (const auto& [name, value] : reply.headers) {
    if (!fits_a_line(name) || !fits_a_line(value)) {
      base::log_error("http", "a reply's header '" + shown(name) + "' breaks its line and is left out");
      continue;
    }
    out.append("\r\n").append(name).append(": ").append(value);
    has_cache_control = has_cache_control || equal_without_case(name, "cache-control");
  }
  if (!has_cache_control) out += "\r\nCache-Control: no-store";
  if (style.close) out += "\r\nConnection: close";
  if (style.say_keep && !style.close) out += "\r\nConnection: keep-alive";
  out += "\r\n\r\n";
}

}  // namespace trimtab::http
