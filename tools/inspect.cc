// exeunt inspect shows a model, and the hash to which exits and certificates are bound.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>
#include <map>
#include <memory>

#include "base/error.h"
#include "text/open_tokenizer.h"
#include "tools/model_options.h"
#include "tools/verbs.h"

namespace exeunt::tools {
namespace {

struct InspectOptions {
  ModelOptions model;
  bool json = false;
};

boost::json::object Describe(const ModelSource& source, const text::Tokenizer& tokenizer) {
  const ModelConfig& c = source.config();
  std::map<std::string_view, int> types;
  for (const TensorView& tensor : source.tensors()) ++types[Info(tensor.dtype).name];
  boost::json::object by_type;
  for (const auto& [name, count] : types) by_type[name] = count;
  boost::json::array warnings;
  for (const auto* list : {&c.warnings, &tokenizer.warnings()}) {
    for (const std::string& warning : *list) warnings.emplace_back(warning);
  }
  return {{"layers", c.n_layers},
          {"d_model", c.d_model},
          {"heads", c.n_heads},
          {"kv_heads", c.n_kv_heads},
          {"head_dim", c.head_dim},
          {"d_ff", c.d_ff},
          {"vocabulary", c.vocab_size},
          {"context_length", c.context_length},
          {"end_tokens", boost::json::value_from(tokenizer.end_tokens())},
          {"tensors", by_type},
          {"warnings", std::move(warnings)},
          {"adapter", source.adapter() != nullptr},
          {"hash", source.ContentHash()}};
}

Status Inspect(const InspectOptions& options) {
  ASSIGN_OR_RETURN(const auto source, options.model.Open());
  ASSIGN_OR_RETURN(const auto tokenizer, text::OpenTokenizer(*source));
  const boost::json::object described = Describe(*source, *tokenizer);
  if (options.json) {
    std::puts(boost::json::serialize(described).c_str());
    return OkStatus();
  }
  for (const auto& [key, value] : described) {
    std::puts(fmt::format("{:<15} {}", std::string(key), boost::json::serialize(value)).c_str());
  }
  return OkStatus();
}

}  // namespace

void AddInspect(CLI::App* app, int* status) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* verb = app->add_subcommand("inspect", "Show what a model is: its shape, types and content hash");
  options->model.AddTo(verb);
  verb->add_flag("--json", options->json, "one JSON object");
  verb->callback([options, status] { *status = Report("inspect", Inspect(*options)); });
}

}  // namespace exeunt::tools
