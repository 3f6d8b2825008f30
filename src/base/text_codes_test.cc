#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/base64.h"
#include "base/hmac.h"

namespace trimtab::base {
namespace {

TEST(Base64, KnownTexts) {
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(to_base64("f"), "Zg==");
  EXPECT_EQ(to_base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(from_base64("Zm9v\nYg=="), "foob");
  EXPECT_EQ(from_base64("Zm9vYg"), std::nullopt);
  EXPECT_EQ(from_base64("Z"), std::nullopt);
}

TEST(Base64, GoesThereAndBack) {
  rc::check([](const std::string& bytes) { RC_ASSERT(from_base64(to_base64(bytes)) == bytes); });
}

TEST(Hmac, IsThatOfRfc4231) {
  EXPECT_EQ(to_base64(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
}

}  // namespace
}  // namespace trimtab::base
