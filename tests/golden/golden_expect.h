// Our engine held to a golden, in a test.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "base/check.h"
#include "tests/golden/golden.h"

namespace exeunt {

inline Noise Difference(const Golden& golden, Engine* engine) {
  Differences differences;
  for (const GoldenSequence& sequence : golden.sequences) {
    const auto logits = LogitsOfRows(engine, sequence);
    for (size_t i = 0; i < logits.size(); ++i) differences.Add(sequence.rows[i], logits[i]);
  }
  CHECK_GE(differences.count(), size_t{200});
  return differences.Summary();
}

inline void ExpectWithin(const Noise& difference, const Noise& limit, const std::string& what) {
  fmt::print("{}: rms {:.2e} (limit {:.2e}), max {:.2e} (limit {:.2e})\n", what, difference.rms, limit.rms,
             difference.max, limit.max);
  EXPECT_LE(difference.rms, limit.rms) << what;
  EXPECT_LE(difference.max, limit.max) << what;
  EXPECT_LE(difference.gap_rms, limit.gap_rms) << what;
  EXPECT_LE(difference.gap_max, limit.gap_max) << what;
}

}  // namespace exeunt
