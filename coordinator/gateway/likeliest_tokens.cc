#include "coordinator/gateway/likeliest_tokens.h"

namespace exeunt {

std::vector<std::pair<std::string, float>> LikeliestTokens(
    const Tokenizer& tokenizer, const google::protobuf::RepeatedPtrField<proto::TokenLogprob>& top) {
  std::vector<std::pair<std::string, float>> tokens;
  for (const proto::TokenLogprob& t : top) {
    tokens.emplace_back(tokenizer.Piece(t.token(), /*render_special=*/true), t.logprob());
  }
  return tokens;
}

}  // namespace exeunt
