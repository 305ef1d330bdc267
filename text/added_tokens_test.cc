#include "text/added_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace exeunt::text {
namespace {

using ::testing::ElementsAre;
using Parts = std::vector<std::pair<std::string, int32_t>>;

AddedTokens Make(const std::vector<AddedToken>& tokens) {
  AddedTokens added;
  for (const AddedToken& token : tokens) EXPECT_TRUE(added.Add(token).has_value());
  return added;
}

Parts Split(const AddedTokens& added, std::string_view text, bool parse_special = true) {
  std::vector<AddedTokens::Part> parts;
  added.Split(text, parse_special, &parts);
  Parts copy;
  for (const AddedTokens::Part& part : parts) copy.emplace_back(part.text, part.id);
  return copy;
}

TEST(AddedTokens, LeftmostThenLongest) {
  const AddedTokens added =
      Make({{.id = 1, .text = "ab"}, {.id = 2, .text = "abcd"}, {.id = 3, .text = "bcx"}});
  EXPECT_THAT(Split(added, "abcd"), ElementsAre(std::pair("abcd", 2)));
  EXPECT_THAT(Split(added, "abcx"), ElementsAre(std::pair("ab", 1), std::pair("cx", -1)));
  EXPECT_THAT(Split(added, "-bcx-ab"),
              ElementsAre(std::pair("-", -1), std::pair("bcx", 3), std::pair("-", -1), std::pair("ab", 1)));
  EXPECT_THAT(Split(added, ""), ElementsAre());
  EXPECT_THAT(Split(added, "abc"), ElementsAre(std::pair("ab", 1), std::pair("c", -1)));
}

TEST(AddedTokens, SpecialOnesOnlyWhereAskedFor) {
  const AddedTokens added = Make({{.id = 1, .text = "<s>", .special = true}, {.id = 2, .text = "<t>"}});
  EXPECT_THAT(Split(added, "<s><t>", true), ElementsAre(std::pair("<s>", 1), std::pair("<t>", 2)));
  EXPECT_THAT(Split(added, "<s><t>", false), ElementsAre(std::pair("<s>", -1), std::pair("<t>", 2)));
}

TEST(AddedTokens, WordsAndWhiteSpace) {
  const AddedTokens added = Make({{.id = 1, .text = "W", .single_word = true},
                                  {.id = 2, .text = "[L]", .lstrip = true},
                                  {.id = 3, .text = "[R]", .rstrip = true}});
  EXPECT_THAT(Split(added, "aW \xC3\xA9W"), ElementsAre(std::pair("aW \xC3\xA9W", -1)));
  EXPECT_THAT(Split(added, "-W-"), ElementsAre(std::pair("-", -1), std::pair("W", 1), std::pair("-", -1)));
  EXPECT_THAT(Split(added, "a \xE3\x80\x80[L] b"),
              ElementsAre(std::pair("a", -1), std::pair(" \xE3\x80\x80[L]", 2), std::pair(" b", -1)));
  EXPECT_THAT(Split(added, "a [R]\n b"),
              ElementsAre(std::pair("a ", -1), std::pair("[R]\n ", 3), std::pair("b", -1)));
}

TEST(AddedTokens, TextIsBounded) {
  AddedTokens added;
  EXPECT_FALSE(added.Add({.id = 1, .text = ""}).has_value());
  EXPECT_FALSE(added.Add({.id = 1, .text = std::string(1025, 'x')}).has_value());
}

}  // namespace
}  // namespace exeunt::text
