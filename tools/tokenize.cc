// exeunt tokenize converts texts to token ids as the server does.
#include <boost/json.hpp>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include "base/error.h"
#include "text/open_tokenizer.h"
#include "tools/model_options.h"
#include "tools/verbs.h"

namespace exeunt::tools {
namespace {

struct TokenizeOptions {
  ModelOptions model;
  bool special = true;
};

Status Tokenize(const TokenizeOptions& options) {
  ASSIGN_OR_RETURN(const auto source, options.model.Open());
  ASSIGN_OR_RETURN(const auto tokenizer, text::OpenTokenizer(*source));
  size_t number = 0;
  for (std::string line; std::getline(std::cin, line);) {
    ++number;
    boost::system::error_code error;
    const boost::json::value text = boost::json::parse(line, error);
    if (error || !text.is_string()) return InvalidArgument("standard input:{}: not a JSON string", number);
    boost::json::array ids;
    for (const int32_t id : tokenizer->Encode(text.get_string(), options.special, false)) ids.push_back(id);
    std::puts(boost::json::serialize(ids).c_str());
  }
  return OkStatus();
}

}  // namespace

void AddTokenize(CLI::App* app, int* status) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* verb =
      app->add_subcommand("tokenize", "Token ids of texts: a JSON string a line in, a JSON list a line out");
  options->model.AddTo(verb);
  verb->add_flag("!--no-special", options->special, "without what the model's tokenizer adds (BOS)");
  verb->callback([options, status] { *status = Report("tokenize", Tokenize(*options)); });
}

}  // namespace exeunt::tools
