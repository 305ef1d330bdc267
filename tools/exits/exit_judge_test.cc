// Against the definitions, in double, on the logits of a random model.
#include "tools/exits/exit_judge.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "model/testing/open_random_model.h"

namespace exeunt::tools {
namespace {

constexpr int kRows = 7;
constexpr int kVocab = 300;

class ExitJudgeTest : public testing::Test {
 protected:
  ExitJudgeTest() {
    const auto source = OpenRandomModel({.n_layers = 2, .vocab_size = kVocab});
    reader_ =
        StateReader::Create(source, {0, 2}, /*with_head=*/true, /*threads=*/2, /*max_tokens=*/8).value();
    for (int i = 0; i < kRows * source->config().d_model; ++i) {
      last_.push_back(std::sin(0.37F * static_cast<float>(i)));
      exit_.push_back(last_.back() + 0.7F * std::cos(1.3F * static_cast<float>(i)));
    }
    // One row is as the last layer has it.
    std::copy_n(last_.begin(), source->config().d_model, exit_.begin());
  }

  // The softmax of each row's logits.
  std::vector<std::vector<double>> Probabilities(const std::vector<float>& states) {
    std::vector<float> logits(kRows * kVocab);
    reader_->Logits(states.data(), kRows, logits.data());
    std::vector<std::vector<double>> rows;
    for (int r = 0; r < kRows; ++r) {
      std::vector<double>& p =
          rows.emplace_back(logits.begin() + r * kVocab, logits.begin() + (r + 1) * kVocab);
      double sum = 0;
      for (double& x : p) sum += x = std::exp(x);
      for (double& x : p) x /= sum;
    }
    return rows;
  }

  std::unique_ptr<StateReader> reader_;
  std::vector<float> last_, exit_;  // [kRows, d_model]
};

TEST_F(ExitJudgeTest, TokenMarginAndDivergenceOfEveryRow) {
  ExitJudge judge(reader_.get());
  judge.SetLast(last_.data(), kRows);
  const std::vector<JudgedRow> judged = judge.Judge(exit_.data());
  const auto p = Probabilities(last_);
  const auto q = Probabilities(exit_);
  ASSERT_EQ(judged.size(), static_cast<size_t>(kRows));
  double largest = 0;
  int agreeing = 0;
  for (size_t r = 0; r < judged.size(); ++r) {
    std::vector<double> sorted = q[r];
    std::ranges::sort(sorted, std::greater());
    double divergence = 0;
    for (size_t i = 0; i < p[r].size(); ++i) divergence += p[r][i] * std::log(p[r][i] / q[r][i]);
    const auto token = std::ranges::max_element(q[r]) - q[r].begin();
    EXPECT_EQ(judged[r].token, token);
    EXPECT_EQ(judged[r].agrees, token == std::ranges::max_element(p[r]) - p[r].begin());
    EXPECT_NEAR(judged[r].margin, sorted[0] - sorted[1], 1e-5);
    EXPECT_NEAR(judged[r].divergence, divergence, 1e-4 * (1 + divergence));
    largest = std::max(largest, divergence);
    agreeing += judged[r].agrees ? 1 : 0;
  }
  EXPECT_NEAR(judged[0].divergence, 0, 1e-5);
  EXPECT_GT(largest, 0.05) << "the states are too alike to tell KL(p || q) from KL(q || p)";
  EXPECT_LT(agreeing, kRows);
}

// The gradient of KL(p || q) by q's logits is q - p.
TEST_F(ExitJudgeTest, GradientsAreTheDifferencesOfProbabilities) {
  constexpr float kUnit = 1e-3F;
  ExitJudge judge(reader_.get());
  judge.SetLast(last_.data(), kRows);
  const auto gradients = judge.Gradients(exit_.data(), kUnit);
  const auto p = Probabilities(last_);
  const auto q = Probabilities(exit_);
  ASSERT_EQ(gradients.size(), static_cast<size_t>(kRows));
  for (size_t r = 0; r < gradients.size(); ++r) {
    std::vector<double> rounded(kVocab, 0.0);
    for (const fit::LogitEntry& entry : gradients[r]) rounded[static_cast<size_t>(entry.token)] = entry.value;
    for (size_t i = 0; i < rounded.size(); ++i) EXPECT_NEAR(rounded[i], q[r][i] - p[r][i], 1.001 * kUnit);
  }
}

}  // namespace
}  // namespace exeunt::tools
