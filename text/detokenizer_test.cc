#include <gtest/gtest.h>

#include "base/rng.h"
#include "text/testing/tokenizer_testing.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace exeunt::text {
namespace {

// Pushes token by token, checks that every part is whole characters, and returns all of them.
std::string Stream(const std::shared_ptr<const Tokenizer>& tokenizer, const std::vector<int32_t>& ids,
                   bool render_special) {
  Detokenizer detokenizer(tokenizer, render_special);
  std::string all;
  for (const int32_t id : ids) {
    const std::string part = detokenizer.Push(id);
    EXPECT_TRUE(IsWellFormed(part));
    all += part;
  }
  const std::string rest = detokenizer.Flush();
  EXPECT_TRUE(IsWellFormed(rest));
  return all + rest;
}

class Detokenization : public ::testing::TestWithParam<const char*> {};

TEST_P(Detokenization, StreamEqualsDecode) {
  const auto tokenizer = LoadTestTokenizer(GetParam());
  const std::vector<std::string> lines = TokenizerCorpus();
  for (size_t i = 0; i < lines.size(); i += 5) {
    const std::vector<int32_t> ids = tokenizer->Encode(lines[i], true, true);
    for (const bool special : {false, true}) {
      ASSERT_EQ(Stream(tokenizer, ids, special), tokenizer->Decode(ids, special)) << "line " << i;
    }
  }
}

// Tokens at random are mostly no text: bytes that form no character come next to each other.
TEST_P(Detokenization, StreamEqualsDecodeForAnyTokens) {
  const auto tokenizer = LoadTestTokenizer(GetParam());
  size_t replaced = 0;
  for (uint32_t n = 0; n < 2000; ++n) {
    std::vector<int32_t> ids;
    const uint32_t size = 1 + n % 24;
    for (uint32_t i = 0; i < size; ++i) {
      const Philox4 r = Philox(n, {i, 0, 0, 0});
      // The first few hundred ids hold the single bytes of every family.
      const uint32_t range = r[1] % 2 == 0 ? 300U : static_cast<uint32_t>(tokenizer->vocab_size()) + 2;
      ids.push_back(static_cast<int32_t>(r[0] % range) - 1);
    }
    const std::string whole = tokenizer->Decode(ids, true);
    EXPECT_TRUE(IsWellFormed(whole));
    ASSERT_EQ(Stream(tokenizer, ids, true), whole) << "case " << n;
    if (whole.find(kReplacementCharacter) != std::string::npos) ++replaced;
  }
  if (std::string(GetParam()) != "unigram") {  // it has no byte tokens
    EXPECT_GT(replaced, 500U);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Detokenization,
                         ::testing::Values("smollm2", "llama2", "gemma", "mistral", "unigram",
                                           "precompiled"));

TEST(Detokenizer, HoldsBackAnOpenCharacter) {
  const auto tokenizer = LoadTestTokenizer("llama2");
  Detokenizer detokenizer(tokenizer, false);
  const int32_t first_byte = tokenizer->Find("<0x00>");
  EXPECT_EQ(detokenizer.Push(first_byte + 0xF0), "");
  EXPECT_EQ(detokenizer.Push(first_byte + 0x9F), "");
  EXPECT_EQ(detokenizer.Push(first_byte + 0x98), "");
  EXPECT_EQ(detokenizer.Push(first_byte + 0x80), "\xF0\x9F\x98\x80");
  EXPECT_EQ(detokenizer.Push(first_byte + 0xE2), "");
  EXPECT_EQ(detokenizer.Push(first_byte + 0x82), "");
  EXPECT_EQ(detokenizer.Push(tokenizer->Find("a")),
            "\xEF\xBF\xBD"
            "a");
  EXPECT_EQ(detokenizer.Push(first_byte + 0xE2), "");
  EXPECT_EQ(detokenizer.Flush(), "\xEF\xBF\xBD");
  EXPECT_EQ(detokenizer.Flush(), "");
}

TEST(Detokenizer, KeepsTheLeadingSpaceOfAContinuation) {
  const auto tokenizer = LoadTestTokenizer("llama2");
  const std::vector<int32_t> ids = tokenizer->Encode("the", false, false);
  EXPECT_EQ(tokenizer->Decode(ids, false), "the");
  Detokenizer detokenizer(tokenizer, false, true);
  std::string text;
  for (const int32_t id : ids) text += detokenizer.Push(id);
  EXPECT_EQ(text + detokenizer.Flush(), " the");
}

}  // namespace
}  // namespace exeunt::text
