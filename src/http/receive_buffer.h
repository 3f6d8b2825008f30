// The bytes received on one connection. Unlike std::string it never clears what it allocates, and it tells
// how far its bytes moved, so that views into them can follow.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>

namespace trimtab::http {

class ReceiveBuffer {
 public:
  explicit ReceiveBuffer(std::size_t capacity) : bytes_(new char[capacity]), capacity_(capacity) {}

  char* data() { return bytes_.get() + begin_; }
  const char* data() const { return bytes_.get() + begin_; }
  std::size_t size() const { return end_ - begin_; }
  std::size_t capacity() const { return capacity_; }
  char* free_space() { return bytes_.get() + end_; }
  std::size_t free_size() const { return capacity_ - end_; }

  void received(std::size_t count) { end_ += count; }
  // Forgets the first `count` bytes.
  void consume(std::size_t count) {
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  // Forgets `count` bytes from `offset` on; what follows them moves.
  void cut(std::size_t offset, std::size_t count) {
    std::memmove(data() + offset, data() + offset + count, size() - offset - count);
    end_ -= count;
  }
  // Moves the bytes to the front of storage of that capacity, which must hold them.
  void move_to(std::size_t capacity) {
    if (capacity == capacity_) {
      std::memmove(bytes_.get(), data(), size());
    } else {
      std::unique_ptr<char[]> larger(new char[capacity]);
      std::memcpy(larger.get(), data(), size());
      bytes_ = std::move(larger);
      capacity_ = capacity;
    }
    end_ -= begin_;
    begin_ = 0;
  }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace trimtab::http
