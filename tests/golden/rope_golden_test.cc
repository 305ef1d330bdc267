// RoPE scaling in every spelling of a config.json (rope_goldens.py): logits by transformers, contexts by
// vLLM's rule.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/testing/temp_dir.h"
#include "tests/golden/golden_expect.h"

namespace exeunt {
namespace {

namespace json = boost::json;

const std::string kData = std::string(EXEUNT_SOURCE_DIR) + "/tests/golden/data/";

json::object ReadJson(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return json::parse(text.str()).as_object();
}

// The base checkpoint with some keys of its config.json replaced; null removes one.
std::shared_ptr<const ModelSource> OpenWith(const json::object& keys, const ModelOverrides& overrides = {}) {
  const TempDir temp;
  json::object config = ReadJson(kData + "hf/hf_qwen3/config.json");
  for (const auto& [key, value] : keys) {
    if (value.is_null()) {
      config.erase(key);
    } else {
      config[key] = value;
    }
  }
  std::ofstream(temp / "config.json") << json::serialize(config);
  std::filesystem::create_symlink(kData + "hf/hf_qwen3/model.safetensors", temp / "model.safetensors");
  auto source = ModelSource::Open(temp.path(), {}, overrides);
  CHECK_MSG(source.has_value(), "{}: {}", json::serialize(keys), source.error().message);
  return *source;
}

class RopeGolden : public testing::TestWithParam<const char*> {};

TEST_P(RopeGolden, EverySpellingGivesTheLogitsAndTheContext) {
  const std::string name = std::string("rope/") + GetParam();
  const Golden golden = LoadGolden(name);
  const json::object file = ReadJson(kData + name + ".json");
  const json::array& spellings = file.at("spellings").as_array();
  ASSERT_GE(spellings.size(), 3U);
  for (const json::value& spelling : spellings) {
    const auto source = OpenWith(spelling.as_object());
    EXPECT_EQ(source->config().context_length, file.at("context").as_int64()) << spelling;
    Engine engine(source, Weights::kF32);
    ExpectWithin(Difference(golden, &engine), LimitOf(golden, Weights::kF32), json::serialize(spelling));
  }
}

INSTANTIATE_TEST_SUITE_P(All, RopeGolden,
                         testing::Values("theta", "linear", "llama3", "yarn", "yarn_betas",
                                         "yarn_attention_factor", "yarn_mscale"),
                         [](const auto& info) { return std::string(info.param); });

// The test can fail: scalings that differ by one number are outside of the limits.
TEST(RopeGolden, TellsASlightlyDifferentScaling) {
  const Golden golden = LoadGolden("rope/yarn_betas");
  const auto rms = [&](const char* scaling) {
    Engine engine(OpenWith({{"rope_scaling", json::parse(scaling)}}), Weights::kF32);
    return Difference(golden, &engine).rms;
  };
  const double limit = LimitOf(golden, Weights::kF32).rms;
  constexpr const char* kRight =
      R"({"type":"yarn","factor":4,"original_max_position_embeddings":64,"beta_fast":16,"beta_slow":2})";
  EXPECT_LE(rms(kRight), limit);
  for (
      const char* wrong :
      {R"({"type":"yarn","factor":4.1,"original_max_position_embeddings":64,"beta_fast":16,"beta_slow":2})",
       R"({"type":"yarn","factor":4,"original_max_position_embeddings":128,"beta_fast":16,"beta_slow":2})",
       R"({"type":"yarn","factor":4,"original_max_position_embeddings":64})",
       R"({"type":"yarn","factor":4,"original_max_position_embeddings":64,"beta_fast":16,"beta_slow":2,"truncate":false})",
       R"({"type":"yarn","factor":4,"original_max_position_embeddings":64,"beta_fast":16,"beta_slow":2,"extrapolation_factor":0.9})",
       R"({"type":"yarn","factor":4,"original_max_position_embeddings":64,"beta_fast":16,"beta_slow":2,"attn_factor":1.01})"}) {
    EXPECT_GT(rms(wrong), limit) << wrong;
  }
}

// What an operator says replaces what the file says.
TEST(RopeOverride, GivesWhatTheFileWouldHaveGiven) {
  const Golden golden = LoadGolden("rope/yarn");
  ModelOverrides overrides;
  overrides.rope_scaling = R"({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64})";
  const auto source = OpenWith({}, overrides);  // its own is linear
  EXPECT_EQ(source->config().context_length, 256);
  Engine engine(source, Weights::kF32);
  ExpectWithin(Difference(golden, &engine), LimitOf(golden, Weights::kF32), "override");
  // Exits are bound to a model with its scaling.
  EXPECT_NE(source->ContentHash(), OpenWith({})->ContentHash());
  EXPECT_EQ(OpenWith({}, {.rope_scaling = "", .context_length = 99})->ContentHash(),
            OpenWith({})->ContentHash());
}

}  // namespace
}  // namespace exeunt
