#include "notify/egress.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "store/scratch_folder.h"

namespace trimtab::notify {
namespace {

std::string why(const Result<Url>& url) { return url ? "" : url.error().message; }
std::string why(const Status& status) { return status ? "" : status.error().message; }

TEST(Url, HasItsParts) {
  const Url url = parse_url("HTTPS://Hooks.Example.com/a/b?c=d#e").value();
  EXPECT_TRUE(url.is_secure);
  EXPECT_EQ(url.host, "hooks.example.com");
  EXPECT_EQ(url.port, 443);
  EXPECT_EQ(url.target, "/a/b?c=d");
  EXPECT_EQ(url.authority(), "hooks.example.com");
  EXPECT_EQ(parse_url("http://[::1]:81?x").value().authority(), "[::1]:81");
  EXPECT_EQ(parse_url("http://[::1]:81?x").value().target, "/?x");
}

TEST(Url, WhatIsNoneIsRefused) {
  EXPECT_EQ(why(parse_url("")), "Invalid webhook URL scheme: ''. Allowed schemes are: https.");
  EXPECT_EQ(why(parse_url("ftp://x/")), "Invalid webhook URL scheme: 'ftp'. Allowed schemes are: https.");
  EXPECT_EQ(why(parse_url("file:///etc")), "Invalid webhook URL scheme: 'file'. Allowed schemes are: https.");
  EXPECT_EQ(why(parse_url("https:///x")), "Webhook URL must include a hostname: 'https:///x'");
  EXPECT_EQ(why(parse_url("https://a@b/")), "Invalid webhook URL: it holds a user's name");
  EXPECT_EQ(why(parse_url("https://b:0/")), "Invalid webhook URL: its port is no number from 1 to 65535");
  EXPECT_EQ(why(parse_url("https://b:99999/")), "Invalid webhook URL: its port is no number from 1 to 65535");
  EXPECT_EQ(why(parse_url("https://[::1/")), "Invalid webhook URL: its host's '[' is never closed");
  EXPECT_EQ(why(parse_url("https://a/\r\nHost: b")),
            "Invalid webhook URL: it holds blanks or other characters than ASCII, or is longer than 2048");
}

TEST(Egress, OnlyPublicAddressesAreAnybodys) {
  for (const char* address : {"8.8.8.8", "93.184.216.34", "2606:4700::1111", "2002:808:808::1",
                              "64:ff9b::808:808", "::ffff:8.8.8.8"}) {
    EXPECT_TRUE(is_public_address(address)) << address;
  }
  for (const char* address : {"127.0.0.1",
                              "127.9.9.9",
                              "10.0.0.1",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.168.1.1",
                              "169.254.169.254",
                              "100.64.0.1",
                              "0.0.0.0",
                              "224.0.0.1",
                              "255.255.255.255",
                              "198.18.0.1",
                              "::1",
                              "::",
                              "fe80::1",
                              "fe80::1%lo",
                              "fc00::1",
                              "fd00:ec2::254",
                              "ff02::1",
                              "::ffff:127.0.0.1",
                              "::ffff:169.254.169.254",
                              "64:ff9b::7f00:1",
                              "2002:7f00:1::",
                              "2001:db8::1",
                              "2001::1",
                              "::127.0.0.1",
                              "64:ff9b:1::1",
                              "localhost",
                              ""}) {
    EXPECT_FALSE(is_public_address(address)) << address;
  }
}

TEST(Egress, TheServersOwnNetworkIsRefusedInEverySpelling) {
  const store::ScratchFolder home;
  const Egress egress = Egress::read(home.path()).value();
  for (const char* host :
       {"127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "localhost", "a.localhost",
        "localhost.", "169.254.169.254", "[::ffff:169.254.169.254]", "10.1.2.3"}) {
    const Url url = parse_url("https://" + std::string(host) + "/").value();
    EXPECT_NE(why(egress.check(url)).find("must not resolve to a non-public IP address"), std::string::npos)
        << host;
    EXPECT_FALSE(egress.resolve(url)) << host;
  }
  EXPECT_EQ(why(egress.check(parse_url("http://example.com/").value())),
            "Invalid webhook URL scheme: 'http'. Allowed schemes are: https.");
  EXPECT_EQ(why(egress.check(parse_url("https://8.8.8.8/").value())), "");
}

TEST(Egress, TheHomeListsExceptions) {
  const store::ScratchFolder home;
  ASSERT_TRUE(
      base::write_file_durably(home / "egress", "# ours\n127.0.0.1:8080\nhooks.internal  # the chat\n"));
  const Egress egress = Egress::read(home.path()).value();
  EXPECT_EQ(why(egress.check(parse_url("http://127.0.0.1:8080/x").value())), "");
  EXPECT_NE(why(egress.check(parse_url("http://127.0.0.1:8081/x").value())), "");
  EXPECT_EQ(why(egress.check(parse_url("http://hooks.internal:99/").value())), "");
  EXPECT_EQ(egress.resolve(parse_url("http://127.0.0.1:8080/x").value()).value().at(0).text, "127.0.0.1");
}

}  // namespace
}  // namespace trimtab::notify
