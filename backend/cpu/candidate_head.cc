#include "backend/cpu/candidate_head.h"

#include <algorithm>
#include <set>

namespace exeunt {

CandidateHead MakeCandidateHead(const ModelSource& source, const Linear& head, std::vector<int32_t> tokens) {
  Linear rows =
      Linear::LoadRows(source, source.config().head_tensor(), tokens, head.parts()[0].weight.dtype());
  return {std::move(tokens), std::move(rows)};
}

std::vector<int32_t> PromptCandidateTokens(std::span<const int32_t> prompt,
                                           std::span<const int32_t> frequent) {
  std::set<int32_t> tokens;
  for (const int32_t token : prompt) {
    if (tokens.size() == kMostPromptCandidates) break;
    if (!std::binary_search(frequent.begin(), frequent.end(), token)) tokens.insert(token);
  }
  return {tokens.begin(), tokens.end()};
}

}  // namespace exeunt
