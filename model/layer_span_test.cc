#include "model/layer_span.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace exeunt {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(LayerSpanTest, PlacesExits) {
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
