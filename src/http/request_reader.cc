// The only file that knows Boost.Beast: its parser, called back for each header, does the reading of heads
// and chunks. Bodies of a known length never pass through it.
#include "http/request_reader.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <optional>
#include <utility>

#include "http/percent.h"

namespace trimtab::http {
namespace {

namespace beast = boost::beast;
using ParseError = beast::http::error;

// MLflow's clients put filters of up to 64 kB into it.
constexpr std::size_t kTargetMax = 128u << 10;
constexpr std::size_t kBlanksMax = 8u << 10;  // Between a header's name and its value.
constexpr std::size_t kHeadersMax = 256;
constexpr std::size_t kBufferBytes = 8u << 10;  // Of a new connection.
constexpr std::size_t kKeptBytes = 64u << 10;   // What a connection may keep between requests.
constexpr std::size_t kPartBytes = 128u << 10;  // Of a streamed body.
constexpr std::size_t kChunksEndBytes = 5;      // The shortest end of a chunked body.

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

class RequestReader::Parser final : public beast::http::basic_parser<true> {
 public:
  Parser(Request& request, Head& head, std::uint64_t body_bytes_max)
      : request_(request), head_(head), body_bytes_max_(body_bytes_max) {
    header_limit(UINT32_MAX);  // The reader limits both, to say which limit and what it is.
    body_limit(boost::none);
  }

 private:
  using Code = beast::error_code;

  void stop(const char* problem, int status, Code& error) {
    head_.problem = problem;
    head_.status = status;
    error = ParseError::bad_field;
  }

  void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target, int version,
                       Code&) override {
    request_.method = view(method);
    head_.target = view(target);
    head_.version = version;
  }

  void on_field_impl(beast::http::field field, beast::string_view name, beast::string_view value,
                     Code& error) override {
    if (is_in_body_) return;  // Trailers are read over: they must not pass for headers.
    const std::string_view text = view(value);
    // Beast joins folded lines: the value then lies outside of our buffer, or behind a line end.
    const char* const after_name = name.data() + name.size();
    const bool is_folded = text.data() < after_name || text.data() > after_name + kBlanksMax ||
                           std::find(after_name, text.data(), '\n') != text.data();
    if (is_folded) return stop("a header is folded over several lines", 400, error);
    if (request_.headers.size() == kHeadersMax)
      return stop("the request has more than 256 headers", 431, error);
    request_.headers.emplace_back(view(name), text);
    if (field == beast::http::field::content_length) return read_length(text, error);
    if (field == beast::http::field::transfer_encoding) return read_encoding(text, error);
    if (field != beast::http::field::expect) return;
    if (!equal_without_case(text, "100-continue"))
      return stop("only '100-continue' may be expected", 417, error);
    head_.expects_continue = true;
  }

  void read_length(std::string_view text, Code& error) {
    if (++head_.lengths > 1) return stop("the request has more than one Content-Length", 400, error);
    if (text.find(',') != text.npos) return stop("the Content-Length is a list", 400, error);
  }

  void read_encoding(std::string_view text, Code& error) {
    if (!equal_without_case(text, "chunked")) {
      return stop("only the Transfer-Encoding 'chunked' is known here", 400, error);
    }
    if (head_.version < 11) return stop("HTTP/1.0 knows no Transfer-Encoding", 400, error);
    head_.is_chunked = true;
  }

  void on_chunk_header_impl(std::uint64_t size, beast::string_view, Code& error) override {
    if (size > body_bytes_max_ - head_.chunked_body.size()) error = ParseError::body_limit;
  }
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, Code&) override {
    head_.chunked_body.append(body.data(), body.size());
    return body.size();
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Code&) override { is_in_body_ = true; }
  void on_response_impl(int, beast::string_view, int, Code&) override {}
  void on_header_impl(Code&) override {}
  std::size_t on_body_impl(beast::string_view body, Code&) override { return body.size(); }
  void on_finish_impl(Code&) override {}

  Request& request_;
  Head& head_;
  const std::uint64_t body_bytes_max_;
  bool is_in_body_ = false;
};

struct RequestReader::ParserSlot {
  std::optional<Parser> parser;  // Of the present request; Beast's parsers serve one message each.

  std::size_t put(const char* bytes, std::size_t count, beast::error_code& error) {
    return parser->put({bytes, count}, error);
  }
};

RequestReader::RequestReader(ReaderLimits limits)
    : limits_(limits), buffer_(kBufferBytes), parser_(std::make_unique<ParserSlot>()) {}

RequestReader::~RequestReader() = default;

