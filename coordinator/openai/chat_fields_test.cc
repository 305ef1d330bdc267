#include "coordinator/openai/chat_fields.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "coordinator/openai/generation_request.h"

namespace exeunt::coordinator {
namespace {

using ::testing::HasSubstr;

constexpr const char* kUser = R"("messages":[{"role":"user","content":"Hi"}])";
constexpr const char* kOpen =
    R"("messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"According to"}])";

// A chat with these messages and further fields.
ApiResult<GenerationRequest> Parse(const std::string& messages, const std::string& fields) {
  const std::string body = R"({"model":"m",)" + messages + (fields.empty() ? "" : "," + fields) + "}";
  return ParseChatRequest(boost::json::parse(body).as_object(), {});
}

ApiError ErrorOf(const std::string& messages, const std::string& fields) {
  const auto request = Parse(messages, fields);
  return request ? ApiError{.status = 200, .message = "no error"} : request.error();
}

TEST(ChatFields, DefaultsOpenTheAnswer) {
  const text::ChatOptions options = Parse(kUser, "").value().rendering;
  EXPECT_TRUE(options.add_generation_prompt);
  EXPECT_FALSE(options.continue_final_message);
  EXPECT_TRUE(options.variables.empty());
  EXPECT_TRUE(Parse(kUser, R"("chat_template_kwargs":null)").value().rendering.variables.empty());
}

TEST(ChatFields, KwargsAreTheTemplatesVariables) {
  const auto request =
      Parse(kUser, R"("chat_template_kwargs":{"enable_thinking":false,"n":3,"list":[1,{"a":null}]})");
  EXPECT_EQ(boost::json::serialize(request.value().rendering.variables),
            R"({"enable_thinking":false,"n":3,"list":[1,{"a":null}]})");
}

TEST(ChatFields, KwargsStandAboveTheFieldsOfTheSameName) {
  const text::ChatOptions options =
      Parse(kOpen, R"("add_generation_prompt":true,"chat_template_kwargs":{"add_generation_prompt":false,)"
                   R"("continue_final_message":true})")
          .value()
          .rendering;
  EXPECT_FALSE(options.add_generation_prompt);
  EXPECT_TRUE(options.continue_final_message);
  EXPECT_TRUE(options.variables.empty());
}

TEST(ChatFields, ContinuesOnlyAnAssistantsMessageWithoutAPrompt) {
  EXPECT_TRUE(Parse(kOpen, R"("add_generation_prompt":false,"continue_final_message":true)")
                  .value()
                  .rendering.continue_final_message);
  for (const char* fields : {R"("continue_final_message":true)",
                             R"("continue_final_message":true,"add_generation_prompt":true)"}) {
    EXPECT_EQ(ErrorOf(kOpen, fields).param, "continue_final_message") << fields;
    EXPECT_THAT(ErrorOf(kOpen, fields).message, HasSubstr("set 'add_generation_prompt' to false")) << fields;
  }
  const ApiError of_user = ErrorOf(kUser, R"("add_generation_prompt":false,"continue_final_message":true)");
  EXPECT_EQ(of_user.param, "continue_final_message");
  EXPECT_THAT(of_user.message, HasSubstr("the last one is of 'user'"));
}

TEST(ChatFields, WrongTypesAndNamesAreRefused) {
  EXPECT_EQ(ErrorOf(kUser, R"("chat_template_kwargs":5)").param, "chat_template_kwargs");
  EXPECT_EQ(ErrorOf(kUser, R"("chat_template_kwargs":[])").param, "chat_template_kwargs");
  EXPECT_EQ(ErrorOf(kUser, R"("add_generation_prompt":"yes")").param, "add_generation_prompt");
  EXPECT_EQ(ErrorOf(kUser, R"("continue_final_message":1)").param, "continue_final_message");
  for (const char* name : {"messages", "chat_template", "tokenize"}) {
    const ApiError error = ErrorOf(kUser, fmt::format(R"("chat_template_kwargs":{{"{}":1}})", name));
    EXPECT_EQ(error.param, "chat_template_kwargs") << name;
    EXPECT_THAT(error.message, HasSubstr(name));
  }
  EXPECT_THAT(ErrorOf(kUser, R"("chat_template_kwargs":{"add_generation_prompt":1})").message,
              HasSubstr("'chat_template_kwargs.add_generation_prompt' is 1, it must be true or false"));
}

TEST(ChatFields, ACompletionHasNoChatToRender) {
  const auto error_of = [](const std::string& fields) {
    const std::string body = R"({"model":"m","prompt":"a",)" + fields + "}";
    const auto request = ParseCompletionRequest(boost::json::parse(body).as_object(), {});
    return request ? std::string() : request.error().param;
  };
  EXPECT_EQ(error_of(R"("chat_template_kwargs":{"a":1})"), "chat_template_kwargs");
  EXPECT_EQ(error_of(R"("continue_final_message":true)"), "continue_final_message");
  EXPECT_EQ(error_of(R"("chat_template_kwargs":{},"continue_final_message":false)"), "");
}

}  // namespace
}  // namespace exeunt::coordinator
