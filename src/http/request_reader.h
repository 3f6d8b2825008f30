// Makes requests out of the bytes of one connection and refuses what is no clear HTTP/1.1 or over a limit.
// Copies nothing but chunked bodies: a Request consists of views into what was received.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "http/message.h"
#include "http/receive_buffer.h"

namespace trimtab::http {

struct ReaderLimits {
  std::uint64_t body_bytes_max = 0;
  std::uint64_t header_bytes_max = 0;
};

class RequestReader {
 public:
  enum class Progress : std::uint8_t {
    wants_bytes,  // Give it more with room() and received().
    has_head,     // Comes once for each request, which then lacks only its body.
    has_part,     // Of a streamed body: see part().
    has_request,  // request() is complete, and stays so until next().
    refused,      // refusal() says why; nothing more can be read from this connection.
  };

  explicit RequestReader(ReaderLimits limits);
  ~RequestReader();

  Progress advance();

  // Where to receive into; never empty. What a client announces gets storage only as it comes in.
  std::span<char> room();
  void received(std::size_t count) { buffer_.received(count); }

  Request& request() { return request_; }
  const Request& request() const { return request_; }
  // The path with its percent encoding undone, for the request's sake; the views of others stay as they are.
  void set_decoded_path(std::string path);
  const Error& refusal() const { return refusal_; }
  int refusal_status() const { return refusal_status_; }  // 0: the error table's.

  // Of a request whose head is there:
  bool keep_alive() const;
  bool is_chunked() const { return head_.is_chunked; }
  bool expects_continue() const { return head_.expects_continue; }
  std::uint64_t body_size() const {
    return body_size_;
  }  // As announced; 0 when chunked. It may be over the limit.
  bool has_whole_body() const {
    return !head_.is_chunked && buffer_.size() >= parsed_ && buffer_.size() - parsed_ >= body_size_;
  }

  // HTTP/1.0 must be told that a connection stays open. True also before a head could be read.
  bool is_old() const { return head_.version < 11; }
  bool is_between_requests() const { return buffer_.size() == 0 && stage_ == Stage::head; }
  bool is_in_head() const { return stage_ == Stage::head; }

  // The body is taken in parts from now on, and request() will have none. Only for a head with a length.
  void stream_body();
  // What has come in of a streamed body and was not taken yet. Stays where it is until take_part() or room().
  std::string_view part() const;
  void take_part();
  Progress refuse_large_body();

  // Forgets the present request and goes on behind it.
  void next();
  // Forgets everything received; for a connection that only waits for its end.
  void discard();
  // Of a request whose body is there: whether its client has sent more without waiting for the answer.
  bool has_more_behind() const {
    return stage_ == Stage::complete && buffer_.size() > parsed_ + body_size_ - streamed_;
  }
  // What is held beyond the little that every connection may keep.
  std::uint64_t large_bytes() const;

 private:
  enum class Stage : std::uint8_t { head, body, chunks, stream, complete };

  // What the parser finds out about one request, beside what belongs into Request.
  struct Head {
    std::string_view target;
    std::string chunked_body;
    int version = 11;
    int lengths = 0;  // Content-Length headers.
    bool is_chunked = false;
    bool expects_continue = false;
    const char* problem = nullptr;  // Why the parser was told to stop.
    int status = 400;               // Of that problem.
    std::size_t line = 0;           // Bytes in which the request line does not end.
  };
  class Parser;
  struct ParserSlot;

  Progress read_head();
  std::size_t request_line_size(std::size_t head_size);
  Progress refuse_address();
  Progress finish_head();
  Progress read_body();
  Progress read_chunks();
  Progress refuse(ErrorCode code, std::string message, std::string hint = {}, int status = 0);
  Progress refuse_parse(const std::string& parser_says);
  void forget();
  void move_buffer(std::size_t capacity);

  const ReaderLimits limits_;
  ReceiveBuffer buffer_;
  std::unique_ptr<ParserSlot> parser_;  // One piece of storage for the parsers of all requests.
  Stage stage_ = Stage::head;
  Head head_;
  Request request_;
  Error refusal_;
  int refusal_status_ = 0;
  std::string decoded_path_;
  std::size_t parsed_ = 0;  // Bytes of the buffer that the parser has taken: the head's, in the end.
  std::uint64_t body_size_ = 0;
  std::uint64_t streamed_ = 0;  // Of a streamed body.
  std::uint64_t chunk_wire_bytes_ = 0;
};

}  // namespace trimtab::http
