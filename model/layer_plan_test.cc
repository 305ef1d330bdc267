#include "model/layer_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace exeunt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::pair<int, int>> Ranges(const std::string& split, int stages, int layers) {
  std::vector<std::pair<int, int>> ranges;
  for (const LayerSpan& span : ParseSplit(split, stages, layers).value())
    ranges.emplace_back(span.begin, span.end);
  return ranges;
}

TEST(LayerPlanTest, SplitsLayers) {
  EXPECT_THAT(Ranges("auto", 1, 30), ElementsAre(std::pair(0, 30)));
  EXPECT_THAT(Ranges("auto", 4, 30),
              ElementsAre(std::pair(0, 7), std::pair(7, 15), std::pair(15, 22), std::pair(22, 30)));
  EXPECT_EQ(Ranges("auto", 30, 30).back(), std::pair(29, 30));
  EXPECT_THAT(Ranges("0-12,12-30", 2, 30), ElementsAre(std::pair(0, 12), std::pair(12, 30)));
  for (const char* bad : {"0-12", "0-12,13-30", "0-0,0-30", "1-12,12-30", "0-12,12-31", "0-12-30,1", "a-b",
                          "", "0-1,1-2,2-30"}) {
    EXPECT_EQ(ParseSplit(bad, 2, 30).error().code, ErrorCode::kInvalidArgument) << bad;
  }
  EXPECT_THAT(ParseSplit("auto", 31, 30).error().message, HasSubstr("--stages is 31"));
}

TEST(LayerPlanTest, PlacesExits) {
  EXPECT_THAT(ParseExitLayers("auto", 30).value(), ElementsAre(15, 21, 24, 27));
  EXPECT_THAT(ParseExitLayers("auto", 2).value(), ElementsAre(1));
  EXPECT_THAT(ParseExitLayers("auto", 1).value(), IsEmpty());
  EXPECT_THAT(ParseExitLayers("none", 30).value(), IsEmpty());
  EXPECT_THAT(ParseExitLayers("21,15,15", 30).value(), ElementsAre(15, 21));
  for (const char* bad : {"0", "30", "x", "15,", ""})
    EXPECT_FALSE(ParseExitLayers(bad, 30).has_value()) << bad;
}

}  // namespace
}  // namespace exeunt
