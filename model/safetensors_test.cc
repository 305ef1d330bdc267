#include "model/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/testing/temp_dir.h"
#include "model/safetensors_writer.h"

namespace exeunt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string ErrorOf(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  const std::vector<std::byte> file(bytes.begin(), bytes.end());  // of the very size, for ASan
  const auto tensors = ParseSafetensors(file, "f.safetensors");
  return tensors ? "" : tensors.error().message;
}

// One tensor's description, over 16 bytes of data.
std::string ErrorOfEntry(const std::string& entry) {
  return ErrorOf(SafetensorsWriter::BuildRaw(R"({"w":)" + entry + "}", std::string(16, 'x')));
}

std::vector<std::byte> Bytes(std::initializer_list<uint8_t> values) {
  std::vector<std::byte> bytes;
  for (uint8_t v : values) bytes.push_back(static_cast<std::byte>(v));
  return bytes;
}

TEST(Safetensors, OpensAFile) {
  SafetensorsWriter writer;
  writer.AddTensor("b", DType::kBF16, {1, 3}, Bytes({1, 2, 3, 4, 5, 6}));
  writer.AddTensor("a", DType::kF32, {}, Bytes({7, 8, 9, 10}));
  writer.AddTensor("none", DType::kF16, {0, 4}, {});
  writer.AddTensor("h", DType::kF16, {2}, Bytes({11, 12, 13, 14}));
  const TempDir temp;
  const std::string path = temp / "f.safetensors";
  ASSERT_TRUE(writer.WriteTo(path).has_value());
  const auto opened = SafetensorsFile::Open(path);
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  const SafetensorsFile& file = **opened;
  EXPECT_EQ(file.tensors().size(), 4U);
  const TensorView* const b = file.Find("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->dtype, DType::kBF16);
  EXPECT_THAT(b->shape, ElementsAre(1, 3));
  EXPECT_EQ(std::vector(b->bytes.begin(), b->bytes.end()), Bytes({1, 2, 3, 4, 5, 6}));
  const TensorView* const h = file.Find("h");
  ASSERT_NE(h, nullptr);
  EXPECT_EQ(h->dtype, DType::kF16);
  EXPECT_EQ(std::vector(h->bytes.begin(), h->bytes.end()), Bytes({11, 12, 13, 14}));
  ASSERT_NE(file.Find("a"), nullptr);
  EXPECT_TRUE(file.Find("a")->shape.empty());
  EXPECT_EQ(file.Find("c"), nullptr);
}

TEST(Safetensors, ReadsFiniteNumbersOfTheShapeThatIsAskedFor) {
  SafetensorsWriter writer;
  writer.AddTensor("good", DType::kBF16, {1, 2}, Bytes({0x80, 0x3F, 0x00, 0xC0}));
  writer.AddTensor("bad", DType::kBF16, {2}, Bytes({0x80, 0x3F, 0x80, 0x7F}));
  const TempDir temp;
  const std::string path = temp / "f.safetensors";
  ASSERT_TRUE(writer.WriteTo(path).has_value());
  const auto file = SafetensorsFile::Open(path).value();
  EXPECT_THAT(file->ReadFloats("good", {1, 2}).value(), ElementsAre(1.0F, -2.0F));
  EXPECT_EQ(file->ReadFloats("good", {2}).error().message, "tensor 'good' has shape [1, 2], not [2]");
  EXPECT_EQ(file->ReadFloats("bad", {2}).error().message, "tensor 'bad': element 1 is inf");
  EXPECT_EQ(file->ReadFloats("none", {2}).error().message, "tensor 'none' is missing");
}

TEST(Safetensors, MetadataAndPaddingAreIgnored) {
  EXPECT_EQ(ErrorOf(SafetensorsWriter::BuildRaw(R"({"__metadata__":{"format":"pt"}}     )", "")), "");
}

TEST(Safetensors, ErrorsNameTheTensorAndTheLimit) {
  EXPECT_EQ(ErrorOfEntry(R"({"dtype":"F32","shape":[2,2],"data_offsets":[0,16]})"), "");
  EXPECT_THAT(ErrorOfEntry(R"({"dtype":"I64","shape":[2],"data_offsets":[0,16]})"),
              HasSubstr("f.safetensors: tensor 'w': dtype \"I64\" is not supported"));
  EXPECT_THAT(ErrorOfEntry(R"({"dtype":3,"shape":[2],"data_offsets":[0,16]})"), HasSubstr("dtype 3"));
  EXPECT_THAT(ErrorOfEntry(R"({"dtype":"F32","shape":[2,2],"data_offsets":[0,20]})"),
              HasSubstr("tensor 'w': data offsets 0 to 20, the limit is 16"));
  EXPECT_THAT(ErrorOfEntry(R"({"dtype":"F32","shape":[2,2],"data_offsets":[8,0]})"),
              HasSubstr("data offsets 8 to 0"));
  EXPECT_THAT(ErrorOfEntry(R"({"dtype":"F32","shape":[2,3],"data_offsets":[0,16]})"), HasSubstr("needs 24"));
  EXPECT_THAT(ErrorOfEntry(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,16]})"),
              HasSubstr("dimension 4294967296, the limit is 65536"));
  EXPECT_THAT(ErrorOfEntry(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,16]})"),
              HasSubstr("dimension is -1"));
  EXPECT_THAT(ErrorOfEntry(R"({"dtype":"F32","shape":[1.5],"data_offsets":[0,16]})"),
              HasSubstr("dimension is"));
  EXPECT_THAT(ErrorOfEntry(R"({"dtype":"F32","shape":[1,1,1,1,1,1,1,1,4],"data_offsets":[0,16]})"),
              HasSubstr("not an array of at most 8"));
  EXPECT_THAT(ErrorOfEntry(R"({"dtype":"F32","shape":4,"data_offsets":[0,16]})"), HasSubstr("shape is 4"));
  EXPECT_THAT(ErrorOfEntry(R"({"dtype":"F32","shape":[4],"data_offsets":[0,16,32]})"),
              HasSubstr("not a pair"));
  EXPECT_THAT(ErrorOfEntry(R"({"dtype":"F32","shape":[4],"data_offsets":[0,18446744073709551615]})"),
              HasSubstr("data offset is 18446744073709551615"));
  EXPECT_THAT(ErrorOfEntry(R"({"dtype":"F32","shape":[4]})"), HasSubstr("the keys are not"));
  EXPECT_THAT(ErrorOfEntry("[]"), HasSubstr("tensor 'w': [] is not an object"));
}

