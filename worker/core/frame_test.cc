#include "worker/core/testing/stage_fixture.h"

namespace exeunt {
namespace {

TEST(FrameTest, SurvivesTheWireAndRefusesWhatIsDamaged) {
  Frame frame = OpenFrame(3);
  frame.rows.push_back(StateRow(3, 2, RowKind::kFill));
  frame.rows.back().exit_layer = 6;
  std::vector<std::byte> bytes;
  EncodeFrame(frame, &bytes);
  Frame decoded = OpenFrame(9);  // is replaced
  const Status status = DecodeFrame(bytes, kLimits, &decoded);
  ASSERT_TRUE(status.has_value()) << status.error().message;
  EXPECT_EQ(decoded.rows.size(), 2U);
  EXPECT_EQ(decoded.rows[1].exit_layer, 6);
  EXPECT_EQ(decoded.opens.at(0).prompt, Spec(3).prompt);
  EXPECT_EQ(decoded.state_rows(), 1U);
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_FALSE(DecodeFrame(std::span(bytes).first(cut), kLimits, &decoded).has_value()) << cut;
  }
  const auto refuse = [&](FrameRow row, const char* why) {
    EncodeFrame({7, 1, {row}, {}}, &bytes);
    const Status bad = DecodeFrame(bytes, kLimits, &decoded);
    ASSERT_FALSE(bad.has_value());
    EXPECT_NE(bad.error().message.find(why), std::string::npos) << bad.error().message;
  };
  refuse({.position = 257, .token = 1}, "position 257 is outside [0, 256]");
  refuse({.token = 100}, "token 100 is outside [0, 100)");
  refuse({.token = 1, .exit_layer = 9}, "exit layer 9 is outside [0, 8]");
  refuse({.token = 1, .kind = static_cast<RowKind>(77)}, "kind 77 is unknown");
}

}  // namespace
}  // namespace exeunt
