#include "model/gguf_split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/testing/temp_dir.h"
#include "model/model_source.h"
#include "model/testing/gguf_writer.h"
#include "model/testing/random_model.h"

namespace exeunt {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class GgufSplit : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return temp_ / name; }

  // Two parts with a tensor each, changed by `change` before they are written.
  struct Parts {
    GgufWriter first;
    GgufWriter second;
  };
  std::string Write(const std::function<void(Parts*)>& change) const {
    Parts parts;
    parts.first.SetString("general.architecture", "llama");
    change(&parts);
    EXPECT_TRUE(parts.first.WriteTo(Path("m-00001-of-00002.gguf")));
    EXPECT_TRUE(parts.second.WriteTo(Path("m-00002-of-00002.gguf")));
    return Path("m-00001-of-00002.gguf");
  }
  static void Keys(GgufWriter* writer, uint16_t number, uint16_t count = 2, int32_t tensors = 2) {
    writer->SetUint16("split.no", number);
    writer->SetUint16("split.count", count);
    writer->SetInt32("split.tensors.count", tensors);
  }
  static void Tensor(GgufWriter* writer, const char* name) {
    writer->AddTensor(name, DType::kF32, {8}, std::vector<std::byte>(32));
  }
  static std::string ErrorOf(const std::string& path) {
    const auto files = OpenGgufFiles(path);
    return files ? "" : files.error().message;
  }

  const TempDir temp_;
};

TEST_F(GgufSplit, PartsAreTheModelThatTheWholeFileIs) {
  const RandomModelSpec spec{
      .n_layers = 3, .dtype = DType::kQ5_0, .embedding_dtype = DType::kIQ4_NL, .tied = false};
  ASSERT_TRUE(WriteRandomModel(spec, Path("whole.gguf")));
  const auto whole = ModelSource::Open(Path("whole.gguf"));
  ASSERT_TRUE(whole) << whole.error().message;
  for (const int parts : {1, 2, 3, 7, 11}) {
    const auto paths = WriteSplitRandomModel(spec, Path("split"), parts);
    ASSERT_TRUE(paths);
    const auto split = ModelSource::Open(paths->front());
    ASSERT_TRUE(split) << split.error().message;
    EXPECT_EQ((*split)->tensors().size(), (*whole)->tensors().size());
    EXPECT_EQ((*split)->ContentHash(), (*whole)->ContentHash()) << parts;
  }
}

TEST_F(GgufSplit, OnlyTheFirstPartIsOpened) {
  const auto paths = WriteSplitRandomModel({}, Path("m"), 3);
  ASSERT_TRUE(paths);
  EXPECT_EQ(ErrorOf((*paths)[0]), "");
  EXPECT_EQ(ErrorOf((*paths)[1]),
            (*paths)[1] + ": this is part 2 of 3; open the first part, '" + (*paths)[0] + "'");
  EXPECT_EQ(ErrorOf((*paths)[2]),
            (*paths)[2] + ": this is part 3 of 3; open the first part, '" + (*paths)[0] + "'");
}

TEST_F(GgufSplit, AMissingPartIsNamed) {
  const auto paths = WriteSplitRandomModel({}, Path("m"), 3);
  ASSERT_TRUE(paths);
  std::filesystem::remove((*paths)[1]);
  EXPECT_THAT(ErrorOf((*paths)[0]), StartsWith("part 2 of 3 of a split model: "));
  EXPECT_THAT(ErrorOf((*paths)[0]), HasSubstr((*paths)[1]));
}

TEST_F(GgufSplit, PartsInAnotherOrderAreRefused) {
  const auto paths = WriteSplitRandomModel({}, Path("m"), 3);
  ASSERT_TRUE(paths);
  std::filesystem::rename((*paths)[1], Path("kept"));
  std::filesystem::rename((*paths)[2], (*paths)[1]);
  std::filesystem::rename(Path("kept"), (*paths)[2]);
  EXPECT_EQ(ErrorOf((*paths)[0]), (*paths)[1] + ": metadata key 'split.no' is 2, expected 1");
}

TEST_F(GgufSplit, AnotherNameIsRefused) {
  const auto paths = WriteSplitRandomModel({}, Path("m"), 2);
  ASSERT_TRUE(paths);
  for (const char* name : {"model.gguf", "m-1-of-2.gguf", "m-00001-of-00003.gguf", "m-00002-of-00002.gguf"}) {
    std::filesystem::copy_file((*paths)[0], Path(name), std::filesystem::copy_options::overwrite_existing);
    EXPECT_THAT(ErrorOf(Path(name)),
                StartsWith(Path(name) + ": the file is part 1 of 2 by its keys 'split.no' and "
                                        "'split.count', so its name must end with "
                                        "'-00001-of-00002.gguf'"));
  }
}

TEST_F(GgufSplit, KeysThatContradictEachOtherAreNamed) {
  const std::string second = Path("m-00002-of-00002.gguf");
  const auto error = [&](const std::function<void(Parts*)>& change) { return ErrorOf(Write(change)); };
  const auto good = [](Parts* p) {
    Keys(&p->first, 0);
    Keys(&p->second, 1);
    Tensor(&p->first, "a");
    Tensor(&p->second, "b");
  };
  EXPECT_EQ(error(good), "");
  EXPECT_EQ(error([](Parts* p) {
              Keys(&p->first, 0);
              Keys(&p->second, 1, 3);
            }),
            second + ": metadata key 'split.count' is 3, expected 2 as in the first part");
  EXPECT_EQ(error([](Parts* p) {
              Keys(&p->first, 0);
              Keys(&p->second, 1);
              Tensor(&p->first, "same");
              Tensor(&p->second, "same");
            }),
            second + ": tensor 'same' is in an earlier part too");
  EXPECT_THAT(error([&](Parts* p) {
                good(p);
                Tensor(&p->second, "c");
              }),
              HasSubstr("'split.tensors.count' is 2, but the 2 parts have 3 tensors"));
  EXPECT_EQ(error([](Parts* p) { Keys(&p->first, 0); }),
            second + ": metadata key 'split.no' of a split model is missing");
  EXPECT_EQ(error([&](Parts* p) {
              good(p);
              p->second.SetString("general.architecture", "qwen2");
            }),
            second + ": metadata key 'general.architecture' is 'qwen2', not that of the first part");
  EXPECT_THAT(error([](Parts* p) { Keys(&p->first, 2); }), HasSubstr("'split.no' is 2, the limit is 0 to 1"));
  EXPECT_THAT(error([](Parts* p) { Keys(&p->first, 0, 2000); }),
              HasSubstr("'split.count' is 2000, the limit is"));
  EXPECT_THAT(error([](Parts* p) { p->first.SetString("split.count", "2"); }),
              HasSubstr("'split.count' is not an integer"));
  EXPECT_THAT(error([](Parts* p) { p->first.SetUint16("split.count", 2); }),
              HasSubstr("'split.no' of a split model"));
}

TEST(GgufModelName, IsTheStemWithoutThePart) {
  EXPECT_EQ(GgufModelName("/models/Qwen2.5-0.5B.gguf"), "Qwen2.5-0.5B");
  EXPECT_EQ(GgufModelName("Qwen2.5-0.5B-00001-of-00003.gguf"), "Qwen2.5-0.5B");
  EXPECT_EQ(GgufModelName("Qwen2.5-0001-of-00003.gguf"), "Qwen2.5-0001-of-00003");
  EXPECT_EQ(GgufModelName("-00001-of-00003.gguf"), "-00001-of-00003");
}

}  // namespace
}  // namespace exeunt
