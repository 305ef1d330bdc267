#include "transport/listen_addresses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <set>

namespace exeunt::transport {
namespace {

using testing::Contains;
using testing::HasSubstr;

std::vector<std::string> Found(const std::string& host) {
  std::vector<std::string> texts;
  const auto addresses = ListenAddresses(host, std::chrono::seconds(60));
  if (!addresses) return {addresses.error().message};
  for (const auto& address : *addresses) texts.push_back(address.to_string());
  return texts;
}

TEST(ListenAddresses, LiteralsAreThemselves) {
  using testing::ElementsAre;
  EXPECT_THAT(Found("127.0.0.1"), ElementsAre("127.0.0.1"));
  EXPECT_THAT(Found("0.0.0.0"), ElementsAre("0.0.0.0"));
  EXPECT_THAT(Found("::1"), ElementsAre("::1"));
  EXPECT_THAT(Found("[::1]"), ElementsAre("::1"));
  EXPECT_THAT(Found("[::]"), ElementsAre("::"));
}

TEST(ListenAddresses, NamesHaveAllTheirAddressesOnce) {
  const auto found = Found("localhost");
  EXPECT_THAT(found, Contains(testing::AnyOf("127.0.0.1", "::1")));
  EXPECT_EQ(std::set<std::string>(found.begin(), found.end()).size(), found.size());
}

TEST(ListenAddresses, ErrorsNameTheHost) {
  for (const char* host : {"", "no-such-host.invalid", "a b", "256.1.1.1.1", "[]", "*"}) {
    const auto found = ListenAddresses(host, std::chrono::seconds(60));
    ASSERT_FALSE(found) << host;
    EXPECT_THAT(found.error().message, HasSubstr(std::string("host '") + host + "'"));
  }
}

TEST(ListenAddresses, ALookUpHasADeadline) {
  std::promise<void> never;  // until the test is over
  const auto stuck = [wait = never.get_future().share()](const std::string&) -> Result<AddressList> {
    wait.wait();
    return AddressList{};
  };
  const auto found = ListenAddresses("localhost", std::chrono::milliseconds(1), stuck);
  never.set_value();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kDeadlineExceeded);
  EXPECT_THAT(found.error().message, HasSubstr("host 'localhost' could not be looked up within"));
}

TEST(ListenAddresses, BracketsStandAroundColons) {
  EXPECT_EQ(BracketedHost("::1"), "[::1]");
  EXPECT_EQ(BracketedHost("[::1]"), "[::1]");
  EXPECT_EQ(BracketedHost("localhost"), "localhost");
  EXPECT_EQ(WithoutBrackets("[fe80::1%lo]"), "fe80::1%lo");
  EXPECT_EQ(WithoutBrackets("10.0.0.1"), "10.0.0.1");
}

}  // namespace
}  // namespace exeunt::transport
