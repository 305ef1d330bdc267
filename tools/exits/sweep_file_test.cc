#include "tools/exits/sweep_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/write_file.h"

namespace exeunt::tools {
namespace {

TEST(SweepFileTest, RoundTripWithoutTheLineThatAKillCutShort) {
  const SweepHeader header{"model", "exits", "prompts", 12, "8,12"};
  const SweepLine line{"preview-0.9", 3, {true, "a \"b\"\n", {{8, 5}, {30, 2}}}};
  EXPECT_EQ(line.answer.tokens(), 7);
  EXPECT_EQ(line.answer.layers(), 100);
  const std::string path = testing::TempDir() + "sweep-" + std::to_string(getpid()) + ".jsonl";
  ASSERT_TRUE(WriteFile(path, ToJson(header) + "\n" + ToJson(line) + "\n" + ToJson(line)).has_value());
  const auto file = ReadSweepFile(path);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_EQ(ToJson(file->header), ToJson(header));
  ASSERT_EQ(file->lines.size(), 1U);
  EXPECT_EQ(ToJson(file->lines[0]), ToJson(line));
  ASSERT_TRUE(WriteFile(path, ToJson(header) + "\n{\"setting\":3}\n").has_value());
  EXPECT_NE(ReadSweepFile(path).error().message.find(path + ":2: not a generation"), std::string::npos);
  ASSERT_TRUE(WriteFile(path, "{}\n").has_value());
  EXPECT_NE(ReadSweepFile(path).error().message.find(":1: not the first line of a sweep"), std::string::npos);
}

TEST(SweepFileTest, ExitsAreTokensByLayer) {
  for (const char* exits : {R"({"0":1})", R"({"x":1})", R"({"8":-1})", R"({"8":"1"})", R"({"8x":1})"}) {
    const std::string line = std::string(R"({"setting":"off","prompt":0,"text":"","exits":)") + exits + "}";
    EXPECT_FALSE(ParseSweepLine(line).has_value()) << line;
  }
}

}  // namespace
}  // namespace exeunt::tools
