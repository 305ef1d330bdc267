#include "text/chat_template_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace exeunt::text {
namespace {

using ::testing::HasSubstr;

class ChatTemplateFiles : public ::testing::Test {
 protected:
  ChatTemplateFiles() : directory_(::testing::TempDir() + "/chat_template_text_test") {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  ~ChatTemplateFiles() override { std::filesystem::remove_all(directory_); }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ + "/" + name, std::ios::binary) << text;
  }
  ChatTemplateText Read() { return ReadChatTemplateText(directory_).value(); }

  const std::string directory_;
};

TEST_F(ChatTemplateFiles, TransformersOrder) {
  EXPECT_EQ(Read().text, "");
  EXPECT_EQ(Read().source, "");
  Write("chat_template.json", R"({"chat_template":"of a processor"})");
  EXPECT_EQ(Read().text, "of a processor");
  EXPECT_EQ(Read().source, "chat_template.json: chat_template");
  Write("tokenizer_config.json", R"({"chat_template":null})");
  EXPECT_EQ(Read().text, "of a processor");
  Write("tokenizer_config.json", R"({"chat_template":"of the tokenizer"})");
  EXPECT_EQ(Read().text, "of the tokenizer");
  EXPECT_EQ(Read().source, "tokenizer_config.json: chat_template");
  Write("chat_template.jinja", "of a file");
  EXPECT_EQ(Read().text, "of a file");
  EXPECT_EQ(Read().source, "chat_template.jinja");
}

TEST_F(ChatTemplateFiles, TheDefaultOfAList) {
  Write("tokenizer_config.json",
        R"({"chat_template":[{"name":"tool_use","template":"T"},{"name":"default","template":"D"}]})");
  EXPECT_EQ(Read().text, "D");
  EXPECT_EQ(Read().problem, "");
  Write("tokenizer_config.json",
        R"({"chat_template":[{"name":"tool_use","template":"T"},{"name":"rag","template":"R"}]})");
  EXPECT_EQ(Read().text, "");
  EXPECT_EQ(Read().problem, "none of the chat templates is named 'default'; there are 'tool_use', 'rag'");
}

// A model with such a file still serves completions.
TEST_F(ChatTemplateFiles, WhatIsNoTemplateIsAProblem) {
  for (const char* value : {"5", "{}", "[5]", R"([{"name":"default"}])", R"([{"name":1,"template":"a"}])"}) {
    Write("tokenizer_config.json", std::string(R"({"chat_template":)") + value + "}");
    EXPECT_EQ(Read().text, "") << value;
    EXPECT_NE(Read().problem, "") << value;
    EXPECT_EQ(Read().source, "tokenizer_config.json: chat_template") << value;
  }
  Write("tokenizer_config.json", "{");
  EXPECT_THAT(ReadChatTemplateText(directory_).error().message, HasSubstr("tokenizer_config.json"));
}

TEST(ChatTemplateOfGguf, TheUnnamedOne) {
  GgufMetadata metadata{{"tokenizer.chat_template", std::string("own")},
                        {"tokenizer.chat_template.tool_use", std::string("tools")}};
  EXPECT_EQ(ReadChatTemplateText(metadata).text, "own");
  EXPECT_EQ(ReadChatTemplateText(metadata).source, "tokenizer.chat_template");
  metadata.erase("tokenizer.chat_template");
  EXPECT_EQ(ReadChatTemplateText(metadata).text, "");
  EXPECT_THAT(ReadChatTemplateText(metadata).problem, HasSubstr("there are 'tool_use'"));
  EXPECT_EQ(ReadChatTemplateText(GgufMetadata{}).source, "");
}

}  // namespace
}  // namespace exeunt::text
