#include "text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fstream>

#include "base/check.h"

namespace exeunt::text {
namespace {

using ::testing::HasSubstr;

std::string ReadText(const std::string& name) {
  std::ifstream in(std::string(EXEUNT_SOURCE_DIR) + "/text/testdata/chat/" + name, std::ios::binary);
  CHECK_MSG(in.good(), "{} cannot be read", name);
  return {std::istreambuf_iterator<char>(in), {}};
}

boost::json::value ReadJson(const std::string& name) { return boost::json::parse(ReadText(name)); }

std::string_view Text(const boost::json::value& value) {
  return {value.as_string().data(), value.as_string().size()};
}

Result<std::string> Render(std::string_view source, const boost::json::object& variables) {
  ASSIGN_OR_RETURN(const auto chat_template, ChatTemplate::Parse(source));
  return chat_template->Render(variables);
}

// `golden` is {"text": what Jinja renders} or {"error": what it raises}.
void ExpectEqual(const Result<std::string>& rendered, const boost::json::value& golden,
                 const std::string& what) {
  const boost::json::object& expected = golden.as_object();
  if (expected.contains("error")) {
    EXPECT_FALSE(rendered.has_value()) << what << " should fail: " << Text(expected.at("error")) << "\n"
                                       << *rendered;
    if (!rendered.has_value()) {
      EXPECT_THAT(rendered.error().message, HasSubstr("line ")) << what;
    }
    return;
  }
  ASSERT_TRUE(rendered.has_value()) << what << ": " << rendered.error().message;
  EXPECT_EQ(*rendered, Text(expected.at("text"))) << what;
}

TEST(ChatTemplate, RendersConversationsAsTransformersDoes) {
  const boost::json::value conversations = ReadJson("conversations.json");
  const boost::json::value goldens = ReadJson("goldens.json");
  size_t rendered = 0;
  for (const auto& [name, results] : goldens.at("templates").as_object()) {
    const std::string source = ReadText("templates/" + std::string(name) + ".jinja");
    const auto chat_template = ChatTemplate::Parse(source);
    ASSERT_TRUE(chat_template.has_value()) << name << ": " << chat_template.error().message;
    for (const auto& conversation : conversations.as_object()) {
      boost::json::object variables = goldens.at("variables").as_object();
      for (const auto& variable : conversation.value().as_object()) {
        variables.insert_or_assign(variable.key(), variable.value());
      }
      const boost::json::value& golden = results.at(conversation.key());
      ExpectEqual((*chat_template)->Render(variables), golden,
                  std::string(name) + " of " + std::string(conversation.key()));
      rendered += golden.as_object().contains("text") ? 1 : 0;
    }
  }
  EXPECT_GT(rendered, 200U);
}

// snippets.json is written by hand; features.json has every filter, test and operator on every type of value.
TEST(ChatTemplate, RendersEveryConstructAsJinjaDoes) {
  for (const char* name : {"snippets.json", "features.json"}) {
    const boost::json::value file = ReadJson(name);
    EXPECT_GT(file.at("snippets").as_array().size(), 100U) << name;
    for (const auto& snippet : file.at("snippets").as_array()) {
      const std::string source(Text(snippet.at("template")));
      ExpectEqual(Render(source, file.at("variables").as_object()), snippet, source);
    }
  }
}

std::string ErrorOf(std::string_view source, const boost::json::object& variables = {}) {
  const auto rendered = Render(source, variables);
  return rendered.has_value() ? "no error: " + rendered->substr(0, 100) : rendered.error().message;
}

TEST(ChatTemplate, ErrorsNameLineAndConstruct) {
  EXPECT_EQ(ErrorOf("a\n{% include 'x' %}"),
            "line 2: '{% include %}' is not supported: a chat template is one file");
  EXPECT_EQ(ErrorOf("{% do x.append(1) %}"), "line 1: '{% do %}' is not supported");
  EXPECT_EQ(ErrorOf("\n\n{{ 1 | no_such }}"), "line 3: the filter 'no_such' is not supported");
  EXPECT_EQ(ErrorOf("{{ 1 is no_such }}"), "line 1: the test 'no_such' is not supported");
  EXPECT_EQ(ErrorOf("{{ lipsum() }}"), "line 1: lipsum() is not supported: its text is random");
  EXPECT_EQ(ErrorOf("{{ [1].append(2) }}"),
            "line 1: access to attribute 'append' of 'list' object is unsafe");
  EXPECT_EQ(ErrorOf("{{ 'a'.__class__.__mro__ }}"),
            "line 1: access to attribute '__class__' of 'str' object is unsafe");
  EXPECT_EQ(ErrorOf("{% set ns = namespace(a=namespace()) %}"), "line 1: a namespace inside a container");
  EXPECT_EQ(ErrorOf("{{ '%d' % 'a' }}"), "line 1: %d needs a number, not a str");
  EXPECT_EQ(ErrorOf("{{ raise_exception('Sorry') }}"), "line 1: Sorry");
  EXPECT_EQ(ErrorOf("{{ strftime_now('%Q') }}"), "line 1: strftime_now: the format '%Q' is not supported");
  EXPECT_EQ(ErrorOf("{{ 9223372036854775808 }}"), "line 1: the number 9223372036854775808 is too large");
  EXPECT_EQ(ErrorOf("{{ 999999999999999999 * 100 }}"), "line 1: an integer overflows");
}

TEST(ChatTemplate, KnowsTheDate) {
  const auto year = Render("{{ strftime_now('%Y') }}", {});
  ASSERT_TRUE(year.has_value());
  EXPECT_THAT(*year, ::testing::MatchesRegex("20[0-9][0-9]"));
}

// Every one of these ends in an error, soon.
TEST(ChatTemplate, HostileTemplatesEnd) {
  const std::string deep(5000, '(');
  std::string blocks;
  for (int i = 0; i < 5000; ++i) blocks += "{% if 1 %}";
  std::string sum = "{{ 1";
  for (int i = 0; i < 5000; ++i) sum += " + 1";
  const std::string loops =
      "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}";
  const std::string ends = "{% endfor %}{% endfor %}{% endfor %}";
  const std::pair<const char*, std::string> cases[] = {
      {"brackets", "{{ " + deep},
      {"lists", "{{ " + std::string(5000, '[')},
      {"not", "{{ " + std::string(20000, '-') + "1 }}"},
      {"blocks", blocks},
      {"sum", sum + " }}"},
      {"loops", loops + ends},
      {"output", loops + "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" + ends},
      {"recursion", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"},
      {"doubling",
       "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}"},
      {"doubling lists",
       "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}"},
      {"nesting",
       "{% set ns = namespace(s=[]) %}{% for i in range(999) %}{% set ns.s = [ns.s] %}{% endfor %}"},
      {"wide nesting",
       "{% set ns = namespace(s=[1]) %}{% for i in range(40) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}"
       "{{ ns.s | tojson }}"},
      {"comparing",
       "{% set n = namespace(s=[1], t=[1]) %}{% for i in range(40) %}{% set n.s = [n.s, n.s] %}"
       "{% set n.t = [n.t, n.t] %}{% endfor %}{{ n.s == n.t }}"},
      {"repetition", "{{ 'x' * 99999999999 }}"},
      {"search",
       "{% set a = 'a' * 9999999 %}{% for i in range(999) %}{{ a.find('a' * 4999999 + 'b') }}{% endfor %}"},
      {"stripping", "{{ ('a' * 9999999).strip('b' * 9999999 + 'a') }}"},
      {"splitting", "{{ (',' * 9999999).split(',') | length }}"},
      {"lines", "{{ ('\\n' * 9999999).splitlines() | length }}"},
      {"replacing", "{{ ('a' * 99999).replace('', 'b' * 99999) | length }}"},
      {"sorting",
       "{{ range(99999) | map('string') | map('replace', '', 'aaaaaaaaaaaaaaaaaaaaaaaa') | sort | length }}" +
           loops + ends},
      {"a path", "{{ [1] | map(attribute='a' ~ '.a' * 9999999) | list }}"},
      {"a wide number", "{{ '%1000000000d' % 1 }}"},
      {"a wide star", "{{ '%*d' % (1000000000, 1) }}"},
      {"a precise number", "{{ '%.1000000000f' % 1.5 }}"},
      {"a wide field", "{{ '{:1000000000}'.format(1) }}"},
      {"a wide field of a field", "{{ '{:{}}'.format(1, 1000000000) }}"},
      {"zfill", "{{ '1'.zfill(1000000000) }}"},
      {"center", "{{ 'a' | center(1000000000) }}"},
      {"ljust", "{{ 'a'.ljust(1000000000, 'é') }}"},
      {"many fields", loops + "{{ 'a'.rjust(1000000) | length }}" + ends},
      {"tabs", "{{ ('\\t' * 9999999).expandtabs(1000) | length }}"},
      {"a wide tab", "{{ '\\t'.expandtabs(1000000000) }}"},
      {"indent", "{{ 'a' | indent(1000000000, true) }}"},
      {"batch", "{{ [1] | batch(1000000000, 0) | list }}"},
      {"slice", "{{ [1] | slice(1000000000) | list }}"},
      {"range", "{{ range(1000000000) | list }}"},
      {"a recursive loop", "{% for x in [[1]] recursive %}{{ loop([x]) }}{% endfor %}"},
      {"blocks that call themselves", "{% block a %}{{ self.a() }}{% endblock %}"},
      {"macros that call each other",
       "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}"},
      {"callers", "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}"},
      {"wrapping", "{{ ('a ' * 9999999) | wordwrap(1) | length }}"},
      {"wrapping of white space", loops + "{{ (' ' * 99999) | wordwrap(1) | length }}" + ends},
      {"entities", loops + "{{ ('&' * 99999) | striptags | length }}" + ends},
      {"tuples as keys", "{% set t = (1,) * 99999 %}" + loops + "{{ {t: 1} | length }}" + ends},
      {"a tree of groups",
       "{% set n = namespace(s=[{'a': 1}]) %}{% for i in range(99) %}{% set n.s = n.s | groupby('a') %}"
       "{% set n.s = [{'a': n.s}] %}{% endfor %}"},
      {"pprint",
       "{% set n = namespace(s=[1]) %}{% for i in range(40) %}{% set n.s = [n.s, n.s] %}{% endfor %}"
       "{{ n.s | pprint }}"},
      {"doubling by format",
       "{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = '{0}{0}'.format(n.s) %}{% endfor "
       "%}"},
      {"doubling by %",
       "{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = '%s%s' % (n.s, n.s) %}{% endfor "
       "%}"},
      {"doubling by escape",
       "{% set n = namespace(s='<') %}{% for i in range(99) %}{% set n.s = n.s | forceescape ~ n.s %}{% "
       "endfor %}"},
  };
  for (const auto& [name, source] : cases) {
    const auto rendered = Render(source, {});
    EXPECT_FALSE(rendered.has_value()) << name << ": " << rendered->substr(0, 100);
  }
}

TEST(ChatTemplate, SourceIsBounded) {
  EXPECT_THAT(ErrorOf(std::string((1 << 20) + 1, ' ')), HasSubstr("template of 1048577 bytes"));
}

// Variables come from requests: they may be wide and deep.
TEST(ChatTemplate, HostileVariablesEnd) {
  boost::json::object wide;
  for (int i = 0; i < 100'000; ++i) wide[std::to_string(i)] = i;
  const boost::json::object variables{{"wide", wide}};
  for (const char* source :
       {"{{ namespace(**wide) }}", "{{ wide == dict(wide, a=1) }}", "{{ wide | pprint }}",
        "{{ '{a}'.format(**wide) }}", "{{ wide | unique | list | length }}",
        "{% macro m() %}{{ kwargs }}{% endmacro %}{{ m(**wide) }}"}) {
    const auto rendered = Render(source, variables);
    EXPECT_FALSE(rendered.has_value()) << source << ": " << rendered->substr(0, 100);
  }
  boost::json::value deep = 1;
  for (int i = 0; i < 100; ++i) deep = boost::json::array{deep};
  EXPECT_THAT(ErrorOf("", {{"deep", deep}}), HasSubstr("nested more than 48 deep"));
}

// A long conversation is no reason to fail.
TEST(ChatTemplate, RendersAMegabyte) {
  boost::json::array messages;
  for (int i = 0; i < 500; ++i) {
    messages.push_back({{"role", i % 2 == 0 ? "user" : "assistant"}, {"content", std::string(4000, 'x')}});
  }
  for (const char* name : {"llama2", "llama31", "mistral", "qwen25", "qwen3", "gemma3"}) {
    const auto rendered = Render(ReadText("templates/" + std::string(name) + ".jinja"),
                                 {{"messages", messages}, {"bos_token", "<s>"}, {"eos_token", "</s>"}});
    ASSERT_TRUE(rendered.has_value()) << name << ": " << rendered.error().message;
    EXPECT_GT(rendered->size(), 2000000U) << name;
  }
}

}  // namespace
}  // namespace exeunt::text
