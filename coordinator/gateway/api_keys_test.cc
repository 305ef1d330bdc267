#include "coordinator/gateway/api_keys.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

namespace exeunt::coordinator {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kKey = "0123456789abcdef";

std::string NameOf(const ApiKeys& keys, std::string_view key) {
  const std::string* name = keys.Find(key);
  return name == nullptr ? "nobody" : *name;
}

std::string FaultOf(const std::string& text) {
  const auto keys = ApiKeys::Parse(text, "FILE");
  return keys ? "none" : keys.error().message;
}

TEST(ApiKeys, SeveralKeysWithAndWithoutNames) {
  const ApiKeys keys = ApiKeys::Parse(
                           "# who may ask\n\nalice alice-key-aaaaaaaa\r\n  bob\tbob-key-bbbbbbbbbb  \n"
                           "nameless-cccccccc\nalice alice-next-aaaaaaaa",
                           "FILE")
                           .value();
  EXPECT_EQ(keys.size(), 4U);
  EXPECT_EQ(NameOf(keys, "alice-key-aaaaaaaa"), "alice");
  EXPECT_EQ(NameOf(keys, "alice-next-aaaaaaaa"), "alice") << "two keys of one client: to change them";
  EXPECT_EQ(NameOf(keys, "bob-key-bbbbbbbbbb"), "bob");
  EXPECT_EQ(NameOf(keys, "nameless-cccccccc"), "key-5");
  for (const char* wrong :
       {"", "alice", "alice-key-aaaaaaa", "alice-key-aaaaaaaaa", "alice alice-key-aaaaaaaa"}) {
    EXPECT_EQ(NameOf(keys, wrong), "nobody") << wrong;
  }
  EXPECT_TRUE(ApiKeys().empty());
  EXPECT_EQ(NameOf(ApiKeys(), ""), "nobody");
}

TEST(ApiKeys, ErrorsNameTheLineAndNeverAKey) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"# nothing\n\n", "FILE: there is no key in it"},
      {"\nshort", "FILE, line 2: the key has 5 characters, it must have 16 to 512"},
      {"a " + std::string(513, 'x'), "FILE, line 1: the key has 513 characters, it must have 16 to 512"},
      {"a b 0123456789abcdef", "FILE, line 1: 3 words, not NAME KEY or KEY"},
      {"a/b 0123456789abcdef", "FILE, line 1: the name must be at most 64 letters, digits and ._-@"},
      {std::string(65, 'n') + " 0123456789abcdef",
       "FILE, line 1: the name must be at most 64 letters, digits and ._-@"},
      {"a 0123456789abcde\xC3\xA9", "FILE, line 1: the key has characters that are not printable ASCII"},
      {"a 0123456789abcdef\n\nb 0123456789abcdef", "FILE, line 3: the key is that of line 1"},
  };
  for (const auto& [text, fault] : cases) EXPECT_EQ(FaultOf(text), fault);
  std::string many;
  for (size_t i = 0; i < kMaxApiKeys; ++i) many += fmt::format("a-key-of-many-{:06}\n", i);
  EXPECT_EQ(FaultOf(many), "none");
  EXPECT_EQ(FaultOf(many + kKey), "FILE, line 1025: over 1024 keys");
  EXPECT_THAT(FaultOf("x\n" + std::string(kKey)), Not(HasSubstr("x")));
}

TEST(ApiKeys, FilesAreReadWhole) {
  const std::string path = testing::TempDir() + "exeunt_api_keys_test";
  std::ofstream(path) << "me " << kKey << "\n";
  chmod(path.c_str(), 0600);
  EXPECT_EQ(NameOf(ApiKeys::Read(path).value(), kKey), "me");
  std::ofstream(path) << std::string(2 << 20, '#');
  EXPECT_THAT(ApiKeys::Read(path).error().message, HasSubstr("is larger than 1048576 bytes"));
  EXPECT_THAT(ApiKeys::Read(path + "-not-there").error().message,
              HasSubstr("exeunt_api_keys_test-not-there"));
  EXPECT_FALSE(ApiKeys::Read(testing::TempDir())) << "a folder";
}

TEST(ApiKeys, OfTheAuthorizationHeader) {
  EXPECT_EQ(BearerKey("Bearer abc"), "abc");
  EXPECT_EQ(BearerKey("bearer   abc"), "abc");
  for (const char* other : {"", "Bearer", "Bearer ", "Basic abc", "abc", "Bearerabc"})
    EXPECT_EQ(BearerKey(other), "");
}

}  // namespace
}  // namespace exeunt::coordinator
