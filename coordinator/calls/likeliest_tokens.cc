#include "coordinator/calls/likeliest_tokens.h"

namespace exeunt::coordinator {

std::vector<std::pair<std::string, float>> LikeliestTokens(const text::Tokenizer& tokenizer,
                                                           const std::vector<LikelyToken>& top) {
  std::vector<std::pair<std::string, float>> tokens;
  for (const LikelyToken& t : top) {
    tokens.emplace_back(tokenizer.Piece(t.token, /*render_special=*/true), t.logprob);
  }
  return tokens;
}

}  // namespace exeunt::coordinator
