#include "coordinator/gateway/header_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace exeunt::coordinator {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(HeaderValues, ListsAreReadInAnyCaseAndSpacing) {
  EXPECT_THAT(ElementsOf(" a,\tB ,, c d,"), ElementsAre("a", "B", "c d"));
  EXPECT_THAT(ElementsOf(" , \t"), IsEmpty());
  EXPECT_TRUE(HasElement("Keep-Alive , CLOSE", "close"));
  EXPECT_TRUE(HasElement("100-Continue", "100-continue"));
  EXPECT_FALSE(HasElement("not-close, closed", "close"));
  EXPECT_FALSE(HasElement("", "close"));
}

TEST(HeaderValues, MediaTypesInAnyCaseAndSpacing) {
  for (const char* type :
       {"application/json", "Application/JSON; Charset=UTF-8", "application/json;charset=utf-8",
        " APPLICATION/JSON\t;x", "text/json", "application/problem+json", "application/vnd.api+JSON; v=1",
        "application/x-json"}) {
    EXPECT_TRUE(IsJsonType(type)) << type;
  }
  for (const char* type :
       {"text/plain", "text/plain; x=json", "multipart/form-data; boundary=json",
        "application/x-www-form-urlencoded;/json", "json", "json/text", ";application/json"}) {
    EXPECT_FALSE(IsJsonType(type)) << type;
  }
  EXPECT_EQ(MediaTypeOf("Text/HTML ; charset=x"), "text/html");
}

TEST(HeaderValues, TokenCharacters) {
  for (const char c : std::string_view("aZ09!#$%&'*+-.^_`|~")) EXPECT_TRUE(IsTokenCharacter(c)) << c;
  for (const char c : std::string_view(" \t:;,\"()/<>@[]{}\x7F\xC3\r\n"))
    EXPECT_FALSE(IsTokenCharacter(c)) << c;
}

}  // namespace
}  // namespace exeunt::coordinator
