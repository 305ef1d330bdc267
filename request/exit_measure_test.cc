#include "request/exit_measure.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace exeunt {
namespace {

TEST(ExitMeasureTest, EveryMeasureHasARowInItsPlaceAndANameOfItsOwn) {
  std::set<std::string> names;
  for (size_t i = 0; i < kExitMeasures.size(); ++i) {
    const ExitMeasureInfo& info = kExitMeasures[i];
    EXPECT_EQ(static_cast<size_t>(info.measure), i) << info.name;
    EXPECT_EQ(ExitMeasureOf(info.name), info.measure);
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
  }
  EXPECT_FALSE(ExitMeasureOf("colour").has_value());
  EXPECT_FALSE(ExitMeasureOf("").has_value());
  EXPECT_FALSE(IsExitMeasure(static_cast<ExitMeasure>(kExitMeasures.size())));
}

TEST(ExitMeasureTest, RowsAgreeWithThemselves) {
  for (const ExitMeasureInfo& info : kExitMeasures) {
    if (info.gives_token) {
      EXPECT_EQ(info.signal, SignalSource::kSegment) << info.name;
    }
    if (info.needs != ExitArtefact::kNone) {
      EXPECT_EQ(info.signal, SignalSource::kSegment) << info.name;
    }
    if (info.per_prompt) {
      EXPECT_TRUE(info.gives_token) << info.name;
    }
  }
}

}  // namespace
}  // namespace exeunt
