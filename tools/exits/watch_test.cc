#include "tools/exits/watch.h"

#include <gtest/gtest.h>

namespace exeunt::tools {
namespace {

const std::string kModel(64, 'a');
const std::string kExits(64, 'b');

certify::Certificate Sample() {
  certify::Certificate c;
  c.name = "small";
  c.loss = "wer";
  c.model_hash = kModel;
  c.exits_hash = kExits;
  c.exit_layers = {8, 12};
  c.setting = {.mode = ExitMode::kPropagate, .measure = ExitMeasure::kPreview, .threshold = 0.9F};
  c.max_tokens = 12;
  return c;
}

SweepFile Swept() {
  SweepFile file;
  file.header = {kModel, kExits, kModel, 12, "8,12"};
  file.lines = {{"preview-0.9", 0, {true, "a b c d", {}}}, {"off", 0, {true, "a b c x", {}}},
                {"preview-0.5", 0, {true, "q", {}}},       {"off", 1, {true, "a b", {}}},
                {"preview-0.9", 1, {true, "a b", {}}},     {"preview-0.9", 2, {true, "no off yet", {}}}};
  return file;
}

TEST(WatchTest, LossesAreThoseOfTheCertificatesSettingAgainstOff) {
  const auto losses = WatchedLosses(Sample(), Swept());
  ASSERT_TRUE(losses.has_value()) << losses.error().message;
  EXPECT_EQ(*losses, (std::vector<double>{0.25, 0.0}));
}

TEST(WatchTest, ASweepOfSomethingElseIsRefused) {
  const auto error = [](const certify::Certificate& c, const SweepFile& sweep) {
    const auto losses = WatchedLosses(c, sweep);
    return losses.has_value() ? std::string() : losses.error().message;
  };
  SweepFile other = Swept();
  other.header.model_hash = kExits;
  EXPECT_EQ(error(Sample(), other), "model of the sweep: " + kExits + "; of certificate 'small': " + kModel);
  other = Swept();
  other.header.exit_layers = "8,16";
  EXPECT_EQ(error(Sample(), other), "exit layers of the sweep: 8,16; of certificate 'small': 8,12");
  other = Swept();
  other.header.max_tokens = 13;
  EXPECT_EQ(error(Sample(), other), "max_tokens of the sweep: 13; of certificate 'small': 12");
  certify::Certificate c = Sample();
  c.setting.threshold = 0.7F;
  EXPECT_EQ(error(c, Swept()), "no prompt has answers of both off and preview-0.7");
  c.loss = "custom";
  EXPECT_NE(error(c, Swept()).find("which nothing watches"), std::string::npos);
}

}  // namespace
}  // namespace exeunt::tools
