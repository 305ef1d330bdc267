#include "coordinator/gateway/cors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace exeunt::coordinator {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

TEST(CorsPolicy, NoneByDefault) {
  EXPECT_FALSE(CorsPolicy().enabled());
  EXPECT_THAT(CorsPolicy().AnswerHeaders("https://a.example"), IsEmpty());
}

TEST(CorsPolicy, AnswersNameTheOriginsThatMayReadThem) {
  const CorsPolicy policy({"https://a.example", "http://localhost:3000"});
  EXPECT_THAT(
      policy.AnswerHeaders("http://localhost:3000"),
      ElementsAre(Pair("Vary", "Origin"), Pair("Access-Control-Allow-Origin", "http://localhost:3000"),
                  Pair("Access-Control-Expose-Headers", "x-request-id, retry-after, x-should-retry")));
  for (const char* other : {"", "null", "https://a.example.evil", "https://a.exampl", "http://a.example"}) {
    EXPECT_THAT(policy.AnswerHeaders(other), ElementsAre(Pair("Vary", "Origin"))) << other;
  }
  EXPECT_THAT(CorsPolicy({"*"}).AnswerHeaders("https://any.example"),
              Contains(Pair("Access-Control-Allow-Origin", "*")));
}

HttpResponse Preflight(const CorsPolicy& policy, std::string_view origin, std::string_view headers) {
  return policy.Preflight({.origin = origin, .headers = headers});
}

TEST(CorsPolicy, TheCaseOfAnOriginDoesNotMatter) {
  const CorsPolicy policy({"https://Chat.Example"});
  EXPECT_THAT(policy.AnswerHeaders("https://chat.example"),
              Contains(Pair("Access-Control-Allow-Origin", "https://chat.example")));
}

TEST(CorsPolicy, PreflightsAllowTheHeadersThatWereAskedFor) {
  const CorsPolicy policy({"https://a.example"});
  const HttpResponse allowed =
      Preflight(policy, "https://a.example",
                "Authorization,content-type, X-Stainless-OS,\tx-title ,,HTTP-Referer,x_y!#~");
  EXPECT_EQ(allowed.status, 204);
  EXPECT_EQ(allowed.body, "");
  EXPECT_THAT(allowed.headers, Contains(Pair("Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS")));
  EXPECT_THAT(allowed.headers,
              Contains(Pair("Access-Control-Allow-Headers",
                            "authorization, content-type, x-stainless-os, x-title, http-referer, x_y!#~")));
  EXPECT_THAT(allowed.headers, Contains(Pair("Access-Control-Max-Age", "600")));
  EXPECT_THAT(allowed.headers, Not(Contains(Pair("Access-Control-Allow-Private-Network", testing::_))));
  EXPECT_THAT(Preflight(policy, "https://a.example", "").headers,
              Not(Contains(Pair("Access-Control-Allow-Headers", testing::_))));
  EXPECT_THAT(policy.Preflight({.origin = "https://a.example", .private_network = true}).headers,
              Contains(Pair("Access-Control-Allow-Private-Network", "true")));
}

TEST(CorsPolicy, OnlyNamesOfHeadersComeBack) {
  const CorsPolicy policy({"*"});
  EXPECT_THAT(Preflight(policy, "https://a", "x-a\r\nset-cookie: a=b, x-b, x c, \"d\", x-\xC3\xA9").headers,
              Contains(Pair("Access-Control-Allow-Headers", "x-b")));
  std::string many;
  for (int i = 0; i < 5000; ++i) many += "x-header,";
  for (const auto& [name, value] : Preflight(policy, "https://a", many).headers)
    EXPECT_LE(value.size(), 4096U);
}

TEST(CorsPolicy, OtherOriginsAreRefusedByName) {
  const HttpResponse other =
      Preflight(CorsPolicy({"https://a.example"}), "https://b.example", "content-type");
  EXPECT_EQ(other.status, 403);
  EXPECT_THAT(other.headers, IsEmpty());
  EXPECT_THAT(other.body, testing::HasSubstr("'https://b.example'"));
}

}  // namespace
}  // namespace exeunt::coordinator
