#include "model/gguf.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "model/testing/gguf_writer.h"

namespace exeunt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A copy on the heap of the very size: ASan sees a read past the end.
struct File {
  explicit File(const std::string& text) {
    const auto source = std::as_bytes(std::span(text));
    bytes.assign(source.begin(), source.end());
  }
  std::vector<std::byte> bytes;
};

// The message of a failed parse; "" where it succeeded.
std::string ErrorOf(const std::string& text) {
  const File file(text);
  const auto contents = ParseGguf(file.bytes, "file.gguf");
  return contents ? "" : contents.error().message;
}

std::string U32(uint32_t v) { return {reinterpret_cast<const char*>(&v), 4}; }
std::string U64(uint64_t v) { return {reinterpret_cast<const char*>(&v), 8}; }

const std::vector<std::byte> kData(4 * 64, std::byte{7});

GgufWriter SmallFile() {
  GgufWriter writer;
  writer.SetString("general.architecture", "llama");
  writer.SetUint32("count", 42);
  writer.AddTensor("a", DType::kF32, {2, 32}, kData);
  return writer;
}

TEST(Gguf, ReadsEveryKindOfValue) {
  GgufWriter writer;
  writer.SetRaw("u8", 0, "\xFF");
  writer.SetRaw("i8", 1, "\xFF");
  writer.SetRaw("u16", 2, "\xFF\xFF");
  writer.SetRaw("i16", 3, "\xFE\xFF");
  writer.SetUint32("u32", 0xFFFFFFFF);
  writer.SetRaw("i32", 5, U32(0xFFFFFFFD));
  writer.SetFloat32("f32", 0.5F);
  writer.SetBool("yes", true);
  writer.SetBool("no", false);
  writer.SetString("text", "a b");
  writer.SetUint64("u64", 1ULL << 40);
  writer.SetRaw("i64", 11, U64(~0ULL));
  writer.SetRaw("f64", 12, U64(0x3FF8000000000000));
  writer.SetStrings("strings", {"x", "", "yz"});
  writer.SetInt32s("ints", {1, -2});
  writer.SetFloat32s("floats", {0.25F});
  writer.SetRaw("bools", 9, U32(7) + U64(2) + std::string("\0\1", 2));
  for (uint32_t version : {2U, 3U}) {
    const File file(writer.Build(version));
    const auto contents = ParseGguf(file.bytes, "file.gguf");
    ASSERT_TRUE(contents.has_value()) << contents.error().message;
    const GgufMetadata& m = contents->metadata;
    EXPECT_EQ(contents->version, version);
    EXPECT_EQ(m.size(), 17U);
    EXPECT_EQ(*FindGguf<int64_t>(m, "u8"), 255);
    EXPECT_EQ(*FindGguf<int64_t>(m, "i8"), -1);
    EXPECT_EQ(*FindGguf<int64_t>(m, "u16"), 65535);
    EXPECT_EQ(*FindGguf<int64_t>(m, "i16"), -2);
    EXPECT_EQ(*FindGguf<int64_t>(m, "u32"), 4294967295);
    EXPECT_EQ(*FindGguf<int64_t>(m, "i32"), -3);
    EXPECT_EQ(*FindGguf<double>(m, "f32"), 0.5);
    EXPECT_TRUE(*FindGguf<bool>(m, "yes"));
    EXPECT_FALSE(*FindGguf<bool>(m, "no"));
    EXPECT_EQ(*FindGguf<std::string>(m, "text"), "a b");
    EXPECT_EQ(*FindGguf<int64_t>(m, "u64"), 1LL << 40);
    EXPECT_EQ(*FindGguf<int64_t>(m, "i64"), -1);
    EXPECT_EQ(*FindGguf<double>(m, "f64"), 1.5);
    EXPECT_THAT(*FindGguf<std::vector<std::string>>(m, "strings"), ElementsAre("x", "", "yz"));
    EXPECT_THAT(*FindGguf<std::vector<int64_t>>(m, "ints"), ElementsAre(1, -2));
    EXPECT_THAT(*FindGguf<std::vector<double>>(m, "floats"), ElementsAre(0.25));
    EXPECT_THAT(*FindGguf<std::vector<bool>>(m, "bools"), ElementsAre(false, true));
  }
}

TEST(Gguf, TensorsHaveRowsFirstAndTheirOwnBytes) {
  GgufWriter writer;
  std::vector<std::byte> half(2 * 3 * 5, std::byte{1});
  std::vector<std::byte> q8(34 * 4, std::byte{2});
  writer.AddTensor("half", DType::kF16, {3, 5}, half);
  writer.AddTensor("q8", DType::kQ8_0, {2, 64}, q8);
  const File file(writer.Build());
  const auto contents = ParseGguf(file.bytes, "file.gguf");
  ASSERT_TRUE(contents.has_value()) << contents.error().message;
  ASSERT_EQ(contents->tensors.all().size(), 2U);
  const TensorView* const a = contents->tensors.Find("half");
  const TensorView* const b = contents->tensors.Find("q8");
  ASSERT_NE(a, nullptr);
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(contents->tensors.Find("other"), nullptr);
  EXPECT_EQ(a->dtype, DType::kF16);
  EXPECT_THAT(a->shape, ElementsAre(3, 5));
  EXPECT_TRUE(std::equal(a->bytes.begin(), a->bytes.end(), half.begin(), half.end()));
  EXPECT_EQ(b->dtype, DType::kQ8_0);
  EXPECT_THAT(b->shape, ElementsAre(2, 64));
  EXPECT_TRUE(std::equal(b->bytes.begin(), b->bytes.end(), q8.begin(), q8.end()));
}

