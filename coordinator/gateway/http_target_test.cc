#include "coordinator/gateway/http_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace exeunt::coordinator {
namespace {

using testing::HasSubstr;

std::string Parsed(const std::string& target) {
  const auto parsed = ParseTarget(target);
  return parsed ? parsed->path + " of '" + parsed->authority + "'" : "error: " + parsed.error().message;
}

TEST(HttpTarget, PathsWithoutQueryAndFragment) {
  EXPECT_EQ(Parsed("/"), "/ of ''");
  EXPECT_EQ(Parsed("/v1/models?x=/y&z=http://a/b"), "/v1/models of ''");
  EXPECT_EQ(Parsed("/v1/models#top"), "/v1/models of ''");
  EXPECT_EQ(Parsed("//a//b"), "//a//b of ''");
  EXPECT_EQ(Parsed("/x/http://host/path"), "/x/http://host/path of ''");
  EXPECT_EQ(Parsed("*"), "* of ''");
}

TEST(HttpTarget, AbsoluteFormsNameTheHost) {
  EXPECT_EQ(Parsed("http://localhost:8080/v1/models"), "/v1/models of 'localhost:8080'");
  EXPECT_EQ(Parsed("HTTPS://Example.COM/v1/models?a=b"), "/v1/models of 'Example.COM'");
  EXPECT_EQ(Parsed("http://[::1]:80/healthz"), "/healthz of '[::1]:80'");
  EXPECT_EQ(Parsed("http://host"), "/ of 'host'");
  EXPECT_EQ(Parsed("http://host?query"), "/ of 'host'");
  EXPECT_EQ(Parsed("http://user:secret@host:1/x"), "/x of 'host:1'");
  EXPECT_EQ(Parsed("http://proxy/http://inner/x"), "/http://inner/x of 'proxy'");
}

TEST(HttpTarget, WhatIsNoAddressOfThisServerIsNamed) {
  EXPECT_THAT(Parsed("ftp://host/x"), HasSubstr("scheme is 'ftp', it must be http or https"));
  EXPECT_THAT(Parsed("http:///x"), HasSubstr("'http:///x' names no host"));
  EXPECT_THAT(Parsed("://host/x"), HasSubstr("scheme is ''"));
  EXPECT_LT(Parsed(std::string(5000, 'a') + "://host").size(), 200U);
}

TEST(HttpTarget, EscapesAreDecodedOnce) {
  EXPECT_EQ(Parsed("/v1/%6Dodels"), "/v1/models of ''");
  EXPECT_EQ(Parsed("/v1/models/a%2Fb%20c"), "/v1/models/a/b c of ''");
  EXPECT_EQ(Parsed("/%2525"), "/%25 of ''");
  EXPECT_EQ(Parsed("/a%3Fb"), "/a?b of ''");
  EXPECT_EQ(Parsed("/%zz%4%"), "/%zz%4% of ''");
}

}  // namespace
}  // namespace exeunt::coordinator