RequestReader::Progress RequestReader::advance() {
  switch (stage_) {
    case Stage::head:
      return read_head();
    case Stage::body:
      return read_body();
    case Stage::chunks:
      return read_chunks();
    case Stage::stream:
      return part().empty() ? Progress::wants_bytes : Progress::has_part;
    case Stage::complete:
      break;
  }
  return Progress::has_request;
}

RequestReader::Progress RequestReader::read_head() {
  if (buffer_.size() == 0) return Progress::wants_bytes;
  if (!parser_->parser) parser_->parser.emplace(request_, head_, limits_.body_bytes_max);
  beast::error_code error;
  parsed_ += parser_->put(buffer_.data() + parsed_, buffer_.size() - parsed_, error);
  if (error && error != ParseError::need_more) {
    const bool has_both_lengths = (head_.is_chunked && error == ParseError::bad_content_length) ||
                                  (head_.lengths > 0 && error == ParseError::bad_transfer_encoding);
    if (has_both_lengths) head_.problem = "a request has a Content-Length or a Transfer-Encoding, not both";
    if (error == ParseError::multiple_content_length) {
      head_.problem = "the request has more than one Content-Length";
    }
    return refuse_parse(error.message());
  }
  const std::size_t head_size = error ? buffer_.size() : parsed_;
  // The parser tells the address late when it came in pieces.
  const std::size_t line = request_line_size(head_size);
  const bool has_endless_line = head_.target.empty() && line > kTargetMax + 64;
  if (head_.target.size() > kTargetMax || has_endless_line) return refuse_address();
  if (head_size - line > limits_.header_bytes_max) {
    return refuse(ErrorCode::too_large,
                  "the headers are longer than " + std::to_string(limits_.header_bytes_max) + " bytes", {},
                  431);
  }
  if (!error) return finish_head();
  // Else such a request would wait for its end until its deadline.
  if (std::string_view(buffer_.data(), buffer_.size()).ends_with("\n\n")) {
    return refuse(ErrorCode::malformed, "lines must end with CR LF, not with LF alone");
  }
  return Progress::wants_bytes;
}

// Of the request line, or of what of it has come. Does not look again where its end was not.
std::size_t RequestReader::request_line_size(std::size_t head_size) {
  head_.line = std::min(head_size, std::string_view(buffer_.data(), head_size).find('\n', head_.line));
  return head_.line;
}

// The path stands before what is too long, as a rule: whoever words the refusal wants to know it.
RequestReader::Progress RequestReader::refuse_address() {
  std::string_view target = head_.target;
  if (target.empty()) {
    target = {buffer_.data(), buffer_.size()};
    target.remove_prefix(target.find(' ') + 1);
  }
  request_.path = target.substr(0, target.find_first_of("? "));
  return refuse(ErrorCode::too_large,
                "the address of the request is longer than " + std::to_string(kTargetMax) + " bytes",
                "send long values in a body", 414);
}

RequestReader::Progress RequestReader::finish_head() {
  const std::size_t question = head_.target.find('?');
  request_.path = head_.target.substr(0, question);
  if (question != std::string_view::npos) request_.query = head_.target.substr(question + 1);
  // Whether that is too long depends on the route.
  body_size_ = parser_->parser->content_length().value_or(0);
  if (head_.is_chunked) parser_->parser->eager(true);
  stage_ = head_.is_chunked ? Stage::chunks : Stage::body;
  return Progress::has_head;
}

RequestReader::Progress RequestReader::read_body() {
  if (!has_whole_body()) return Progress::wants_bytes;
  request_.body = {buffer_.data() + parsed_, static_cast<std::size_t>(body_size_)};
  stage_ = Stage::complete;
  return Progress::has_request;
}

RequestReader::Progress RequestReader::read_chunks() {
  if (buffer_.size() == parsed_) return Progress::wants_bytes;
  // Beast's parser would stop the program if "0\r\n\r\n" came to it in pieces. What begins so and is shorter
  // lacks something in any case.
  if (buffer_.size() - parsed_ < kChunksEndBytes && buffer_.data()[parsed_] == '0')
    return Progress::wants_bytes;
  beast::error_code error;
  const std::size_t taken = parser_->put(buffer_.data() + parsed_, buffer_.size() - parsed_, error);
  buffer_.cut(parsed_, taken);
  chunk_wire_bytes_ += taken;
  if (error == ParseError::body_limit) return refuse_large_body();
  if (error && error != ParseError::need_more) return refuse_parse(error.message());
  // Tiny chunks and long extensions cost work that the length of the body does not show.
  const bool is_done = parser_->parser->is_done();
  const std::uint64_t waiting = is_done ? 0 : buffer_.size() - parsed_;
  const std::uint64_t framing = chunk_wire_bytes_ - head_.chunked_body.size() + waiting;
  if (framing > limits_.header_bytes_max + head_.chunked_body.size() || waiting > limits_.header_bytes_max) {
    return refuse(ErrorCode::too_large, "the chunks are mostly framing, not content",
                  "send larger chunks, or a Content-Length");
  }
  if (!is_done) return Progress::wants_bytes;
  request_.body = head_.chunked_body;
  stage_ = Stage::complete;
  return Progress::has_request;
}

