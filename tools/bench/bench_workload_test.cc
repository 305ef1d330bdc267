#include "tools/bench/bench_workload.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace exeunt::tools {
namespace {

using ::testing::HasSubstr;

constexpr int kContext = 8192;

TEST(BenchWorkloadTest, EveryFormIsRead) {
  struct Case {
    std::string text;
    BenchKind kind;
    int streams, prompt_tokens, tokens;
  };
  const Case cases[] = {
      {"prefill:512", BenchKind::kPrefill, 1, 512, 1},    {"prefill:1", BenchKind::kPrefill, 1, 1, 1},
      {"prefill:8191", BenchKind::kPrefill, 1, 8191, 1},  {"context:8160", BenchKind::kDecode, 1, 8160, 32},
      {"decode:1", BenchKind::kDecode, 1, 16, 128},       {"decode:32", BenchKind::kDecode, 32, 16, 128},
      {"decode:32x64", BenchKind::kDecode, 32, 16, 64},   {"decode:1x2", BenchKind::kDecode, 1, 16, 2},
      {"decode:1x8176", BenchKind::kDecode, 1, 16, 8176}, {"decode:4096", BenchKind::kDecode, 4096, 16, 128},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const auto workload = ParseWorkload(c.text, kContext);
    ASSERT_TRUE(workload.has_value()) << workload.error().message;
    EXPECT_EQ(workload->name, c.text);
    EXPECT_EQ(workload->kind, c.kind);
    EXPECT_EQ(workload->streams, c.streams);
    EXPECT_EQ(workload->prompt_tokens, c.prompt_tokens);
    EXPECT_EQ(workload->tokens, c.tokens);
  }
}

TEST(BenchWorkloadTest, AnythingElseIsRefusedByName) {
  for (const std::string text : {"",
                                 ":",
                                 "decode",
                                 "decode:",
                                 "decode:x",
                                 "decode:4x",
                                 "decode:x4",
                                 "decode:0",
                                 "decode:-1",
                                 "decode:+1",
                                 "decode: 1",
                                 "decode:1 ",
                                 "decode:4x1",
                                 "decode:4x0",
                                 "decode:4x-5",
                                 "decode:4x5x6",
                                 "decode:4X5",
                                 "decode:1.5",
                                 "decode:4097",
                                 "decode:99999",
                                 "decode:99999999999",
                                 "prefill",
                                 "prefill:",
                                 "prefill:0",
                                 "prefill:5x5",
                                 "prefill:5x",
                                 "prefill:99999999999",
                                 "context:5x5",
                                 "context:0",
                                 "Decode:4",
                                 "prefil:4",
                                 "decode4",
                                 "512",
                                 "decode:4:5"}) {
    const auto workload = ParseWorkload(text, kContext);
    ASSERT_FALSE(workload.has_value()) << text;
    EXPECT_EQ(workload.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(workload.error().message,
                HasSubstr(fmt::format("--workload '{}': not prefill:TOKENS", text)));
    EXPECT_THAT(workload.error().message, HasSubstr("4096"));
  }
}

TEST(BenchWorkloadTest, NothingLongerThanTheContextIsRun) {
  for (const auto& [text, positions] : {std::pair<std::string, int64_t>{"prefill:8192", 8193},
                                        {"context:8161", 8193},
                                        {"decode:1x8177", 8193},
                                        {"prefill:2147483647", 2147483648},
                                        {"context:2147483647", 2147483679},
                                        {"decode:1x2147483647", 2147483663}}) {
    const auto workload = ParseWorkload(text, kContext);
    ASSERT_FALSE(workload.has_value()) << text;
    EXPECT_EQ(
        workload.error().message,
        fmt::format("--workload '{}': {} positions, the model's context has {}", text, positions, kContext));
  }
  EXPECT_FALSE(ParseWorkload("decode:4", 143).has_value());
  EXPECT_TRUE(ParseWorkload("decode:4", 144).has_value());
}

TEST(BenchWorkloadTest, RequestsAreTheSameEveryTimeAndDifferBetweenStreams) {
  const BenchWorkload workload{"decode:8x5", BenchKind::kDecode, 8, 16, 5};
  const ExitSetting exit{.mode = ExitMode::kExact, .threshold = 0.5F};
  const auto requests = MakeBenchRequests(workload, {}, exit, 300, 41);
  const auto again = MakeBenchRequests(workload, {}, exit, 300, 41);
  ASSERT_EQ(requests.size(), 8U);
  ASSERT_EQ(again.size(), 8U);
  std::set<std::vector<int32_t>> prompts;
  std::set<int32_t> tokens;
  std::set<uint64_t> seeds;
  for (size_t i = 0; i < requests.size(); ++i) {
    const worker::SequenceSpec& spec = requests[i];
    EXPECT_EQ(spec.sequence, 41 + i);
    EXPECT_EQ(spec.prompt, again[i].prompt);
    EXPECT_EQ(spec.sampling.seed, again[i].sampling.seed);
    EXPECT_EQ(spec.prompt_tokens(), 16);
    EXPECT_EQ(spec.max_tokens, 5);
    EXPECT_EQ(spec.sampling.temperature, 0.0F);
    EXPECT_TRUE(spec.end_tokens.empty());
    EXPECT_EQ(spec.exit.mode, ExitMode::kExact);
    EXPECT_EQ(spec.exit.threshold, 0.5F);
    for (const int32_t token : spec.prompt) {
      EXPECT_GE(token, 0);
      EXPECT_LT(token, 300);
      tokens.insert(token);
    }
    prompts.insert(spec.prompt);
    seeds.insert(spec.sampling.seed);
  }
  EXPECT_EQ(prompts.size(), 8U);
  EXPECT_EQ(seeds.size(), 8U);
  EXPECT_GT(tokens.size(), 64U);
}

}  // namespace
}  // namespace exeunt::tools
