#include "request/request_json.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <string>

#include "request/request_log.h"

namespace exeunt {
namespace {

TEST(RequestJson, AnErrorNamesFieldAndValue) {
  const auto refuse = [](const char* text, const char* why) {
    const auto bad = RequestFromJson(boost::json::parse(text));
    ASSERT_FALSE(bad.has_value()) << text;
    EXPECT_NE(bad.error().message.find(why), std::string::npos) << bad.error().message;
  };
  refuse("[]", "request field '' is [], it must be an object");
  refuse(R"({"promt":[1]})", "request field 'promt' is unknown, its value is [1]");
  refuse(R"({"prompt":1})", "request field 'prompt' is 1, it must be a list");
  refuse(R"({"prompt":[1,"a"]})", R"(request field 'prompt[]' is "a", it must be an integer in)");
  refuse(R"({"max_tokens":3000000000})",
         "request field 'max_tokens' is 3000000000, it must be an integer in");
  refuse(R"({"max_tokens":1.5})", "it must be an integer");
  refuse(R"({"client":7})", "request field 'client' is 7, it must be a string");
  refuse(R"({"want_logits":0})", "request field 'want_logits' is 0, it must be true or false");
  refuse(R"({"sampling":{"top_p":"x"}})", R"(request field 'sampling.top_p' is "x", it must be a number)");
  refuse(R"({"sampling":{"seed":-1}})", "request field 'sampling.seed' is -1, it must be an integer in [0, ");
  refuse(R"({"sampling":{"nucleus":1}})", "request field 'sampling.nucleus' is unknown");
  refuse(R"({"exit":{"mode":"fast"}})", R"(request field 'exit.mode' is "fast", which is unknown)");
  refuse(R"({"exit":{"measure":1}})", "request field 'exit.measure' is 1, which is unknown");
}

TEST(RequestJson, AMissingFieldHasItsDefault) {
  const SequenceRequest request =
      RequestFromJson(boost::json::parse(R"({"prompt":[5],"timeout":null})")).value();
  EXPECT_EQ(request, SequenceRequest{.prompt = {5}});
}

TEST(RequestLog, ALineHasWhatDiffersFromTheDefaults) {
  const std::string line = RequestLogLine({.prompt = {5, 6}, .max_tokens = 2, .client = "a\nb"});
  EXPECT_EQ(line, R"({"request_log":1,"request":{"prompt":[5,6],"max_tokens":2,"client":"a\nb"}})"
                  "\n");
}

TEST(RequestLog, ALineThatIsNotWholeOrOfAnotherVersionIsRefused) {
  const std::string line = RequestLogLine({.prompt = {5, 6}, .max_tokens = 2});
  for (size_t cut = 0; cut + 1 < line.size(); ++cut)
    EXPECT_FALSE(ReadRequestLogLine(std::string_view(line).substr(0, cut)).has_value()) << cut;
  EXPECT_TRUE(ReadRequestLogLine(line.substr(0, line.size() - 1)).has_value())
      << "the line feed is not needed";
  const auto other = ReadRequestLogLine(R"({"request_log":2,"request":{}})");
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().message, "line of a request log has version 2, this program reads 1");
  EXPECT_FALSE(ReadRequestLogLine(R"({"request":{}})").has_value());
  EXPECT_FALSE(ReadRequestLogLine("7").has_value());
}

}  // namespace
}  // namespace exeunt
