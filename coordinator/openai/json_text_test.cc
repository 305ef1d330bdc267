#include "coordinator/openai/json_text.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <limits>

namespace exeunt::coordinator {
namespace {

TEST(WriteJson, ReadsAndWrites) {
  EXPECT_EQ(
      WriteJson(
          ParseRequestJson(R"({"a":[23.5,-0.25,1,1e300,"x\"\n"],"b":{},"c":[],"d":null,"e":true})").value()),
      R"({"a":[23.5,-0.25,1,1e+300,"x\"\n"],"b":{},"c":[],"d":null,"e":true})");
  EXPECT_EQ(WriteJson(std::numeric_limits<double>::quiet_NaN()), "null");
  for (const std::string& bad : {std::string("{"), std::string("[]"), std::string(R"({"a":1} x)"),
                                 std::string(""), std::string("{\"a\":\"\xff\"}"),
                                 fmt::format("{{\"a\":{}{}}}", std::string(40, '['), std::string(40, ']'))}) {
    EXPECT_FALSE(ParseRequestJson(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace exeunt::coordinator
