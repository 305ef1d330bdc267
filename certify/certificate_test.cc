#include "certify/certificate.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>

#include "base/write_file.h"

namespace exeunt::certify {
namespace {

using testing::HasSubstr;

Certificate Sample() {
  Certificate c;
  c.name = "restore-05";
  c.family = "restore";
  c.consistency = Consistency::kRisk;
  c.loss = "wer";
  c.bound = Bound::kWsr;
  c.delta = 0.05;
  c.epsilon = 0.05;
  c.n = 3000;
  c.seed = 7;
  c.data_hash = std::string(64, 'a');
  c.p_value = 0.012;
  c.mean_loss = 0.031;
  c.mean_layers = 14.5;
  c.mean_cost = 17.25;
  c.profile = {{8, 0.5F}, {12, 0.125F}};
  c.watch_delta = 0.12;
  c.model_hash = std::string(64, '0');
  c.exits_hash = std::string(64, 'f');
  c.weight_type = "Q8_0";
  c.backend = "cpu";
  c.exit_layers = {8, 12, 22};
  c.setting = {
      .mode = ExitMode::kPropagate, .measure = ExitMeasure::kPreview, .threshold = 0.9F, .min_layer = 8};
  c.setting.decay = ExitDecay{4.0F, 128};
  c.max_tokens = 140;
  c.stop = {"\n\n"};
  c.created = "2026-11-24";
  return c;
}

TEST(CertificateTest, RoundTrip) {
  const Certificate c = Sample();
  const auto back = ParseCertificate(ToJson(c));
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_EQ(ToJson(*back), ToJson(c));
  EXPECT_EQ(back->setting.threshold, 0.9F);
  EXPECT_EQ(back->setting.decay->n, 128);
  EXPECT_EQ(back->exit_layers, c.exit_layers);
  ASSERT_EQ(back->profile.size(), 2U);
  EXPECT_EQ(back->profile[1].layer, 12);
  EXPECT_EQ(back->profile[1].probability, 0.125F);
}

TEST(CertificateTest, HoldsForWhatItWasTestedWith) {
  const Certificate c = Sample();
  const ServedExits served{c.model_hash, c.exits_hash, "cpu", c.exit_layers, 140};
  EXPECT_TRUE(HoldsFor(c, served));
  const auto why = [&](const auto& change) {
    ServedExits other = served;
    change(&other);
    const Status holds = HoldsFor(c, other);
    return holds ? "holds" : holds.error().message;
  };
  EXPECT_THAT(why([](ServedExits* s) { s->model_hash = "m"; }), HasSubstr("served are m"));
  EXPECT_THAT(why([](ServedExits* s) { s->exits_hash = "e"; }), HasSubstr("served are e"));
  EXPECT_THAT(why([](ServedExits* s) { s->backend = "cuda"; }), HasSubstr("this is cuda"));
  EXPECT_THAT(why([](ServedExits* s) {
                s->exit_layers = {8, 12};
              }),
              HasSubstr("8, 12, 22, here they are after 8, 12"));
  EXPECT_THAT(why([](ServedExits* s) { s->max_tokens = 139; }),
              HasSubstr("up to 140 tokens, this server gives at most 139"));
}

TEST(CertificateTest, EveryKeyIsNeededAndHeldToItsLimits) {
  const boost::json::object whole = boost::json::parse(ToJson(Sample())).as_object();
  for (const auto& [key, value] : whole) {
    boost::json::object less = whole;
    less.erase(key);
    const auto parsed = ParseCertificate(boost::json::serialize(less));
    ASSERT_FALSE(parsed.has_value()) << std::string(key);
    EXPECT_NE(parsed.error().message.find(fmt::format("'{}'", std::string_view(key))), std::string::npos)
        << parsed.error().message;
  }
  const std::pair<const char*, boost::json::value> wrong[] = {
      {"format", 2},
      {"name", "a b"},
      {"family", "../x"},
      {"consistency", "both"},
      {"loss", "bleu"},
      {"bound", "t-test"},
      {"delta", 0},
      {"epsilon", 1},
      {"n", 0},
      {"seed", -1},
      {"data", "abc"},
      {"p_value", 1.5},
      {"mean_loss", 2},
      {"mean_layers", -1},
      {"mean_cost", "3"},
      {"watch_delta", 0},
      {"model", "A"},
      {"exits", 3},
      {"mode", "fast"},
      {"measure", ""},
      {"threshold", 1.5},
      {"min_layer", -1},
      {"decay", "flat"},
      {"exit_layers", 8},
      {"temperature", 3},
      {"top_p", 2},
      {"top_k", -1},
      {"max_tokens", 0},
      {"stop", "x"},
      {"weight_type", 1},
      {"backend", nullptr},
      {"created", 2026},
      {"colour", "blue"},
      {"profile", 8},
      {"profile", {{"x", 0.5}}},
      {"profile", {{"12", 0.5}, {"8", 0.1}}},
      {"profile", {{"8", 0.5}, {"12", 0.6}}},
      {"profile", {{"8", -0.1}}},
  };
  for (const auto& [key, value] : wrong) {
    boost::json::object changed = whole;
    changed[key] = value;
    const auto parsed = ParseCertificate(boost::json::serialize(changed));
    ASSERT_FALSE(parsed.has_value()) << key;
    EXPECT_NE(parsed.error().message.find(fmt::format("'{}'", key)), std::string::npos)
        << parsed.error().message;
  }
}

TEST(CertificateTest, LoadsADirectoryAndRefusesANameThatIsThereTwice) {
  const auto directory = std::filesystem::temp_directory_path() / ("exeunt-cert-" + std::to_string(getpid()));
  std::filesystem::create_directories(directory / "certificates");
  EXPECT_TRUE(LoadCertificates("/nonexistent")->empty());
  const auto write = [&](const char* file, const std::string& text) {
    ASSERT_TRUE(WriteFile((directory / "certificates" / file).string(), text).has_value());
  };
  write("b.json", ToJson(Sample()));
  write("notes.txt", "not a certificate");
  EXPECT_EQ(LoadCertificates(directory.string())->size(), 1U);
  write("a.json", ToJson(Sample()));
  EXPECT_NE(LoadCertificates(directory.string()).error().message.find("twice"), std::string::npos);
  write("a.json", "{");
  EXPECT_NE(LoadCertificates(directory.string()).error().message.find("a.json"), std::string::npos);
  std::filesystem::remove_all(directory);
}

TEST(CertificateTest, AFamilysNameStandsForItsFastestAndItsMembersWereTestedTogether) {
  const auto directory =
      std::filesystem::temp_directory_path() / ("exeunt-family-" + std::to_string(getpid()));
  std::filesystem::create_directories(directory / "certificates");
  const auto load = [&](const std::vector<Certificate>& certificates) {
    for (const Certificate& c : certificates) {
      EXPECT_TRUE(
          WriteFile((directory / "certificates" / (c.name + ".json")).string(), ToJson(c)).has_value());
    }
    return LoadCertificates(directory.string());
  };
  Certificate slow = Sample(), fast = Sample();
  fast.name = "restore-softmax";
  fast.setting.measure = ExitMeasure::kSoftmax;
  fast.mean_layers = 15;  // more layers, and fewer heads
  fast.mean_cost = 16;
  const auto both = load({slow, fast});
  ASSERT_TRUE(both.has_value()) << both.error().message;
  EXPECT_EQ(FindCertificate(*both, "restore")->name, "restore-softmax");
  EXPECT_EQ(FindCertificate(*both, "restore-05")->name, "restore-05");
  EXPECT_EQ(FindCertificate(*both, "other"), nullptr);
  fast.data_hash = std::string(64, 'b');
  EXPECT_NE(load({fast}).error().message.find("were not tested together"), std::string::npos);
  fast.family.clear();
  EXPECT_TRUE(load({fast}).has_value());
  Certificate confusing = Sample();
  confusing.name = "restore";
  confusing.family.clear();
  EXPECT_NE(load({confusing}).error().message.find("name of a certificate and of a family"),
            std::string::npos);
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace exeunt::certify