TEST(Gguf, RefusesWhatIsNotGguf) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("file.gguf: offset 0: magic needs 4 bytes, the limit is 0"));
  EXPECT_THAT(ErrorOf("PK\3\4 and more text"), HasSubstr("not a GGUF file"));
  std::string file = SmallFile().Build();
  EXPECT_EQ(ErrorOf(file), "");
  file[4] = 1;
  EXPECT_THAT(ErrorOf(file), HasSubstr("GGUF version 1"));
  file.replace(4, 4, std::string("\0\0\0\3", 4));
  EXPECT_THAT(ErrorOf(file), HasSubstr("big-endian"));
}

// Every prefix of a file is an error, and none reads past its end.
TEST(Gguf, RefusesEveryTruncation) {
  const std::string file = SmallFile().Build();
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_THAT(ErrorOf(file.substr(0, size)), HasSubstr("file.gguf: ")) << size;
  }
}

TEST(Gguf, BoundsEveryCount) {
  std::string file = SmallFile().Build();
  file.replace(8, 8, U64(~0ULL));
  EXPECT_THAT(ErrorOf(file), HasSubstr("offset 8: 18446744073709551615 tensors, the limit is"));
  file = SmallFile().Build();
  file.replace(16, 8, U64(1ULL << 61));
  EXPECT_THAT(ErrorOf(file), HasSubstr("offset 16: 2305843009213693952 metadata pairs, the limit is"));
}

std::string ErrorOfPair(uint32_t type, const std::string& value) {
  GgufWriter writer;
  writer.SetRaw("some.key", type, value);
  return ErrorOf(writer.Build());
}

TEST(Gguf, RefusesHostileMetadata) {
  EXPECT_THAT(ErrorOfPair(13, U64(0)),
              HasSubstr("metadata key 'some.key': offset 40: value type 13, the limit is 12"));
  EXPECT_THAT(ErrorOfPair(7, "\2"), HasSubstr("bool 2"));
  EXPECT_THAT(ErrorOfPair(10, U64(1ULL << 63)),
              HasSubstr("'some.key': offset 44: value 9223372036854775808"));
  EXPECT_THAT(ErrorOfPair(8, U64(1ULL << 62)),
              HasSubstr("string of 4611686018427387904 bytes, the limit is"));
  EXPECT_THAT(ErrorOfPair(8, U64(1000)), HasSubstr("string needs 1000 bytes, the limit is"));
  EXPECT_THAT(ErrorOfPair(9, U32(9) + U64(1)), HasSubstr("array of arrays"));
  EXPECT_THAT(ErrorOfPair(9, U32(99) + U64(1)), HasSubstr("value type 99"));
  EXPECT_THAT(ErrorOfPair(9, U32(12) + U64(1ULL << 61)), HasSubstr("array of 2305843009213693952 elements"));
  EXPECT_THAT(ErrorOfPair(9, U32(10) + U64(2) + U64(0)), HasSubstr("array of 2 elements, the limit is 1"));
  EXPECT_THAT(ErrorOfPair(9, U32(8) + U64(2) + U64(0) + U64(~0ULL)),
              HasSubstr("'some.key': offset 64: string of"));

  GgufWriter twice;
  twice.SetUint32("k\n", 1);
  twice.SetUint32("k\n", 2);
  EXPECT_THAT(ErrorOf(twice.Build()), HasSubstr("metadata key 'k\\x0a': offset 42: the key is there twice"));
  GgufWriter empty;
  empty.SetUint32("", 1);
  EXPECT_THAT(ErrorOf(empty.Build()), HasSubstr("empty key"));
  GgufWriter overlong;
  overlong.SetUint32(std::string(70000, 'k'), 1);
  EXPECT_THAT(ErrorOf(overlong.Build()), HasSubstr("key of 70000 bytes, the limit is 65535"));
}

std::string ErrorOfTensor(uint32_t type, const std::vector<uint64_t>& dimensions, uint64_t offset) {
  GgufWriter writer;
  writer.AddTensor("first", DType::kF32, {2, 32}, kData);
  writer.AddRawTensor("t", type, dimensions, offset);
  writer.AddTensor("last", DType::kF32, {2, 32}, kData);
  return ErrorOf(writer.Build());
}

