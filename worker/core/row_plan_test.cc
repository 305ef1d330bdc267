// Every preset of a row's plan, and every question that the stage asks of it.
#include "worker/core/row_plan.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace exeunt::worker {
namespace {

constexpr int kLayers = 8;
constexpr LayerSpan kBefore{0, 2};   // before the exit after layer 4
constexpr LayerSpan kBehind{4, 8};   // behind it
constexpr LayerSpan kNowhere{8, 8};  // behind the last layer

struct Preset {
  const char* name;
  RowPlan plan;
  RowPlan fields;  // as the design's table has them
  bool answers, scores, may_exit;
  bool head_at_exit, head_at_end;
  bool runs_before, fills_before, ends_before;  // the exit
  bool runs_behind, fills_behind;
};

const std::vector<Preset>& Presets() {
  constexpr auto kNone = HeadUse::kNone;
  static const std::vector<Preset> presets = {
      // clang-format off
      //                                                                   answers scores may_exit |head at exit, end| before: runs fills ends| behind: runs fills
      {"prompt",   RowPlan::Prompt(8),                     {8, 8, kNone, false},
       false, false, false,   false, false,   true, false, false,   true, false},
      {"live",     RowPlan::Live(8),                       {8, 8, HeadUse::kDraw, true},
       true, false, true,     false, true,    true, false, false,   true, false},
      {"scored",   RowPlan::Scored(8),                     {8, 8, HeadUse::kScore, false},
       false, true, false,    false, true,    true, false, false,   true, false},
      {"left, propagate", RowPlan::Left(ExitMode::kPropagate, 4, 8), {4, 8, kNone, false},
       false, false, false,   false, false,   true, false, false,   false, true},
      {"left, exact",     RowPlan::Left(ExitMode::kExact, 4, 8),     {8, 8, kNone, false},
       false, false, false,   false, false,   true, false, false,   true, false},
      {"left, verify",    RowPlan::Left(ExitMode::kVerify, 4, 8),    {8, 8, HeadUse::kCompare, false},
       false, false, false,   false, true,    true, false, false,   true, false},
      {"replayed",        RowPlan::Replayed(4, 8),                   {4, 8, kNone, false},
       false, false, false,   false, false,   true, false, false,   false, true},
      // clang-format on
  };
  return presets;
}

TEST(RowPlanTest, EveryPresetAnswersEveryQuestionAsTheTableSays) {
  for (const Preset& p : Presets()) {
    SCOPED_TRACE(p.name);
    EXPECT_EQ(p.plan, p.fields);
    EXPECT_EQ(p.plan.Answers(), p.answers);
    EXPECT_EQ(p.plan.Scores(), p.scores);
    EXPECT_EQ(p.plan.MayExit(), p.may_exit);
    EXPECT_EQ(p.plan.WantsHead(4), p.head_at_exit);
    EXPECT_EQ(p.plan.WantsHead(kLayers), p.head_at_end);
    EXPECT_EQ(p.plan.RunsIn(kBefore), p.runs_before);
    EXPECT_EQ(p.plan.FillsIn(kBefore), p.fills_before);
    EXPECT_EQ(p.plan.EndsAt(4), p.ends_before);
    EXPECT_EQ(p.plan.RunsIn(kBehind), p.runs_behind);
    EXPECT_EQ(p.plan.FillsIn(kBehind), p.fills_behind);
    EXPECT_FALSE(p.plan.RunsIn(kNowhere));
    EXPECT_FALSE(p.plan.FillsIn(kNowhere));
    EXPECT_TRUE(p.plan.EndsAt(kLayers));
    EXPECT_TRUE(CheckPlan(p.plan, kLayers).has_value());
  }
}

// What later features may ask for needs no new branch: a prompt that stops early is a value, too.
TEST(RowPlanTest, APromptThatStopsEarlyRunsAndFillsNothingBehind) {
  constexpr RowPlan kEarly{4, 4, HeadUse::kNone, false};
  EXPECT_TRUE(kEarly.RunsIn(kBefore));
  EXPECT_FALSE(kEarly.RunsIn(kBehind));
  EXPECT_FALSE(kEarly.FillsIn(kBehind));
  EXPECT_TRUE(kEarly.EndsAt(4));
  EXPECT_FALSE(kEarly.EndsAt(2));
  EXPECT_TRUE(CheckPlan(kEarly, kLayers).has_value());
}

TEST(RowPlanTest, APlanFromOutsideIsHeldToTheModel) {
  const auto refuse = [](const RowPlan& plan, const std::string& why) {
    const Status status = CheckPlan(plan, kLayers);
    ASSERT_FALSE(status.has_value()) << why;
    EXPECT_EQ(status.error().message, why);
  };
  refuse({0, 8, HeadUse::kNone, false}, "row plan run_to 0 is outside [1, 8]");
  refuse({9, 9, HeadUse::kNone, false}, "row plan run_to 9 is outside [1, 8]");
  refuse({-1, 8, HeadUse::kNone, false}, "row plan run_to -1 is outside [1, 8]");
  refuse({4, 3, HeadUse::kNone, false}, "row plan fill_to 3 is outside [4, 8]");
  refuse({4, 9, HeadUse::kNone, false}, "row plan fill_to 9 is outside [4, 8]");
  refuse({8, 8, static_cast<HeadUse>(4), false}, "row plan head 4 is outside [0, 3]");
  refuse({4, 8, HeadUse::kDraw, true}, "row plan head 1 needs run_to 8, not 4");
  refuse({8, 8, HeadUse::kScore, true}, "row plan may_exit needs head 1, not 2");
}

}  // namespace
}  // namespace exeunt::worker
