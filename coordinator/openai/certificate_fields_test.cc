// `exit.certificate` in a request, and the certificate of a server.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <string>
#include <tuple>
#include <utility>

#include "coordinator/openai/generation_request.h"

namespace exeunt::coordinator {
namespace {

class CertificateRequestTest : public testing::Test {
 protected:
  CertificateRequestTest() {
    limits_.n_layers = 30;
    limits_.vocab_size = 100;
    limits_.default_exit.mode = ExitMode::kPropagate;
    certify::Certificate c;
    c.name = "restore-05";
    c.setting = {.mode = ExitMode::kPropagate, .measure = ExitMeasure::kPreview, .threshold = 0.8F};
    c.max_tokens = 140;
    limits_.certificates.push_back(c);
    limits_.uncertified["old"] = "it was tested with exits a, served are b";
  }
  ApiResult<GenerationRequest> Parse(const std::string& fields) const {
    const auto body = boost::json::parse(R"({"model":"m","prompt":"x")" + fields + "}").as_object();
    auto request = ParseCompletionRequest(body, limits_);
    if (request) ApplyDefaultCertificate(limits_, room_, &*request);
    return request;
  }
  ApiLimits limits_;
  int64_t room_ = 140;
};

TEST_F(CertificateRequestTest, SaysTheSettingAndWhatTheRequestLeavesOpen) {
  const auto request = Parse(R"(,"exit":{"certificate":"restore-05","per_token":true})");
  ASSERT_TRUE(request.has_value()) << request.error().message;
  EXPECT_EQ(request->certificate, "restore-05");
  EXPECT_EQ(request->exit.measure, ExitMeasure::kPreview);
  EXPECT_EQ(request->exit.threshold, 0.8F);
  EXPECT_EQ(request->sampling.temperature, 0.0F);
  EXPECT_EQ(request->max_tokens, 140U);
  EXPECT_TRUE(request->exit_per_token);
  EXPECT_TRUE(Parse(R"(,"temperature":0,"max_tokens":140,"exit":{"certificate":"restore-05"})"));
  limits_.max_tokens = 50;
  EXPECT_EQ(Parse(R"(,"max_tokens":51)").error().message,
            "'max_tokens' is 51, it must be an integer between 0 and 50");
  EXPECT_EQ(Parse(R"(,"max_completion_tokens":51)").error().param, "max_completion_tokens");
}

TEST_F(CertificateRequestTest, WhatIsNotCertifiedIsRefusedAndSaysWhy) {
  const std::pair<const char*, const char*> cases[] = {
      {R"(,"exit":{"certificate":"none"})", "there is no certificate 'none'; there are restore-05"},
      {R"(,"exit":{"certificate":"old"})", "does not hold here: it was tested with exits a"},
      {R"(,"temperature":0.7,"exit":{"certificate":"restore-05"})", "'temperature' 0, not 0.7"},
      {R"(,"max_tokens":141,"exit":{"certificate":"restore-05"})", "'max_tokens' 140, not 141"},
      {R"(,"max_tokens":9,"exit":{"certificate":"restore-05"})", "'max_tokens' 140, not 9"},
      {R"(,"logprobs":1,"exit":{"certificate":"restore-05"})",
       "not of the whole head, which 'logprobs' needs"},
      {R"(,"stop":"a","exit":{"certificate":"restore-05"})", "the stop strings []"},
      {R"(,"ignore_eos":true,"exit":{"certificate":"restore-05"})", "not 'ignore_eos'"},
      {R"(,"min_tokens":2,"exit":{"certificate":"restore-05"})", "or 'min_tokens'"},
      {R"(,"stop_token_ids":[2],"exit":{"certificate":"restore-05"})", "'stop_token_ids'"},
      {R"(,"logit_bias":{"2":1},"exit":{"certificate":"restore-05"})", "without penalties, 'logit_bias'"},
      {R"(,"frequency_penalty":1,"exit":{"certificate":"restore-05"})", "without penalties, 'logit_bias'"},
      {R"(,"allowed_token_ids":[2],"exit":{"certificate":"restore-05"})",
       "'allowed_token_ids' or 'bad_words'"},
      {R"(,"bad_words":["a"],"exit":{"certificate":"restore-05"})", "'allowed_token_ids' or 'bad_words'"},
      {R"(,"no_stop_trim":true,"exit":{"certificate":"restore-05"})", "without what ended it"},
      {R"(,"skip_special_tokens":false,"exit":{"certificate":"restore-05"})", "without special tokens"},
      {R"(,"best_of":2,"exit":{"certificate":"restore-05"})", "not the best of several"},
      {R"(,"exit":{"certificate":"restore-05","threshold":0.5})", "cannot stand beside 'exit.certificate'"},
      {R"(,"exit":{"certificate":5})", "string"},
  };
  for (const auto& [fields, why] : cases) {
    const auto request = Parse(fields);
    ASSERT_FALSE(request.has_value()) << fields;
    EXPECT_EQ(request.error().status, 400);
    EXPECT_NE(request.error().message.find(why), std::string::npos) << request.error().message;
  }
}

TEST_F(CertificateRequestTest, AFamilysNameIsItsFastestAndMembersHaveTheirOwn) {
  certify::Certificate c = limits_.certificates[0];
  c.family = "restore";
  for (const auto& [name, threshold, cost] :
       {std::tuple{"restore-0.9", 0.9F, 20.0}, {"restore-0.6", 0.6F, 15.0}, {"restore-0.7", 0.7F, 16.0}}) {
    c.name = name;
    c.setting.threshold = threshold;
    c.mean_cost = cost;
    limits_.certificates.push_back(c);
  }
  EXPECT_EQ(Parse(R"(,"exit":{"certificate":"restore"})")->certificate, "restore-0.6");
  EXPECT_EQ(Parse(R"(,"exit":{"certificate":"restore"})")->exit.threshold, 0.6F);
  EXPECT_EQ(Parse(R"(,"exit":{"certificate":"restore-0.9"})")->exit.threshold, 0.9F);
  limits_.default_certificate = "restore";
  EXPECT_EQ(Parse("")->certificate, "restore-0.6");
  const auto sampled = Parse(R"(,"temperature":1,"exit":{"certificate":"restore"})");
  EXPECT_EQ(sampled.error().status, 400);
  EXPECT_NE(Parse(R"(,"exit":{"certificate":"x"})").error().message.find("there are restore, restore-0.6, "),
            std::string::npos);
}

TEST_F(CertificateRequestTest, TheServersCertificateCoversWhatItCanAndTheRestRunsInFull) {
  limits_.default_certificate = "restore-05";
  EXPECT_EQ(Parse("")->certificate, "restore-05");
  EXPECT_EQ(Parse("")->exit.threshold, 0.8F);
  const auto sampled = Parse(R"(,"temperature":1)");
  EXPECT_EQ(sampled->certificate, "");
  EXPECT_EQ(sampled->exit.mode, ExitMode::kOff);
  EXPECT_EQ(sampled->sampling.temperature, 1.0F);
  EXPECT_EQ(Parse(R"(,"exit":{"mode":"off"})")->certificate, "");
  EXPECT_EQ(Parse(R"(,"max_tokens":9)")->certificate, "");
  EXPECT_EQ(Parse(R"(,"max_tokens":9)")->max_tokens, 9U);
  room_ = 139;
  const auto cramped = Parse("");
  EXPECT_EQ(cramped->certificate, "");
  EXPECT_EQ(cramped->exit.mode, ExitMode::kOff);
  EXPECT_EQ(cramped->sampling.temperature, 1.0F);
  EXPECT_FALSE(cramped->max_tokens.has_value()) << "what the context has left";
}

TEST_F(CertificateRequestTest, LogprobsReadTheHeadAsTheOtherMeasuresDo) {
  for (const ExitMeasure measure : {ExitMeasure::kSoftmax, ExitMeasure::kState, ExitMeasure::kClassifier}) {
    limits_.certificates[0].setting.measure = measure;
    EXPECT_TRUE(Parse(R"(,"logprobs":1,"exit":{"certificate":"restore-05"})"));
  }
  limits_.certificates[0].setting.measure = ExitMeasure::kCandidates;
  EXPECT_FALSE(Parse(R"(,"logprobs":1,"exit":{"certificate":"restore-05"})"));
}

}  // namespace
}  // namespace exeunt::coordinator