TEST(Gguf, RefusesHostileTensors) {
  EXPECT_THAT(ErrorOfTensor(0, {}, 0), HasSubstr("tensor 't': offset 78: 0 dimensions, the limit is 4"));
  EXPECT_THAT(ErrorOfTensor(0, {1, 1, 1, 1, 1}, 0), HasSubstr("5 dimensions"));
  EXPECT_THAT(ErrorOfTensor(0, {0, 4}, 0), HasSubstr("dimension 0 is 0"));
  EXPECT_THAT(ErrorOfTensor(0, {1ULL << 32, 1ULL << 32}, 0),
              HasSubstr("dimension 1 is 4294967296, the limit is"));
  EXPECT_THAT(ErrorOfTensor(0, {1ULL << 63, 2}, 0), HasSubstr("dimension 0 is 9223372036854775808"));
  EXPECT_THAT(ErrorOfTensor(4, {256}, 0), HasSubstr("element type Q4_2 (ggml's number 4) is not supported"));
  EXPECT_THAT(ErrorOfTensor(1234, {256}, 0), HasSubstr("unknown element type 1234; supported are F32, F16,"));
  EXPECT_THAT(ErrorOfTensor(12, {128, 2}, 0),
              HasSubstr("rows of 128 elements are not a multiple of Q4_K's block"));
  EXPECT_THAT(ErrorOfTensor(0, {8}, 8),
              HasSubstr("tensor 't': data offset 8 is not a multiple of the alignment 32"));
  EXPECT_THAT(ErrorOfTensor(0, {8}, 1ULL << 40),
              HasSubstr("tensor 't': 32 bytes at data offset 1099511627776"));
  EXPECT_THAT(ErrorOfTensor(0, {8}, ~31ULL), HasSubstr("tensor 't': 32 bytes at data offset"));
  EXPECT_THAT(ErrorOfTensor(0, {1ULL << 40}, 0), HasSubstr("4398046511104 bytes at data offset 0"));
  EXPECT_THAT(ErrorOfTensor(0, {8}, 32), HasSubstr("tensor 't': data offset 32 lies inside tensor 'first'"));

  GgufWriter twice;
  twice.AddTensor("t", DType::kF32, {2, 32}, kData);
  twice.AddTensor("t", DType::kF32, {2, 32}, kData);
  EXPECT_THAT(ErrorOf(twice.Build()), HasSubstr("tensor 't' is there twice"));
  GgufWriter overlong;
  overlong.AddTensor(std::string(300, 'n'), DType::kF32, {2, 32}, kData);
  EXPECT_THAT(ErrorOf(overlong.Build()),
              HasSubstr("tensor 0: offset 24: name of 300 bytes, the limit is 256"));
}

// ggml.h's list: a number is read, or its name is in the error, or nobody knows it.
TEST(Gguf, ReadsEveryTypeOfGgmlOrNamesIt) {
  const std::map<uint32_t, std::string> others = {
      {9, "Q8_1"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"},
      {21, "IQ3_S"}, {22, "IQ2_S"}, {24, "I8"},      {26, "I32"},    {29, "IQ1_M"},   {34, "TQ1_0"},
      {35, "TQ2_0"}, {39, "MXFP4"}, {40, "NVFP4"},   {41, "Q1_0"},   {42, "Q2_0"}};
  for (const auto& [number, name] : others) {
    EXPECT_THAT(ErrorOfTensor(number, {256}, 0),
                HasSubstr(fmt::format(
                    "tensor 't': element type {} (ggml's number {}) is not supported; supported are F32,",
                    name, number)));
  }
  for (DType type : kAllDTypes) {
    GgufWriter writer;
    writer.AddTensor("t", type, {1, 256}, std::vector<std::byte>(RowBytes(type, 256)));
    EXPECT_EQ(ErrorOf(writer.Build()), "") << Info(type).name;
  }
}

TEST(Gguf, ChecksTheAlignment) {
  for (uint32_t bad : {0U, 3U, 48U, 1U << 21}) {
    GgufWriter writer = SmallFile();
    writer.SetUint32("general.alignment", bad);
    EXPECT_THAT(ErrorOf(writer.Build()), HasSubstr("'general.alignment'")) << bad;
  }
  GgufWriter text = SmallFile();
  text.SetString("general.alignment", "32");
  EXPECT_THAT(ErrorOf(text.Build()), HasSubstr("'general.alignment': not an integer"));
  GgufWriter good = SmallFile();
  good.SetUint32("general.alignment", 8);
  EXPECT_EQ(ErrorOf(good.Build()), "");
}

// Random damage: whatever comes out, nothing crashes, and what is accepted lies inside the file.
TEST(Gguf, SurvivesRandomDamage) {
  std::mt19937 random(7);
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text = SmallFile().Build();
    for (int changes = 0; changes < 1 + i % 4; ++changes) text[random() % 160] = static_cast<char>(random());
    const File file(text);
    const auto contents = ParseGguf(file.bytes, "file.gguf");
    refused += contents ? 0 : 1;
    if (!contents) continue;
    for (const TensorView& t : contents->tensors.all()) {
      ASSERT_GE(t.bytes.data(), file.bytes.data());
      ASSERT_LE(t.bytes.data() + t.bytes.size(), file.bytes.data() + file.bytes.size());
    }
  }
  EXPECT_GT(refused, 5000);
  EXPECT_LT(refused, 19999);
}

}  // namespace
}  // namespace exeunt
