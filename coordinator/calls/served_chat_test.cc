#include "coordinator/calls/served_chat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>

#include "coordinator/testing/fake_tokenizer.h"
#include "coordinator/testing/test_server.h"

namespace exeunt::coordinator {
namespace {

using ::testing::HasSubstr;

ServedChat Load(text::ChatTemplateText text) {
  return LoadChat(*MakeFakeTokenizer(std::move(text)), "").value();
}

std::string Write(const std::string& name, const std::string& text) {
  const std::string path = ::testing::TempDir() + "/" + name;
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

TEST(LoadChat, ABrokenTemplateIsAProblemThatNamesFileLineAndConstruct) {
  const ServedChat chat =
      Load({.text = "a\n{% extends 'b' %}", .source = "chat_template.jinja", .problem = ""});
  EXPECT_EQ(chat.chat_template, nullptr);
  EXPECT_TRUE(chat.is_broken);
  EXPECT_THAT(chat.problem, HasSubstr("chat_template.jinja"));
  EXPECT_THAT(chat.problem, HasSubstr("line 2: '{% extends %}' is not supported"));
}

TEST(LoadChat, AModelWithoutATemplateIsNotBroken) {
  EXPECT_FALSE(Load({}).is_broken);
  EXPECT_EQ(Load({}).problem, "it has no chat template");
  EXPECT_TRUE(Load({.text = "", .source = "here", .problem = "none is named 'default'"}).is_broken);
}

TEST(LoadChat, AFileReplacesTheModelsTemplate) {
  const auto tokenizer = MakeFakeTokenizer({.text = "{% broken", .source = "model", .problem = ""});
  const auto chat = LoadChat(*tokenizer, Write("good.jinja", "{{ messages[0].content }}"));
  ASSERT_TRUE(chat.has_value()) << chat.error().message;
  EXPECT_NE(chat->chat_template, nullptr);
  EXPECT_FALSE(chat->is_broken);
}

TEST(LoadChat, AFileThatCannotBeUsedIsAnError) {
  const auto tokenizer = MakeFakeTokenizer();
  const std::string path = Write("bad.jinja", "\n\n{{ x | no_such_filter }}");
  EXPECT_THAT(LoadChat(*tokenizer, path).error().message,
              ::testing::AllOf(HasSubstr("--chat-template"), HasSubstr("bad.jinja"),
                               HasSubstr("line 3: the filter 'no_such_filter'")));
  EXPECT_THAT(LoadChat(*tokenizer, "/no/such/file.jinja").error().message, HasSubstr("/no/such/file.jinja"));
}

HttpReply Post(const TestServer& server, const std::string& path, const std::string& body) {
  return Fetch(server.port(), "POST", path, body);
}

constexpr const char* kChat =
    R"({"model":"fake","max_tokens":1,"messages":[{"role":"user","content":"Hi"}]})";

TEST(ServedChat, ABrokenTemplateRefusesChatsAndServesCompletions) {
  TestServerOptions options;
  options.chat_template = {.text = "\n{% include 'x' %}", .source = "tokenizer.chat_template", .problem = ""};
  const TestServer server(std::move(options));
  for (const char* path : {"/v1/chat/completions", "/tokenize"}) {
    const HttpReply reply = Post(server, path, kChat);
    EXPECT_EQ(reply.status, 400) << path;
    EXPECT_THAT(reply.body, HasSubstr("line 2: '{% include %}'")) << path;
    EXPECT_THAT(reply.body, HasSubstr("tokenizer.chat_template")) << path;
  }
  EXPECT_EQ(Complete(server, R"("max_tokens":1)").status, 200);
  EXPECT_EQ(Post(server, "/tokenize", R"({"prompt":"Hi"})").status, 200);
}

// The text that /tokenize of a chat with these fields makes.
std::string Rendered(const TestServer& server, const std::string& fields) {
  const HttpReply reply = Post(server, "/tokenize", "{" + fields + "}");
  if (reply.status != 200) return reply.body;
  const auto tokens = boost::json::parse(reply.body).at("tokens");
  const HttpReply text =
      Post(server, "/detokenize", boost::json::serialize(boost::json::object{{"tokens", tokens}}));
  return boost::json::value_to<std::string>(boost::json::parse(text.body).at("prompt"));
}

TEST(ServedChat, TheFieldsOfAChatReachTheTemplate) {
  TestServerOptions options;
  options.chat_template = {.text =
                               "{% for m in messages %}<{{ m.content }}>{% endfor %}"
                               "{% if add_generation_prompt %}{{ mark | default('ASK') }}{% endif %}",
                           .source = "test",
                           .problem = ""};
  const TestServer server(std::move(options));
  const std::string open = R"("messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}])";
  EXPECT_EQ(Rendered(server, open), "<a><b>ASK");
  EXPECT_EQ(Rendered(server, open + R"(,"chat_template_kwargs":{"mark":"!"})"), "<a><b>!");
  EXPECT_EQ(Rendered(server, open + R"(,"add_generation_prompt":false)"), "<a><b>");
  EXPECT_EQ(Rendered(server, open + R"(,"add_generation_prompt":false,"continue_final_message":true)"),
            "<a><b");
  EXPECT_THAT(Rendered(server, open + R"(,"continue_final_message":true)"),
              HasSubstr("'add_generation_prompt'"));
  EXPECT_THAT(Rendered(server, R"("prompt":"a","continue_final_message":true)"), HasSubstr("'messages'"));
}

TEST(ServedChat, WhatATemplateRaisesIsTheReason) {
  TestServerOptions options;
  options.chat_template = {.text = "{{ raise_exception('Only ' ~ messages | length ~ ' message') }}",
                           .source = "test",
                           .problem = ""};
  const TestServer server(std::move(options));
  const HttpReply reply = Post(server, "/v1/chat/completions", kChat);
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("chat template: line 1: Only 1 message"));
}

}  // namespace
}  // namespace exeunt::coordinator
