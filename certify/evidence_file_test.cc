#include "certify/evidence_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <random>

#include "base/write_file.h"

namespace exeunt::certify {
namespace {

// An e-process that has seen some traffic, and its evidence by hash.
EProcess Seen(int losses) {
  std::mt19937_64 rng(4);
  std::uniform_real_distribution<double> draw(0, 0.4);
  EProcess process(0.1, 0.05);
  for (int i = 0; i < losses; ++i) process.Add(draw(rng));
  return process;
}

TEST(EvidenceFileTest, AnEProcessGoesOnFromTheFile) {
  const std::string path = testing::TempDir() + "evidence-" + std::to_string(getpid()) + ".json";
  EXPECT_TRUE(LoadEvidence(path)->empty());
  EProcess process = Seen(100);
  ASSERT_TRUE(WriteFile(path, ToJson({{"aa", {"restore", process.state()}}, {"bb", {}}})).has_value());
  const auto kept = LoadEvidence(path);
  ASSERT_TRUE(kept.has_value()) << kept.error().message;
  ASSERT_EQ(kept->size(), 2U);
  EXPECT_EQ(kept->at("aa").certificate, "restore");
  EProcess again(0.1, 0.05, kept->at("aa").state);
  EXPECT_NE(process.wealth(), 1.0);
  for (int i = 0; i < 50; ++i) {
    process.Add(0.3);
    again.Add(0.3);
  }
  EXPECT_EQ(again.state().count, 150U);
  EXPECT_NEAR(again.state().log_wealth, process.state().log_wealth, 1e-9);
  EXPECT_NEAR(again.mean_loss(), process.mean_loss(), 1e-12);
}

// After a bad start wealth is below the largest there was, and a process that only won has both equal.
TEST(EvidenceFileTest, EveryStateThatAnEProcessCanHaveIsRead) {
  EProcess process(0.3, 0.05);
  std::mt19937_64 rng(8);
  std::bernoulli_distribution draw(0.35);
  for (int i = 0; i < 2000; ++i) {
    process.Add(draw(rng) ? 1.0 : 0.0);
    const auto read = ParseEvidence(ToJson({{"aa", {"x", process.state()}}}));
    ASSERT_TRUE(read.has_value()) << i << ": " << read.error().message;
  }
}

TEST(EvidenceFileTest, WhatIsNotEvidenceIsAnErrorThatNamesIt) {
  const auto whole = boost::json::parse(ToJson({{"aa", {"restore", Seen(10).state()}}})).as_object();
  const std::pair<const char*, boost::json::value> wrong[] = {
      {"count", -1},         {"count", 0},           {"sum", 11},        {"sum", "1"},       {"squares", 0},
      {"log_wealth", 1e300}, {"log_largest", -1e-3}, {"certificate", 3}, {"colour", "blue"},
  };
  for (const auto& [key, value] : wrong) {
    boost::json::object changed = whole;
    changed["evidence"].at("aa").as_object()[key] = value;
    const auto parsed = ParseEvidence(boost::json::serialize(changed));
    ASSERT_FALSE(parsed.has_value()) << key;
    EXPECT_EQ(parsed.error().message.find("aa: "), 0U) << parsed.error().message;
  }
  for (const char* text : {"", "{}", "[]", R"({"format":2,"evidence":{}})", R"({"format":1,"evidence":[]})",
                           R"({"format":1,"evidence":{"aa":3}})", R"({"format":1,"evidence":{}} x)"}) {
    EXPECT_FALSE(ParseEvidence(text).has_value()) << text;
  }
  const std::string path = testing::TempDir() + "broken-" + std::to_string(getpid()) + ".json";
  ASSERT_TRUE(WriteFile(path, "{\"format\":1,").has_value());
  EXPECT_EQ(LoadEvidence(path).error().message.find(path + ": "), 0U);
}

}  // namespace
}  // namespace exeunt::certify
