// SHA-256 of bytes and files: the names of everything Trimtab keeps.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace trimtab::base {

// Incremental; not thread-safe. Call finish once.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(std::string_view bytes);
  std::string finish();  // 64 lower-case hexadecimal digits.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256(std::string_view bytes);
// Errors: not_found, storage_broken.
Result<std::string> sha256_file(const std::filesystem::path& path);

// True for 64 lower-case hexadecimal digits.
bool is_sha256(std::string_view text);

}  // namespace trimtab::base