RequestReader::Progress RequestReader::refuse(ErrorCode code, std::string message, std::string hint,
                                              int status) {
  refusal_ = {code, std::move(message), std::move(hint), std::nullopt, nullptr};
  refusal_status_ = status;
  return Progress::refused;
}

RequestReader::Progress RequestReader::refuse_parse(const std::string& parser_says) {
  const ErrorCode code = head_.status == 431 ? ErrorCode::too_large : ErrorCode::malformed;
  if (head_.problem != nullptr) return refuse(code, head_.problem, {}, head_.status);
  return refuse(code, "the request is no well-formed HTTP/1.1: " + parser_says);
}

RequestReader::Progress RequestReader::refuse_large_body() {
  return refuse(ErrorCode::too_large,
                "the body is longer than " + std::to_string(limits_.body_bytes_max) + " bytes",
                "send it in parts");
}

bool RequestReader::keep_alive() const { return parser_->parser->keep_alive(); }

void RequestReader::set_decoded_path(std::string path) {
  decoded_path_ = std::move(path);
  request_.path = decoded_path_;
}

void RequestReader::stream_body() {
  CHECK(stage_ == Stage::body);
  stage_ = Stage::stream;
  move_buffer(std::max(kPartBytes, buffer_.capacity()));
}

std::string_view RequestReader::part() const {
  const std::size_t held = buffer_.size() - parsed_;
  return {buffer_.data() + parsed_,
          static_cast<std::size_t>(std::min<std::uint64_t>(held, body_size_ - streamed_))};
}

void RequestReader::take_part() {
  const std::size_t count = part().size();
  streamed_ += count;
  buffer_.cut(parsed_, count);
  if (streamed_ == body_size_) stage_ = Stage::complete;
}

void RequestReader::next() {
  buffer_.consume(parsed_ + static_cast<std::size_t>(body_size_ - streamed_));
  forget();
}

void RequestReader::discard() {
  buffer_.consume(buffer_.size());
  forget();
}

void RequestReader::forget() {
  parser_->parser.reset();
  stage_ = Stage::head;
  parsed_ = 0;
  body_size_ = streamed_ = 0;
  chunk_wire_bytes_ = 0;
  request_.headers.clear();
  request_.path_values.clear();
  request_.method = request_.path = request_.query = request_.body = {};
  request_.body_file = nullptr;
  std::string chunked_body = std::move(head_.chunked_body);
  chunked_body.clear();
  if (chunked_body.capacity() > kKeptBytes) chunked_body = std::string();
  head_ = Head();
  head_.chunked_body = std::move(chunked_body);
  if (buffer_.capacity() > kKeptBytes && buffer_.size() <= kBufferBytes) move_buffer(kBufferBytes);
}

std::uint64_t RequestReader::large_bytes() const {
  const std::uint64_t held = buffer_.capacity() + head_.chunked_body.capacity();
  // Every upload has a large buffer, however slowly it comes: so many at a time are counted from their first
  // byte.
  if (stage_ == Stage::stream) return held;
  return held > 2 * kKeptBytes ? held - 2 * kKeptBytes : 0;
}

std::span<char> RequestReader::room() {
  const std::size_t wanted =
      stage_ == Stage::body ? parsed_ + static_cast<std::size_t>(body_size_) : buffer_.size() + 1;
  if (buffer_.size() + buffer_.free_size() < wanted) {
    if (buffer_.capacity() >= wanted) {
      move_buffer(buffer_.capacity());
    } else if (buffer_.free_size() == 0) {
      const std::size_t doubled = 2 * buffer_.capacity();
      move_buffer(stage_ == Stage::body ? std::min(doubled, wanted) : doubled);
    }
  }
  return {buffer_.free_space(), buffer_.free_size()};
}

// The views of the request follow their bytes.
void RequestReader::move_buffer(std::size_t capacity) {
  const char* const before = buffer_.data();
  buffer_.move_to(capacity);
  const char* const after = buffer_.data();
  const auto follow = [&](std::string_view& text) {
    if (text.data() != nullptr) text = {after + (text.data() - before), text.size()};
  };
  for (auto& [name, value] : request_.headers) {
    follow(name);
    follow(value);
  }
  follow(request_.method);
  follow(head_.target);
  if (request_.path.data() != decoded_path_.data()) follow(request_.path);
  follow(request_.query);
}

}  // namespace trimtab::http
