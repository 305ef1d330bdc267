#include "certify/text_loss.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <string>
#include <vector>

namespace exeunt::certify {
namespace {

// testdata/text_loss.jsonl is what rouge-score, SQuAD's script and jiwer's definition of the word error rate
// give (make_text_loss_goldens.py).
TEST(TextLossTest, EqualToTheReferenceImplementations) {
  std::ifstream in(std::string(EXEUNT_SOURCE_DIR) + "/certify/testdata/text_loss.jsonl");
  ASSERT_TRUE(in.good());
  int lines = 0;
  for (std::string line; std::getline(in, line); ++lines) {
    const auto golden = boost::json::parse(line).as_object();
    const std::string answer(golden.at("answer").as_string());
    const std::string reference(golden.at("reference").as_string());
    for (const char* name : kTextLossNames) {
      EXPECT_NEAR(Loss(*TextLossOf(name), answer, reference), golden.at(name).to_number<double>(), 1e-12)
          << name << ": '" << answer << "' against '" << reference << "'";
    }
  }
  EXPECT_GE(lines, 60);
}

TEST(TextLossTest, NamesAreKnownBothWays) {
  for (const char* name : kTextLossNames) EXPECT_STREQ(TextLossName(*TextLossOf(name)), name);
  EXPECT_FALSE(TextLossOf("bleu").has_value());
}

TEST(TextLossTest, TokenDisagreementCountsWhatIsMissing) {
  const std::vector<int32_t> a = {1, 2, 3, 4}, b = {1, 9, 3};
  EXPECT_DOUBLE_EQ(TokenDisagreement(a, b), 0.5);
  EXPECT_DOUBLE_EQ(TokenDisagreement(b, a), 0.5);
  EXPECT_DOUBLE_EQ(TokenDisagreement({}, {}), 0.0);
  EXPECT_DOUBLE_EQ(TokenDisagreement(a, {}), 1.0);
}

// Time is bounded: what is beyond the limit is not looked at.
TEST(TextLossTest, LongTextsAreCut) {
  std::string same, longer;
  for (size_t i = 0; i < kMaxLossWords; ++i) same += "w ";
  longer = same + "and more";
  EXPECT_DOUBLE_EQ(Loss(TextLoss::kWordErrorRate, longer, same), 0.0);
}

}  // namespace
}  // namespace exeunt::certify
