#include "model/candidate_head.h"

#include <algorithm>
#include <iterator>

namespace exeunt {

CandidateHead MakeCandidateHead(const ModelSource& source, const Linear& head, std::vector<int32_t> tokens) {
  const char* name = source.config().tied_embeddings ? "token_embd" : "output";
  Linear rows = Linear::LoadRows(source, name, tokens, head.parts()[0].weight.dtype());
  return {std::move(tokens), std::move(rows)};
}

std::vector<int32_t> PromptCandidateTokens(std::span<const int32_t> prompt,
                                           std::span<const int32_t> frequent) {
  std::vector<int32_t> tokens;
  std::vector<int32_t> sorted(prompt.begin(), prompt.end());
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  std::set_difference(sorted.begin(), sorted.end(), frequent.begin(), frequent.end(),
                      std::back_inserter(tokens));
  if (tokens.size() <= kMostPromptCandidates) return tokens;
  std::vector<int32_t> first;
  std::vector<bool> wanted(static_cast<size_t>(tokens.back()) + 1, false);
  for (const int32_t token : tokens) wanted[static_cast<size_t>(token)] = true;
  for (const int32_t token : prompt) {
    if (first.size() == kMostPromptCandidates) break;
    const auto at = static_cast<size_t>(token);
    if (at >= wanted.size() || !wanted[at]) continue;
    wanted[at] = false;
    first.push_back(token);
  }
  std::sort(first.begin(), first.end());
  return first;
}

}  // namespace exeunt
