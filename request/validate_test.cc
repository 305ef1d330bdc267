#include "request/validate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace exeunt {
namespace {

constexpr RequestLimits kLimits{.context_length = 256, .vocab_size = 100, .n_layers = 8};

SequenceRequest Good() { return {.prompt = {1, 2, 3}, .max_tokens = 4}; }

void Refuse(const SequenceRequest& request, const std::string& why) {
  const Status status = Validate(request, kLimits);
  ASSERT_FALSE(status.has_value()) << why;
  EXPECT_NE(status.error().message.find(why), std::string::npos) << status.error().message;
}

TEST(Validate, TakesWhatFits) {
  EXPECT_TRUE(Validate(Good(), kLimits).has_value());
  SequenceRequest full = Good();
  full.max_tokens = 253;
  full.generated = {{99, 8}, {0, 1}};
  full.score_from = 2;
  full.priority = kBackgroundPriority;
  full.timeout = Duration{1};
  full.exit = {.mode = ExitMode::kVerify, .decay = ExitDecay{}, .forced = {{7, 0.5F}}};
  EXPECT_TRUE(Validate(full, kLimits).has_value());
}

TEST(Validate, AnErrorNamesFieldValueAndLimit) {
  const auto refuse = [](auto change, const char* why) {
    SequenceRequest request = Good();
    change(&request);
    Refuse(request, why);
  };
  refuse([](auto* r) { r->prompt.clear(); }, "prompt of 0 and max_tokens 4 do not fit");
  refuse([](auto* r) { r->max_tokens = 0; }, "max_tokens 0 do not fit");
  refuse([](auto* r) { r->max_tokens = -1; }, "max_tokens -1 do not fit");
  refuse([](auto* r) { r->max_tokens = std::numeric_limits<int>::max(); }, "the context of 256");
  refuse([](auto* r) { r->prompt[0] = -1; }, "prompt token -1 is outside [0, 100)");
  refuse([](auto* r) { r->end_tokens = {100}; }, "end token 100 is outside [0, 100)");
  refuse([](auto* r) { r->score_from = 3; }, "score_from 3 is outside the prompt's own positions (0, 3)");
  refuse([](auto* r) { r->score_from = -1; }, "score_from -1 is outside");
  refuse([](auto* r) { r->generated.resize(4, {1, 1}); }, "4 generated tokens leave nothing of max_tokens 4");
  refuse([](auto* r) { r->generated = {{100, 1}}; }, "generated token 100 is outside [0, 100)");
  refuse([](auto* r) { r->generated = {{1, 0}}; }, "exit_layer 0 is outside [1, 8]");
  refuse([](auto* r) { r->generated = {{1, 9}}; }, "exit_layer 9 is outside [1, 8]");
  refuse([](auto* r) { r->sampling.repetition_penalty = 0; }, "repetition_penalty 0 is not positive");
  refuse([](auto* r) { r->sampling.frequency_penalty = NAN; }, "frequency_penalty nan");
  refuse([](auto* r) { r->sampling.n_logprobs = 21; }, "n_logprobs 21 is more than 20");
  refuse([](auto* r) { r->sampling.min_tokens = -2; }, "min_tokens -2 is negative");
  refuse([](auto* r) { r->exit.mode = static_cast<ExitMode>(4); }, "exit mode 4 is unknown");
  refuse([](auto* r) { r->exit.measure = static_cast<ExitMeasure>(99); }, "exit measure 99 is unknown");
  refuse([](auto* r) { r->exit.decay = ExitDecay{.n = 0}; }, "exit decay n 0 is not positive");
  refuse([](auto* r) { r->priority = -101; }, "priority -101 is outside [-100, 101]");
  refuse([](auto* r) { r->timeout = Duration{0}; }, "timeout 0 s is not positive");
}

}  // namespace
}  // namespace exeunt
