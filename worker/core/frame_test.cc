#include "worker/core/testing/stage_fixture.h"

namespace exeunt::worker {
namespace {

class FrameTest : public testing::Test {
 protected:
  void Refuse(const Row& row, const std::string& why) {
    EncodeFrame({7, 1, {row}, {}}, &bytes_);
    Refuse(why);
  }
  // The bytes as they are.
  void Refuse(const std::string& why) {
    const Status bad = DecodeFrame(bytes_, kLimits, &decoded_);
    ASSERT_FALSE(bad.has_value()) << why;
    EXPECT_NE(bad.error().message.find(why), std::string::npos) << bad.error().message;
  }
  Row RoundTrip(const Row& row) {
    EncodeFrame({7, 1, {row}, {}}, &bytes_);
    const Status status = DecodeFrame(bytes_, kLimits, &decoded_);
    EXPECT_TRUE(status.has_value()) << status.error().message;
    return decoded_.rows.at(0);
  }
  std::vector<std::byte> bytes_;
  Frame decoded_ = OpenFrame(9);  // is replaced
};

TEST_F(FrameTest, SurvivesTheWireAndRefusesWhatIsDamaged) {
  Frame frame = OpenFrame(3);
  frame.rows.push_back(RowAt(3, 2, RowPlan::Left(ExitMode::kPropagate, 6, 8)));
  EncodeFrame(frame, &bytes_);
  const Status status = DecodeFrame(bytes_, kLimits, &decoded_);
  ASSERT_TRUE(status.has_value()) << status.error().message;
  EXPECT_EQ(decoded_.rows.size(), 2U);
  EXPECT_EQ(std::get<StateRow>(decoded_.rows[1]).plan.run_to, 6);
  EXPECT_EQ(decoded_.opens.at(0).prompt, Spec(3).prompt);
  EXPECT_EQ(decoded_.state_rows(), 1U);
  for (size_t cut = 0; cut < bytes_.size(); ++cut) {
    EXPECT_FALSE(DecodeFrame(std::span(bytes_).first(cut), kLimits, &decoded_).has_value()) << cut;
  }
  StateRow row = RowAt(3, 257, kPrompt);
  Refuse(row, "position 257 is outside [0, 256]");
  row = RowAt(3, 2, kPrompt);
  row.token = 100;
  Refuse(row, "token 100 is outside [0, 100)");
  Refuse(ControlRow{.kind = ControlKind::kToken, .token = 1, .exit_layer = 9},
         "exit layer 9 is outside [0, 8]");
  Refuse(ControlRow{.kind = static_cast<ControlKind>(77)}, "kind 77 is unknown");
}

TEST_F(FrameTest, EveryPlanSurvivesTheWire) {
  for (const RowPlan& plan : {kPrompt, kLive, kFill, RowPlan::Scored(8),
                              RowPlan::Left(ExitMode::kExact, 2, 8), RowPlan::Replayed(6, 8)}) {
    StateRow row = RowAt(3, 2, plan, 4);
    row.want_logits = true;
    const auto decoded = std::get<StateRow>(RoundTrip(row));
    EXPECT_EQ(decoded.plan, plan);
    EXPECT_EQ(decoded.generation, 4U);
    EXPECT_EQ(decoded.token, 10);
    EXPECT_EQ(decoded.draft, -1);
    EXPECT_TRUE(decoded.want_logits);
  }
}

// What mode `verify` needs has its place: the draft, and the token that corrects it.
TEST_F(FrameTest, ADraftAndACorrectedTokenSurviveTheWire) {
  StateRow row = RowAt(3, 2, RowPlan::Left(ExitMode::kVerify, 2, 8));
  Refuse(row, "draft -1 is outside [0, 100)");
  row.draft = 42;
  EXPECT_EQ(std::get<StateRow>(RoundTrip(row)).draft, 42);
  row.draft = 100;
  Refuse(row, "draft 100 is outside [0, 100)");
  row = RowAt(3, 2, kLive);
  row.draft = 42;
  Refuse(row, "draft 42 is outside [-1, -1]");

  const auto rollback = std::get<ControlRow>(
      RoundTrip(ControlRow{ControlKind::kRollback, 3, 5, 2, /*token=*/42, /*exit_layer=*/8}));
  EXPECT_EQ(rollback.generation, 5U);
  EXPECT_EQ(rollback.token, 42);
  EXPECT_EQ(rollback.exit_layer, 8);
  EXPECT_EQ(std::get<ControlRow>(RoundTrip(ControlRow{ControlKind::kRollback, 3, 5, 2})).token, -1);
  Refuse(ControlRow{ControlKind::kRollback, 3, 5, 2, 100}, "token 100 is outside [0, 100)");
}

TEST_F(FrameTest, APlanIsHeldToTheModelsLayers) {
  Refuse(RowAt(3, 2, {9, 9, HeadUse::kNone, false}), "row plan run_to 9 is outside [1, 8]");
  Refuse(RowAt(3, 2, {6, 9, HeadUse::kNone, false}), "row plan fill_to 9 is outside [6, 8]");
  Refuse(RowAt(3, 2, {6, 8, HeadUse::kDraw, true}), "row plan head 1 needs run_to 8, not 6");
}

TEST_F(FrameTest, AFieldThatARowHasNoUseForIsEmpty) {
  Refuse(ControlRow{.kind = ControlKind::kClose, .token = 1}, "token 1 is outside [-1, -1]");
  Refuse(ControlRow{.kind = ControlKind::kClose, .exit_layer = 1}, "exit layer 1 is outside [0, 0]");
  Refuse(ControlRow{.kind = ControlKind::kToken}, "token -1 is outside [0, 100)");
  constexpr size_t kHeader = 32;
  const auto damage = [&](const Row& row, size_t offset, const std::string& why) {
    EncodeFrame({7, 1, {row}, {}}, &bytes_);
    bytes_.at(kHeader + offset) = std::byte{0x40};
    Refuse(why);
  };
  const ControlRow close{ControlKind::kClose, 3};
  damage(close, 20, "draft -192 is outside [-1, -1]");
  damage(close, 24, "run_to 64 is outside [0, 0]");
  damage(close, 26, "fill_to 64 is outside [0, 0]");
  damage(close, 31, "flags 64 is outside [0, 0]");
  const StateRow prompt = RowAt(3, 2, kPrompt);
  damage(prompt, 28, "exit layer 64 is outside [0, 0]");
  damage(prompt, 31, "flags 0x40 are not in 0xf");
}

TEST_F(FrameTest, AnotherVersionIsRefusedByName) {
  EncodeFrame(OpenFrame(3), &bytes_);
  bytes_.at(4) = std::byte{1};
  Refuse("frame version 1 is not 2");
  bytes_.at(4) = std::byte{2};
  bytes_.at(6) = std::byte{1};
  Refuse("frame reserved field 1 is not 0");
}

}  // namespace
}  // namespace exeunt::worker
