// Refines the translators of exits on KL to the last layer (fit/kl_refinement.h), in passes over answers of a
// corpus.
#pragma once

#include <vector>

#include "tools/exits/exits_file.h"
#include "tools/exits/state_corpus.h"

namespace exeunt::tools {

// Returns the refined map of each exit. All exits must have a translator. Memory does not grow with the
// corpus, because states are collected only until they make a mini-batch.
Result<std::vector<fit::AffineMap>> RefineTranslators(StateCorpus* corpus, AnswerRange range,
                                                      const std::vector<FittedExit>& exits, int passes);

}  // namespace exeunt::tools
