#include "notify/mail.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <utility>

#include "base/json.h"
#include "base/outbound.h"
#include "notify/egress.h"

namespace trimtab::notify {
namespace {

constexpr std::string_view kScheme = "smtp://";
constexpr std::size_t kReplyBytesMax = 16u << 10;

struct Route {
  Url relay;
  std::string receiver;
};

Result<Route> route_of(std::string_view url) {
  url.remove_prefix(kScheme.size());
  const std::size_t slash = url.find('/');
  const std::string_view place = url.substr(0, slash);
  const std::size_t colon = place.rfind(':');
  Route route;
  if (slash == std::string_view::npos || colon == std::string_view::npos) {
    return fail(ErrorCode::invalid, "a mail goes to smtp://host:port/address");
  }
  route.receiver = url.substr(slash + 1);
  route.relay.host = place.substr(0, colon);
  // The policy asks for https where it is a matter of the web; here it is one of the address alone.
  route.relay.is_secure = true;
  const std::string_view port = place.substr(colon + 1);
  std::from_chars(port.data(), port.data() + port.size(), route.relay.port);
  return route;
}

// RFC 5322's form of a time.
std::string date_text(TimeUs now) {
  constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = now / base::kSecondUs;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[64];
  std::snprintf(text, sizeof text, "%s, %02d %s %d %02d:%02d:%02d +0000",
                kDays[static_cast<std::size_t>(utc.tm_wday)], utc.tm_mday,
                kMonths[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
                utc.tm_sec);
  return text;
}

// One line of a head: what would end it, or is no ASCII, becomes a question mark.
std::string head_text(std::string_view text) {
  constexpr std::size_t kLengthMax = 200;
  std::string line;
  for (const char c : text.substr(0, kLengthMax)) line += c >= ' ' && c < 127 ? c : '?';
  return line;
}

void append_lines(std::string& mail, std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (text.starts_with('.')) mail += '.';
    mail += std::string(text.substr(0, end)) + "\r\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

class Conversation {
 public:
  explicit Conversation(base::Outbound connection) : connection_(std::move(connection)) {}

  // Says a line, and wants an answer of the hundred that is wanted.
  Status say(const std::string& line, char wanted) {
    if (!line.empty()) TRY(connection_.write(line + "\r\n"));
    const std::string answer = TRY(read_answer());
    if (answer[0] == wanted) return {};
    const bool is_final = answer[0] == '5';
    return fail(is_final ? ErrorCode::invalid : ErrorCode::busy, "the relay answered " + head_text(answer));
  }
  Status write(const std::string& text) { return connection_.write(text); }

 private:
  // The last line of an answer: "250 ok"; those before have a hyphen behind their number.
  Result<std::string> read_answer() {
    while (read_.size() < kReplyBytesMax) {
      const std::size_t end = read_.find('\n');
      if (end == std::string::npos) {
        const std::string part = TRY(connection_.read(kReplyBytesMax - read_.size()));
        if (part.empty()) return fail(ErrorCode::busy, "the relay hung up");
        read_ += part;
        continue;
      }
      std::string line = read_.substr(0, end);
      read_.erase(0, end + 1);
      while (!line.empty() && line.back() == '\r') line.pop_back();
      if (line.size() < 3) return fail(ErrorCode::busy, "the answer is no SMTP");
      if (line.size() == 3 || line[3] != '-') return line;
    }
    return fail(ErrorCode::busy, "the answer is no SMTP");
  }

  base::Outbound connection_;
  std::string read_;
};

Status deliver(Conversation& relay, const Delivery& delivery, const std::string& sender,
               const std::string& receiver, TimeUs now) {
  TRY(relay.say("", '2'));
  TRY(relay.say("EHLO trimtab", '2'));
  TRY(relay.say("MAIL FROM:<" + sender + ">", '2'));
  TRY(relay.say("RCPT TO:<" + receiver + ">", '2'));
  TRY(relay.say("DATA", '3'));
  TRY(relay.write(mail_text(delivery, sender, receiver, now)));
  TRY(relay.say(".", '2'));
  // It has the mail; how it takes leave does not matter.
  (void)relay.say("QUIT", '2');
  return {};
}

}  // namespace

bool is_mail(std::string_view url) { return url.starts_with(kScheme); }

std::string mail_text(const Delivery& delivery, const std::string& sender, const std::string& receiver,
                      TimeUs now) {
  const Result<Json> body = base::parse_json(delivery.body);
  const Json data = body ? (*body)["data"] : Json();
  std::string mail =
      "Date: " + date_text(now) + "\r\nFrom: Trimtab <" + sender + ">\r\nTo: <" + receiver +
      ">\r\nMessage-ID: <" + delivery.id + "@trimtab>\r\nSubject: [trimtab] " +
      head_text(data.text_or("endpoint") + ": " + delivery.event + ": " + data.text_or("summary")) +
      "\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "Content-Transfer-Encoding: 8bit\r\n\r\n";
  append_lines(mail, data.text_or("summary") + "\n\nincident " + data["incident"].dump() + " of endpoint " +
                         data.text_or("endpoint") + "\n\n" + (body ? body->dump(2) : delivery.body) + "\n");
  return mail;
}

Status send_mail(const store::Home& home, const Delivery& delivery, TimeUs now, TimeUs patience) {
  const TimeUs deadline = base::steady_now() + patience;
  const Route route = TRY(route_of(delivery.url));
  const Egress egress = TRY(Egress::read(home.folder()));
  const std::string sender = "trimtab" + route.receiver.substr(route.receiver.find('@'));
  Error problem{ErrorCode::busy, "'" + route.relay.host + "' has no address", {}, std::nullopt, nullptr};
  for (const Address& address : TRY(egress.resolve(route.relay))) {
    Result<base::Outbound> connection = base::Outbound::connect(address.text, address.port, "", deadline);
    if (!connection) {
      problem = connection.error();
      continue;
    }
    Conversation relay(std::move(*connection));
    return deliver(relay, delivery, sender, route.receiver, now);
  }
  return fail(std::move(problem));
}

}  // namespace trimtab::notify
