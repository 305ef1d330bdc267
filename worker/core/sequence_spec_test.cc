#include <cmath>

#include "transport/request_message.h"
#include "worker/core/sequence_message.h"
#include "worker/core/testing/stage_fixture.h"

namespace exeunt::worker {
namespace {

TEST(SequenceSpecTest, RefusesWhatAStageCouldNotRun) {
  const auto refuse = [](auto change, const char* why) {
    proto::OpenSequence m = ToProto(Spec(1));
    change(&m);
    const auto bad = FromProto(m, kLimits);
    ASSERT_FALSE(bad.has_value()) << why;
    EXPECT_NE(bad.error().message.find(why), std::string::npos) << bad.error().message;
  };
  refuse([](auto* m) { m->set_sequence(0); }, "sequence number 0");
  refuse([](auto* m) { m->clear_prompt(); }, "prompt of 0");
  refuse([](auto* m) { m->set_max_tokens(254); }, "do not fit the context of 256");
  refuse([](auto* m) { m->set_prompt(0, 100); }, "prompt token 100 is outside [0, 100)");
  refuse([](auto* m) { m->mutable_sampling()->set_repetition_penalty(-1); }, "repetition_penalty -1");
  refuse([](auto* m) { m->mutable_sampling()->set_presence_penalty(INFINITY); }, "is not finite");
  refuse([](auto* m) { m->mutable_sampling()->add_logit_bias()->set_token(100); }, "must be in [0, 100)");
  refuse(
      [](auto* m) {
        for (int i = 0; i <= kMaxLogitBiases; ++i) m->mutable_sampling()->add_logit_bias();
      },
      "1025 logit biases are more than 1024");
  refuse([](auto* m) { m->mutable_sampling()->add_allowed_tokens(100); },
         "allowed token 100 is outside [0, 100)");
  refuse(
      [](auto* m) {
        for (const int token : {5, 9, 9}) m->mutable_sampling()->add_allowed_tokens(token);
      },
      "allowed token 9 stands before 9");
  refuse([](auto* m) { m->mutable_sampling()->mutable_allowed_tokens()->Resize(4097, 1); },
         "4097 allowed tokens are more than 4096");
  refuse([](auto* m) { m->mutable_sampling()->add_bad_words(); }, "a bad word has no tokens");
  refuse([](auto* m) { m->mutable_sampling()->add_bad_words()->add_tokens(-1); },
         "bad word's token -1 is outside [0, 100)");
  refuse(
      [](auto* m) {
        for (int i = 0; i < 5; ++i) m->mutable_sampling()->add_bad_words()->mutable_tokens()->Resize(1000, 1);
      },
      "at most 4096");
  refuse([](auto* m) { m->set_prefix_tokens(32); }, "prefix_of 0 is no other sequence");
  refuse([](auto* m) { m->set_prefix_of(1); }, "prefix_of 1 is no other sequence");
  refuse([](auto* m) { m->set_prefix_of(9); }, "prefix_tokens 0 is no multiple of 32");
  refuse(
      [](auto* m) {
        m->set_prefix_of(9);
        m->set_prefix_tokens(32);
      },
      "prefix_tokens 32 is no multiple of 32 below the prompt's 3");
  refuse([](auto* m) { m->set_score_from(3); }, "score_from 3 is outside the prompt's own positions (0, 3)");
  refuse(
      [](auto* m) {
        m->mutable_prompt()->Resize(40, 1);
        m->set_prefix_of(9);
        m->set_prefix_tokens(32);
        m->set_score_from(32);
      },
      "score_from 32 is outside the prompt's own positions (32, 40)");
  refuse(
      [](auto* m) {
        auto* token = m->add_generated();
        token->set_token(1);
        token->set_exit_layer(8);
      },
      "1 generated tokens are to be replayed, and replay is not built yet");
  refuse([](auto* m) { m->mutable_exit()->set_mode(2); }, "exit mode exact is not built yet");
  refuse([](auto* m) { m->mutable_exit()->set_mode(3); }, "exit mode verify is not built yet");
  refuse([](auto* m) { m->mutable_exit()->set_mode(9); }, "exit mode 9 is unknown");
  refuse([](auto* m) { m->mutable_exit()->set_measure(9); }, "exit measure 9 is unknown");
  refuse([](auto* m) { m->mutable_exit()->add_forced()->set_layer(8); },
         "forced exit layer 8 is outside [1, 8)");
}

TEST(SequenceSpec, SamplingTravelsWithTheSequence) {
  SequenceSpec spec = Spec(1);
  spec.sampling = {.temperature = 0.5F,
                   .n_logprobs = 3,
                   .frequency_penalty = 1.5F,
                   .presence_penalty = -0.5F,
                   .repetition_penalty = 1.25F,
                   .min_tokens = 7,
                   .logit_bias = {{5, -100.0F}, {9, 2.5F}},
                   .allowed_tokens = {0, 7, 99},
                   .bad_words = {{4}, {1, 2, 3}}};
  const auto read = FromProto(ToProto(spec), kLimits).value().sampling;
  EXPECT_EQ(read.frequency_penalty, 1.5F);
  EXPECT_EQ(read.presence_penalty, -0.5F);
  EXPECT_EQ(read.repetition_penalty, 1.25F);
  EXPECT_EQ(read.min_tokens, 7);
  ASSERT_EQ(read.logit_bias.size(), 2U);
  EXPECT_EQ(read.logit_bias[0].token, 5);
  EXPECT_EQ(read.logit_bias[1].bias, 2.5F);
  EXPECT_EQ(read.allowed_tokens, spec.sampling.allowed_tokens);
  EXPECT_EQ(read.bad_words, spec.sampling.bad_words);
  EXPECT_FALSE(FromProto(ToProto(Spec(1)), kLimits).value().sampling.AdjustsLogits());
  for (SamplingParams alone : {SamplingParams{.allowed_tokens = {1}}, SamplingParams{.bad_words = {{1}}}}) {
    spec.sampling = alone;
    EXPECT_FALSE(spec.TakesPreviews()) << "a part of the head would not do";
  }
}

}  // namespace
}  // namespace exeunt::worker
