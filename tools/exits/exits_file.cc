#include "tools/exits/exits_file.h"

#include <boost/json.hpp>
#include <filesystem>
#include <span>

#include "base/error.h"
#include "base/write_file.h"
#include "kernels/quantize.h"
#include "model/exit_heads_info.h"
#include "model/safetensors.h"
#include "model/safetensors_writer.h"

namespace exeunt::tools {
namespace {

void AddTensor(SafetensorsWriter* writer, const std::string& name, DType type,
               const std::vector<int64_t>& shape, const float* values) {
  size_t n = 1;
  for (const int64_t extent : shape) n *= static_cast<size_t>(extent);
  writer->AddTensor(name, type, shape, QuantizeRow(type, {values, n}));
}

void AddMatrix(SafetensorsWriter* writer, const std::string& name, const fit::RowMajorMatrix& m) {
  AddTensor(writer, name, DType::kF16, {m.rows(), m.cols()}, m.data());
}

void AddVector(SafetensorsWriter* writer, const std::string& name, const Eigen::VectorXf& v) {
  AddTensor(writer, name, DType::kF32, {v.size()}, v.data());
}

}  // namespace

Status WriteExits(const std::string& directory, const ModelSource& source, const FittedExits& fitted) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return Internal("{}: {}", directory, error.message());
  SafetensorsWriter writer;
  boost::json::array listed;
  for (const FittedExit& exit : fitted.exits) {
    const std::string prefix = fmt::format("exit.{}.", exit.layer);
    listed.push_back({{"layer", exit.layer},
                      {"translator", exit.translator.has_value()},
                      {"classifier", exit.classifier.has_value()},
                      {"outside", exit.outside.has_value()}});
    if (exit.translator) {
      AddMatrix(&writer, prefix + "translator.weight", exit.translator->weight);
      AddVector(&writer, prefix + "translator.bias", exit.translator->bias);
    }
    if (exit.classifier) {
      AddVector(&writer, prefix + "classifier.weight", exit.classifier->weight);
      AddVector(&writer, prefix + "classifier.bias", Eigen::VectorXf::Constant(1, exit.classifier->bias));
    }
    if (exit.outside) {
      const auto& weight = exit.outside->weight;
      AddTensor(&writer, prefix + "outside.weight", DType::kF32, {static_cast<int64_t>(weight.size())},
                weight.data());
      AddTensor(&writer, prefix + "outside.bias", DType::kF32, {1}, &exit.outside->bias);
    }
  }
  boost::json::object json{{"format", 1}, {"model", source.ContentHash()}, {"exits", listed}};
  if (fitted.preview) {
    AddMatrix(&writer, "preview.down", fitted.preview->down);
    AddMatrix(&writer, "preview.basis", fitted.preview->basis);
    json["preview"] = {{"rank", fitted.preview->down.rows()}, {"groups", fitted.preview_groups}};
  }
  if (!fitted.candidates.empty())
    json["candidates"] = {{"tokens", boost::json::value_from(fitted.candidates)}};
  const Status tensors = writer.WriteTo(directory + "/exits.safetensors");
  if (!tensors) return tensors;
  return WriteFile(directory + "/exits.json", boost::json::serialize(json) + "\n");
}

Result<std::vector<FittedExit>> ReadExits(const std::string& directory, const ModelSource& source) {
  ASSIGN_OR_RETURN(const auto info, LoadExitHeadsInfo(directory, source.config().n_layers));
  ASSIGN_OR_RETURN(const auto file, SafetensorsFile::Open(directory + "/exits.safetensors"));
  const int64_t d = source.config().d_model;
  std::vector<FittedExit> exits;
  for (const ExitHeadInfo& exit : info.exits) {
    FittedExit read{.layer = exit.layer};
    const std::string prefix = fmt::format("exit.{}.", exit.layer);
    if (exit.translator) {
      ASSIGN_OR_RETURN(const auto weight, file->ReadFloats(prefix + "translator.weight", {d, d}));
      ASSIGN_OR_RETURN(const auto bias, file->ReadFloats(prefix + "translator.bias", {d}));
      read.translator = fit::AffineMap{Eigen::Map<const fit::RowMajorMatrix>(weight.data(), d, d),
                                       Eigen::Map<const Eigen::VectorXf>(bias.data(), d)};
    }
    if (exit.classifier) {
      ASSIGN_OR_RETURN(const auto weight, file->ReadFloats(prefix + "classifier.weight", {d}));
      ASSIGN_OR_RETURN(const auto bias, file->ReadFloats(prefix + "classifier.bias", {1}));
      read.classifier = FittedClassifier{Eigen::Map<const Eigen::VectorXf>(weight.data(), d), bias[0]};
    }
    exits.push_back(std::move(read));
  }
  return exits;
}

}  // namespace exeunt::tools