TEST(Safetensors, RefusesHostileHeaders) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("offset 0: header needs 8 bytes, the limit is 0"));
  EXPECT_THAT(ErrorOf(std::string(8, '\xFF')),
              HasSubstr("header of 18446744073709551615 bytes, the limit is"));
  EXPECT_THAT(ErrorOf(std::string("\x40\0\0\0\0\0\0\0{}", 10)),
              HasSubstr("header needs 64 bytes, the limit is 10"));
  EXPECT_THAT(ErrorOf(SafetensorsWriter::BuildRaw("{", "")), HasSubstr("not JSON"));
  EXPECT_THAT(ErrorOf(SafetensorsWriter::BuildRaw("[]", "")), HasSubstr("not a JSON object"));
  EXPECT_THAT(ErrorOf(SafetensorsWriter::BuildRaw("{} {}", "")), HasSubstr("text behind the end"));
  EXPECT_THAT(ErrorOf(SafetensorsWriter::BuildRaw(std::string(100000, '['), "")), HasSubstr("not JSON"));
}

TEST(Safetensors, RefusesGapsOverlapsAndDuplicates) {
  const auto error_of = [](const std::string& header) {
    return ErrorOf(SafetensorsWriter::BuildRaw(header, std::string(16, 'x')));
  };
  EXPECT_THAT(error_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                       R"("b":{"dtype":"F32","shape":[3],"data_offsets":[4,16]}})"),
              HasSubstr("tensor 'b': data offset 4, expected 8"));
  EXPECT_THAT(error_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                       R"("b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})"),
              HasSubstr("tensor 'b': data offset 8, expected 4"));
  EXPECT_THAT(error_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})"),
              HasSubstr("the tensors end at data offset 8, the file at 16"));
  EXPECT_THAT(error_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                       R"("a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})"),
              HasSubstr("tensor 'a': data offset 8, expected 0"));
}

TEST(Safetensors, SurvivesTruncationAndDamage) {
  SafetensorsWriter writer;
  writer.AddTensor("b", DType::kBF16, {1, 3}, Bytes({1, 2, 3, 4, 5, 6}));
  writer.AddTensor("a", DType::kF32, {1}, Bytes({7, 8, 9, 10}));
  const std::string file = writer.Build();
  ASSERT_EQ(ErrorOf(file), "");
  for (size_t size = 0; size < file.size(); ++size) EXPECT_NE(ErrorOf(file.substr(0, size)), "") << size;
  std::mt19937 random(7);
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string damaged = file;
    damaged[random() % file.size()] = static_cast<char>(random());
    refused += ErrorOf(damaged).empty() ? 0 : 1;
  }
  EXPECT_GT(refused, 5000);
  EXPECT_LT(refused, 19999);
}

}  // namespace
}  // namespace exeunt
