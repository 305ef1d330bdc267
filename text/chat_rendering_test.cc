#include "text/chat_rendering.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace exeunt::text {
namespace {

using ::testing::HasSubstr;

const boost::json::array kMessages{{{"role", "user"}, {"content", "Hi"}},
                                   {{"role", "assistant"}, {"content", "According to "}}};

// What `source` writes; an error's message after "error: ".
std::string Render(std::string_view source, const ChatOptions& options = {},
                   const boost::json::array& messages = kMessages) {
  const auto parsed = ChatTemplate::Parse(source);
  if (!parsed.has_value()) return "error: " + parsed.error().message;
  const auto text =
      RenderChat(**parsed, messages, {{{"bos_token", "<s>"}, {"pad_token", "<pad>"}}, {"<x>"}}, options);
  return text.has_value() ? *text : "error: " + text.error().message;
}

TEST(RenderChat, GivesTheVariablesThatTransformersGives) {
  EXPECT_EQ(Render("{{ tools is none }} {{ documents is none }} {{ tools is defined }}"), "True True True");
  EXPECT_EQ(Render("{{ bos_token }}{{ pad_token }}{{ eos_token is defined }}"), "<s><pad>False");
  EXPECT_EQ(Render("{{ additional_special_tokens }}"), "['<x>']");
  EXPECT_EQ(Render("{{ add_generation_prompt }} {{ messages | length }}"), "True 2");
  EXPECT_EQ(Render("{{ add_generation_prompt }}", {.add_generation_prompt = false}), "False");
}

TEST(RenderChat, VariablesOfTheRequestComeLast) {
  const ChatOptions options{.variables = {{"enable_thinking", false}, {"bos_token", "!"}, {"tools", {1, 2}}}};
  EXPECT_EQ(Render("{{ enable_thinking }} {{ bos_token }} {{ tools }}", options), "False ! [1, 2]");
}

constexpr std::string_view kChatMl =
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}";

// Goldens of transformers 4.57's and 5's render_jinja_template.
TEST(RenderChat, ContinuesTheFinalMessage) {
  const ChatOptions options{.add_generation_prompt = false, .continue_final_message = true};
  EXPECT_EQ(Render(kChatMl, options), "<user>Hi</user><assistant>According to ");
  // A template that trims the message leaves no white space to continue after.
  EXPECT_EQ(Render("{% for m in messages %}[{{ m.content | trim }}]{% endfor %}", options),
            "[Hi][According to");
  EXPECT_EQ(Render(kChatMl, options, {{{"role", "assistant"}, {"content", ""}}}), "<assistant>");
  EXPECT_EQ(Render(kChatMl, options, {{{"role", "assistant"}, {"content", "a\n"}}}), "<assistant>a\n");
  // The same text in an earlier message is not where the last one ends.
  EXPECT_EQ(Render("{% for m in messages %}{{ m.content }}|{% endfor %}", options,
                   {{{"role", "user"}, {"content", "a"}}, {{"role", "assistant"}, {"content", "a"}}}),
            "a|a");
}

// A template may write the last message more than once: it ends where it stands last.
TEST(RenderChat, NothingOfTheMarkIsLeft) {
  const ChatOptions options{.add_generation_prompt = false, .continue_final_message = true};
  const boost::json::array messages{{{"role", "assistant"}, {"content", "According to"}}};
  EXPECT_EQ(
      Render("{% for m in messages %}{{ m.content }}|{{ m.content }}<end>{% endfor %}", options, messages),
      "According to|According to");
  EXPECT_EQ(Render("{{ messages[0].content }}<e>last: {{ messages[-1].content }}!", options, messages),
            "According to<e>last: According to");
  EXPECT_EQ(
      Render("{{ messages[0].content | trim }}<e>{{ messages[0].content | trim }}<e>", options, messages),
      "According to<e>According to");
}

TEST(RenderChat, SaysWhyAMessageCannotBeContinued) {
  const ChatOptions options{.add_generation_prompt = false, .continue_final_message = true};
  EXPECT_THAT(Render("nothing of it", options), HasSubstr("does not write the last message as it is"));
  EXPECT_THAT(Render("{% for m in messages %}{{ m.content | upper }}{% endfor %}", options),
              HasSubstr("error: continue_final_message"));
  EXPECT_THAT(Render(kChatMl, options, {}), HasSubstr("has no text to continue"));
}

TEST(RenderChat, KeepsTheTemplatesOwnMessage) {
  EXPECT_EQ(Render("\n{{ raise_exception('Roles must alternate') }}"), "error: line 2: Roles must alternate");
}

}  // namespace
}  // namespace exeunt::text
