#include "http/file_reply.h"

#include <charconv>
#include <optional>
#include <utility>

#include "http/body_file.h"

namespace trimtab::http {
namespace {

struct Range {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;  // 0: nothing of the file.
};

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "bytes=2-5", "bytes=2-", "bytes=-3". Nothing for what is no single range.
std::optional<Range> read_range(std::string_view header, std::uint64_t size) {
  if (!header.starts_with("bytes=")) return std::nullopt;
  header.remove_prefix(6);
  const std::size_t dash = header.find('-');
  if (dash == std::string_view::npos || header.find(',') != std::string_view::npos) return std::nullopt;
  const std::optional<std::uint64_t> first = number(header.substr(0, dash));
  const std::optional<std::uint64_t> last = number(header.substr(dash + 1));
  if (dash == 0) {
    if (!last) return std::nullopt;
    const std::uint64_t count = std::min(*last, size);
    return Range{size - count, count};
  }
  if (!first || (!last && dash + 1 != header.size()) || (last && *last < *first)) return std::nullopt;
  if (*first >= size) return Range{};
  return Range{*first, (last ? std::min(*last, size - 1) : size - 1) - *first + 1};
}

// A quoted name in ASCII, and the real one beside it (RFC 6266).
std::string disposition(const std::string& name) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string plain;
  std::string coded;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                          (byte >= 'A' && byte <= 'Z') || c == '.' || c == '-' || c == '_';
    plain += is_plain || c == ' ' ? c : '_';
    if (is_plain) {
      coded += c;
    } else {
      coded += '%';
      coded += kDigits[byte >> 4];
      coded += kDigits[byte & 15];
    }
  }
  return "attachment; filename=\"" + plain + "\"" + (plain == name ? "" : "; filename*=UTF-8''" + coded);
}

}  // namespace

Result<Reply> file_reply(const Request& request, const FileAnswer& answer) {
  Reply reply;
  reply.content_type = answer.content_type;
  reply.headers = {{"Content-Disposition", disposition(answer.name)},
                   {"Content-Security-Policy", "sandbox; default-src 'none'"},
                   {"Accept-Ranges", "bytes"},
                   {"ETag", "\"" + answer.etag + "\""},
                   {"Cache-Control", "no-cache"}};
  Range range{0, answer.size};
  const std::string_view condition = request.header("if-range");
  const bool is_same = condition.empty() || condition == "\"" + answer.etag + "\"";
  const std::string total = std::to_string(answer.size);
  if (const auto asked = is_same ? read_range(request.header("range"), answer.size) : std::nullopt) {
    range = *asked;
    reply.status = range.size > 0 ? 206 : 416;
    const std::string bytes =
        range.size > 0 ? std::to_string(range.offset) + "-" + std::to_string(range.offset + range.size - 1)
                       : "*";
    reply.headers.emplace_back("Content-Range", "bytes " + bytes + "/" + total);
  }
  if (range.size == 0) return reply;
  Result<base::Descriptor> file = base::open_beneath(answer.root, answer.path);
  if (!file)
    return fail(ErrorCode::storage_broken, "cannot read '" + answer.name + "': " + file.error().message);
  reply.file = ReplyFile{std::make_shared<base::Descriptor>(std::move(*file)), range.offset, range.size};
  return reply;
}

}  // namespace trimtab::http
