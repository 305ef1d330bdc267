#include "tools/exits/loss_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/write_file.h"

namespace exeunt::tools {
namespace {

const std::vector<std::string> kSettings = {"off", "preview-0.9", "preview-0.5"};

Result<std::vector<std::vector<double>>> Read(const std::string& text, bool last_needed = false) {
  const std::string path = testing::TempDir() + "losses-" + std::to_string(getpid()) + ".jsonl";
  EXPECT_TRUE(WriteFile(path, text).has_value());
  return ReadLossFile(path, kSettings, {true, true, last_needed}, 2);
}

const char* const kWhole =
    "{\"setting\":\"off\",\"prompt\":0,\"loss\":0}\n"
    "{\"setting\":\"preview-0.9\",\"prompt\":1,\"loss\":0.25}\n"
    "{\"setting\":\"off\",\"prompt\":1,\"loss\":1}\n"
    "{\"setting\":\"preview-0.9\",\"prompt\":0,\"loss\":1e-3}\n";

TEST(LossFileTest, ReadsLossesInAnyOrderAndNeedsThemWhereTheyAreTested) {
  const auto losses = Read(kWhole);
  ASSERT_TRUE(losses.has_value()) << losses.error().message;
  EXPECT_EQ((*losses)[0], (std::vector<double>{0, 1}));
  EXPECT_EQ((*losses)[1], (std::vector<double>{0.001, 0.25}));
  EXPECT_NE(Read(kWhole, true).error().message.find("no loss of setting preview-0.5, prompt 0"),
            std::string::npos);
}

TEST(LossFileTest, WhatIsWrongIsNamedWithItsLine) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"setting":"off","prompt":0,"loss":0.5})", ":5: a second loss of setting off, prompt 0"},
      {R"({"setting":"preview-0.8","prompt":0,"loss":0.5})", ":5: the sweep has no setting 'preview-0.8'"},
      {R"({"setting":"off","prompt":2,"loss":0.5})",
       ":5: 'prompt' is 2, it must be a whole number in [0, 2)"},
      {R"({"setting":"off","prompt":-1,"loss":0.5})", ":5: 'prompt' is -1"},
      {R"({"setting":"off","loss":0.5})", ":5: 'prompt' is missing"},
      {R"({"setting":"off","prompt":0,"loss":1.01})", ":5: 'loss' is 1.01E0, it must be a number in [0, 1]"},
      {R"({"setting":"off","prompt":0,"loss":-0.5})", ":5: 'loss' is -5E-1"},
      {R"({"setting":"off","prompt":0,"loss":"1"})", ":5: 'loss' is \"1\""},
      {R"({"setting":"off","prompt":0})", ":5: 'loss' is missing"},
      {R"({"prompt":0,"loss":0.5})", ":5: 'setting' is missing"},
      {R"([1])", ":5: offset 0: not a JSON object"},
      {"", ":5: offset 0: not JSON"},
  };
  for (const auto& [line, why] : cases) {
    const auto read = Read(std::string(kWhole) + line + "\n");
    ASSERT_FALSE(read.has_value()) << line;
    EXPECT_NE(read.error().message.find(why), std::string::npos) << read.error().message;
  }
  EXPECT_FALSE(ReadLossFile("/nonexistent", kSettings, {true, true, true}, 2).has_value());
}

}  // namespace
}  // namespace exeunt::tools
