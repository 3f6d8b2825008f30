#include "people/password.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <sodium.h>

namespace trimtab::people {
namespace {

constexpr std::size_t kBytesMin = 12;
constexpr std::size_t kBytesMax = 1024;
constexpr std::size_t kDifferentMin = 5;
constexpr unsigned long long kPasses = 2;
constexpr std::size_t kMemory = 19u << 20;

// What everybody tries first; figures and signs around them do not help.
constexpr std::array<std::string_view, 14> kWords = {
    "password", "passwort", "qwertyuiop", "qwerty", "letmein", "welcome", "trimtab",
    "mlflow",   "changeme", "iloveyou",   "secret", "default", "monkey",  "administrator"};

void start_library() {
  static const int started = sodium_init();
  CHECK(started >= 0);
}

std::string letters_of(std::string_view text) {
  std::string letters;
  for (const char c : text) {
    if (std::isalpha(static_cast<unsigned char>(c)) != 0)
      letters += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return letters;
}

}  // namespace

Status check_password(std::string_view password, std::string_view person) {
  const auto refuse = [](const std::string& why) {
    return fail(ErrorCode::invalid, "the password is too weak: " + why,
                "use three or four random words, or let a password manager make one");
  };
  if (password.size() > kBytesMax) return fail(ErrorCode::invalid, "the password is longer than 1,024 bytes");
  if (password.size() < kBytesMin) return refuse("it has fewer than 12 characters");
  if (std::set<char>(password.begin(), password.end()).size() < kDifferentMin)
    return refuse("it has fewer than five different characters");
  const std::string letters = letters_of(password);
  if (std::find(kWords.begin(), kWords.end(), letters) != kWords.end())
    return refuse("it is a word that is guessed first");
  const std::string name = letters_of(person);
  if (name.size() >= 3 && (letters == name || letters == name + name))
    return refuse("it is the person's name");
  return {};
}

Result<std::string> hash_password(std::string_view password) {
  start_library();
  std::array<char, crypto_pwhash_STRBYTES> hash{};
  if (crypto_pwhash_str_alg(hash.data(), password.data(), password.size(), kPasses, kMemory,
                            crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return fail(ErrorCode::busy, "there is no memory to hash a password", "try again in a moment");
  }
  return std::string(hash.data());
}

bool is_password(std::string_view password, const std::string& hash) {
  start_library();
  // Hashed all the same, so that the time does not tell who is known here.
  static const std::string nobody = hash_password(random_password()).value_or("");
  const std::string& against = hash.empty() ? nobody : hash;
  const bool matches = crypto_pwhash_str_verify(against.c_str(), password.data(), password.size()) == 0;
  return matches && !hash.empty();
}

std::string random_password() {
  constexpr std::string_view kAlphabet = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
  start_library();
  std::string password;
  for (int i = 0; i < 24; ++i) {
    password += kAlphabet[randombytes_uniform(static_cast<std::uint32_t>(kAlphabet.size()))];
  }
  return password;
}

}  // namespace trimtab::people
