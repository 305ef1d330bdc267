// Fields of other servers: obeyed, harmless, or refused by name.
#include "coordinator/openai/peer_fields.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "coordinator/openai/generation_request.h"
#include "coordinator/openai/json_text.h"

namespace exeunt::coordinator {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

ApiLimits Limits() {
  ApiLimits limits;
  limits.n_layers = 30;
  limits.vocab_size = 100;
  return limits;
}

// "": accepted by both endpoints; else the error's message.
std::string Refusal(const std::string& field) {
  const auto completion = ParseCompletionRequest(
      ParseRequestJson(fmt::format(R"({{"model":"m","prompt":"x",{}}})", field)).value(), Limits());
  const auto chat = ParseChatRequest(
      ParseRequestJson(
          fmt::format(R"({{"model":"m","messages":[{{"role":"user","content":"x"}}],{}}})", field))
          .value(),
      Limits());
  EXPECT_EQ(completion.has_value(), chat.has_value()) << field;
  if (completion) return "";
  EXPECT_EQ(completion.error().status, 400) << field;
  EXPECT_TRUE(field.starts_with('"' + completion.error().param + '"')) << field;
  EXPECT_EQ(completion.error().code, "unsupported_parameter") << field;
  return completion.error().message;
}

std::vector<PeerField> AllFields() {
  std::vector<PeerField> all;
  for (const auto list :
       {GenerationPeerFields(), TokenizePeerFields(), DetokenizePeerFields(), MessagePeerFields()})
    all.insert(all.end(), list.begin(), list.end());
  return all;
}

TEST(PeerFields, ListsAreInOrderAndNameTheirPeers) {
  for (const auto list :
       {GenerationPeerFields(), TokenizePeerFields(), DetokenizePeerFields(), MessagePeerFields()}) {
    for (size_t i = 1; i < list.size(); ++i) EXPECT_LT(list[i - 1].name, list[i].name);
  }
  for (const PeerField& field : AllFields()) {
    EXPECT_FALSE(field.peers.empty()) << field.name;
    EXPECT_TRUE(field.neutral == kAnyValue || json::parse(field.neutral).is_array()) << field.name;
  }
}

TEST(PeerFields, WhatAsksForNothingIsAccepted) {
  for (const PeerField& field : GenerationPeerFields()) {
    EXPECT_EQ(Refusal(fmt::format(R"("{}":null)", field.name)), "");
    if (field.neutral == kAnyValue) {
      for (const char* value : {"true", "5", R"("x")", R"({"a":[1]})"})
        EXPECT_EQ(Refusal(fmt::format(R"("{}":{})", field.name, value)), "");
      continue;
    }
    const json::value neutral = json::parse(field.neutral);
    for (const json::value& value : neutral.as_array())
      EXPECT_EQ(Refusal(fmt::format(R"("{}":{})", field.name, WriteJson(value))), "");
  }
  for (const char* field :
       {R"("length_penalty":1.0)", R"("typical_p":1)", R"("repeat_penalty":1.0)", R"("n_predict":-1)",
        R"("tool_choice":"auto")",
        R"("structured_outputs":{"json":null,"choice":null,"disable_any_whitespace":false})",
        R"("lora_path":[null])", R"("cache_prompt":false)", R"("service_tier":"auto")",
        R"("parallel_tool_calls":false)", R"("nobody_knows":{"x":1})", R"("safety_identifier":"me")",
        R"("prompt_cache_key":"k")", R"("mirostat_tau":5.0)", R"("dry_base":1.75)"}) {
    EXPECT_EQ(Refusal(field), "") << field;
  }
}

TEST(PeerFields, WhatAsksForSomethingIsRefusedWithItsValueAndPeer) {
  for (const PeerField& field : GenerationPeerFields()) {
    if (field.neutral == kAnyValue) continue;
    const std::string refusal = Refusal(fmt::format(R"("{}":{{"asks":"something"}})", field.name));
    EXPECT_THAT(refusal, HasSubstr(fmt::format(R"('{}' is {{"asks":"something"}})", field.name)));
    EXPECT_THAT(refusal, HasSubstr(std::string(field.peers)));
    EXPECT_THAT(refusal, HasSubstr("null"));
  }
  for (const char* field : {R"("structured_outputs":{"choice":["yes"]})",
                            R"("structured_outputs":{"json":{}})",
                            R"("structured_outputs":{"regex":""})",
                            R"("structured_outputs":{"choice":[]})",
                            R"("return_logprob":true)",
                            R"("thinking_forced_open":true)",
                            R"("grammar":"root ::= \"y\"")",
                            R"("json_schema":{"type":"object"})",
                            R"("json_schema":{})",
                            R"("guided_json":{})",
                            R"("web_search_options":{})",
                            R"("guided_regex":"a+")",
                            R"("ebnf":"x")",
                            R"("regex":"a")",
                            R"("use_beam_search":true)",
                            R"("length_penalty":0.5)",
                            R"("mirostat":2)",
                            R"("min_keep":1)",
                            R"("n_predict":5)",
                            R"("n_predict":0)",
                            R"("tool_choice":"required")",
                            R"("tool_choice":{"type":"function"})",

                            R"("logits_processors":["m.P"])",
                            R"("truncate_prompt_tokens":5)",
                            R"("prompt_logprobs":0)",
                            R"("return_token_ids":true)",
                            R"("kv_transfer_params":{"a":0})",
                            R"("sampling_params":{"temperature":0})",
                            R"("tools":[{}])",
                            R"("vllm_xargs":{"a":1})",
                            R"("cache_salt":"s")",
                            R"("lora_path":"x")",
                            R"("lora":[{"id":0,"scale":1}])",
                            R"("store":true)",
                            R"("service_tier":"flex")",
                            R"("reasoning_effort":"high")",
                            R"("modalities":["text","audio"])",
                            R"("thinking_token_budget":0)",
                            R"("watermark":true)",
                            R"("typical_p":0.9)",
                            R"("dynatemp_range":0.5)",
                            R"("xtc_probability":0.5)",
                            R"("dry_multiplier":0.8)",
                            R"("repeat_penalty":1.1)",
                            R"("samplers":["top_k"])",
                            R"("chat_template":"{{ x }}")",
                            R"("documents":[{"text":"x"}])",
                            R"("prompt_embeds":"AAAA")",
                            R"("audio":{"voice":"x"})",
                            R"("logprob_token_ids":[1])",
                            R"("top_n_sigma":1.5)",
                            R"("return_progress":true)",
                            R"("id_slot":0)"}) {
    EXPECT_NE(Refusal(field), "") << field;
  }
  EXPECT_EQ(Refusal(R"("repeat_penalty":1.1)"),
            "'repeat_penalty' is 1.1, which has a meaning in llama.cpp and is not built in this server; "
            "leave it out, or give 1 "
            "or null; there is 'repetition_penalty'");
}

}  // namespace
}  // namespace exeunt::coordinator
