#include "worker/process/local_pipeline.h"

#include <gtest/gtest.h>

#include <map>

#include "backend/oracle/oracle_backend.h"
#include "base/error.h"
#include "model/testing/open_random_model.h"

namespace exeunt::worker {
namespace {

constexpr int kLayers = 4;

SequenceSpec Spec(uint64_t sequence, int max_tokens) {
  SequenceSpec spec;
  spec.sequence = sequence;
  spec.prompt = {3, 1, 4, 1, 5, 9, 2, 6};
  spec.max_tokens = max_tokens;
  spec.sampling.temperature = 0.0F;
  return spec;
}

std::unique_ptr<LocalPipeline> Make(std::shared_ptr<const Backend> backend) {
  LocalPipelineOptions options;
  options.split = {{0, 2}, {2, kLayers}};
  options.backend = std::move(backend);
  auto pipeline =
      LocalPipeline::Create(OpenRandomModel({.n_layers = kLayers, .seed = 7}), options, [](float) {});
  EXPECT_TRUE(pipeline.has_value()) << pipeline.error().message;
  return std::move(*pipeline);
}

TEST(LocalPipeline, GeneratesWhatTurnsGive) {
  const auto pipeline = Make(MakeCpuBackend());
  StageOutputs out;
  pipeline->Turn({AdmitSequences{{Spec(1, 20)}}}, &out);
  pipeline->RunUntilIdle(&out);
  ASSERT_EQ(out.tokens.size(), 20U);

  std::vector<TokenOut> tokens;
  const Status status = pipeline->Generate(Spec(2, 20), [&](const TokenOut& t) { tokens.push_back(t); });
  ASSERT_TRUE(status) << status.error().message;
  ASSERT_EQ(tokens.size(), 20U);
  for (size_t i = 0; i < tokens.size(); ++i) {
    EXPECT_EQ(tokens[i].sequence, 2U);
    EXPECT_EQ(tokens[i].position, 8 + static_cast<int>(i));
    EXPECT_EQ(tokens[i].token, out.tokens[i].token) << "token " << i;
  }
}

TEST(LocalPipeline, WhatAWorkerWouldRefuseIsRefused) {
  const auto pipeline = Make(MakeCpuBackend());
  const Status long_answer = pipeline->Generate(Spec(1, 1 << 20), [](const TokenOut&) { FAIL(); });
  ASSERT_FALSE(long_answer);
  EXPECT_NE(long_answer.error().message.find("do not fit the context of 512 tokens"), std::string::npos)
      << long_answer.error().message;
  SequenceSpec spec = Spec(2, 4);
  spec.prompt.push_back(1000);
  const Status token = pipeline->Generate(spec, [](const TokenOut&) { FAIL(); });
  ASSERT_FALSE(token);
  EXPECT_EQ(token.error().message, "prompt token 1000 is outside [0, 256)");
}

TEST(LocalPipeline, ASequenceThatFailsReturnsItsErrorAndTheNextOneRuns) {
  int jobs = 0;
  const auto pipeline = Make(MakeOracleBackend([&jobs](const StageBuild&) {
    OracleOptions options{.vocab_size = 50};
    options.fault = [&jobs](const Job&) -> Status {
      return ++jobs == 9 ? ResourceExhausted("injected: no memory") : OkStatus();
    };
    return options;
  }));
  int tokens = 0;
  const auto count = [&tokens](const TokenOut&) { ++tokens; };
  const Status failed = pipeline->Generate(Spec(1, 20), count);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "sequence 1: injected: no memory");
  EXPECT_LT(tokens, 20);

  tokens = 0;
  const Status next = pipeline->Generate(Spec(2, 20), count);
  ASSERT_TRUE(next) << next.error().message;
  EXPECT_EQ(tokens, 20);
}

TEST(LocalPipeline, ALostDeviceIsTheErrorOfThePipeline) {
  const auto pipeline = Make(MakeOracleBackend([](const StageBuild&) {
    OracleOptions options{.vocab_size = 50};
    options.fault = [](const Job&) -> Status { return Unavailable("the device is lost"); };
    return options;
  }));
  const Status status = pipeline->Generate(Spec(1, 4), [](const TokenOut&) {});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "the device is lost");
}

}  // namespace
}  // namespace exeunt::worker
