#include "notify/mail.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "notify/courier.h"
#include "store/scratch_folder.h"

namespace trimtab::notify {
namespace {

Delivery delivery_to(const std::string& url) {
  Delivery delivery;
  delivery.id = "d-1";
  delivery.url = url;
  delivery.event = "incident.waiting";
  delivery.body = R"({"data":{"endpoint":"late","incident":3,"summary":"it has\r\nBcc: all@example.com"}})";
  return delivery;
}

TEST(Mail, IsOneMessageWithItsHead) {
  const std::string text = mail_text(delivery_to("smtp://relay:25/ops@example.com"), "trimtab@example.com",
                                     "ops@example.com", 1'364'774'400 * base::kSecondUs);
  EXPECT_TRUE(
      text.starts_with("Date: Mon, 01 Apr 2013 00:00:00 +0000\r\n"
                       "From: Trimtab <trimtab@example.com>\r\nTo: <ops@example.com>\r\n"
                       "Message-ID: <d-1@trimtab>\r\n"
                       "Subject: [trimtab] late: incident.waiting: it has??Bcc: all@example.com\r\n"))
      << text;
  EXPECT_NE(text.find("incident 3 of endpoint late\r\n"), std::string::npos) << text;
}

TEST(Mail, ALineThatIsADotDoesNotEndIt) {
  Delivery delivery = delivery_to("");
  delivery.body = R"({"data":{"summary":"a\n.\n.b"}})";
  const std::string text = mail_text(delivery, "a@b", "c@d", 0);
  EXPECT_NE(text.find("\r\na\r\n..\r\n..b\r\n"), std::string::npos) << text;
}

class MailDoor : public testing::Test {
 protected:
  std::string refusal(const std::string& url) {
    const Status sent = send_mail(*home_, delivery_to(url), 0, base::kSecondUs);
    return sent ? "sent" : sent.error().message;
  }
  base::ManualClock clock_{0};
  store::ScratchFolder folder_;
  std::unique_ptr<store::Home> home_ = store::Home::open(folder_.path() / "home", clock_).value();
};

TEST_F(MailDoor, TheEgressPolicyHoldsForRelaysToo) {
  EXPECT_NE(refusal("smtp://127.0.0.1:25/ops@example.com"), "sent");
  EXPECT_EQ(refusal("smtp://relay"), "a mail goes to smtp://host:port/address");
  ASSERT_TRUE(base::write_file_durably(home_->folder() / "egress", "127.0.0.1:1\n"));
  const Status sent =
      send_mail(*home_, delivery_to("smtp://127.0.0.1:1/ops@example.com"), 0, base::kSecondUs);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, ErrorCode::busy) << "allowed, and nobody is there: " << sent.error().message;
}

}  // namespace
}  // namespace trimtab::notify
