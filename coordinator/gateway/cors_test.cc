#include "coordinator/gateway/cors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace exeunt {
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
                  Pair("Access-Control-Expose-Headers", "x-request-id, retry-after")));
  for (const char* other : {"", "null", "https://a.example.evil", "https://a.exampl", "http://a.example"}) {
    EXPECT_THAT(policy.AnswerHeaders(other), ElementsAre(Pair("Vary", "Origin"))) << other;
  }
  EXPECT_THAT(CorsPolicy({"*"}).AnswerHeaders("https://any.example"),
              Contains(Pair("Access-Control-Allow-Origin", "*")));
}

TEST(CorsPolicy, PreflightsAllowWhatTheClientsSend) {
  const CorsPolicy policy({"https://a.example"});
  const HttpResponse allowed =
      policy.Preflight("https://a.example",
                       "Authorization,content-type, X-Stainless-OS,openai-beta,x-request-id,x-evil, cookie");
  EXPECT_EQ(allowed.status, 204);
  EXPECT_EQ(allowed.body, "");
  EXPECT_THAT(allowed.headers, Contains(Pair("Access-Control-Allow-Methods", "GET, POST, OPTIONS")));
  EXPECT_THAT(allowed.headers,
              Contains(Pair("Access-Control-Allow-Headers",
                            "authorization, content-type, x-stainless-os, openai-beta, x-request-id")));
  EXPECT_THAT(allowed.headers, Contains(Pair("Access-Control-Max-Age", "600")));
  EXPECT_THAT(policy.Preflight("https://a.example", "").headers,
              Not(Contains(Pair("Access-Control-Allow-Headers", testing::_))));
  // Nothing of the request comes back but names.
  EXPECT_THAT(policy.Preflight("https://a.example", "x-stainless-\r\nset-cookie: a=b").headers,
              Contains(Pair("Access-Control-Allow-Headers", "x-stainless-set-cookieab")));
  const HttpResponse other = policy.Preflight("https://b.example", "content-type");
  EXPECT_EQ(other.status, 403);
  EXPECT_THAT(other.headers, IsEmpty());
}

}  // namespace
}  // namespace exeunt
