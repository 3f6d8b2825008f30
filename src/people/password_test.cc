#include "people/password.h"

#include <gtest/gtest.h>

namespace trimtab::people {
namespace {

std::string complaint(std::string_view password) {
  const Status status = check_password(password, "annabel");
  return status ? "" : status.error().message;
}

TEST(Password, IsHashedAndKnownAgain) {
  const std::string hash = hash_password("correct horse battery staple").value();
  EXPECT_TRUE(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$")) << hash;
  EXPECT_TRUE(is_password("correct horse battery staple", hash));
  EXPECT_FALSE(is_password("correct horse battery stapl", hash));
  EXPECT_FALSE(is_password("", ""));
}

TEST(Password, WeakOnesAreRefusedWithTheReason) {
  EXPECT_EQ(complaint("eleven char"), "the password is too weak: it has fewer than 12 characters");
  EXPECT_EQ(complaint("abababababab"),
            "the password is too weak: it has fewer than five different characters");
  EXPECT_EQ(complaint("Password123!"), "the password is too weak: it is a word that is guessed first");
  EXPECT_EQ(complaint("Annabel-1234567"), "the password is too weak: it is the person's name");
  EXPECT_EQ(complaint(std::string(1025, 'a')), "the password is longer than 1,024 bytes");
  EXPECT_EQ(complaint(random_password()), "");
}

TEST(Password, RandomOnesDiffer) {
  EXPECT_EQ(random_password().size(), 24);
  EXPECT_NE(random_password(), random_password());
}

}  // namespace
}  // namespace trimtab::people
