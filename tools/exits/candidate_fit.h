// Fits what exits need to look only at candidates (backend/cpu/candidate_head.h), from the answers of a
// corpus.
#pragma once

#include <vector>

#include "tools/exits/exits_file.h"
#include "tools/exits/state_corpus.h"

namespace exeunt::tools {

// Returns the head of the `count` tokens that the answers use most, at most half of the vocabulary.
CandidateHead FrequentTokens(StateCorpus* corpus, AnswerRange range, size_t count);
// Fits an estimate at each exit by ridge regression from the states to the log sum exp of all tokens that are
// no candidates of the answer. All exits must have a translator.
Result<std::vector<OutsideEstimate>> FitOutside(StateCorpus* corpus, AnswerRange range,
                                                const std::vector<FittedExit>& exits,
                                                const CandidateHead& frequent, double ridge);

}  // namespace exeunt::tools
