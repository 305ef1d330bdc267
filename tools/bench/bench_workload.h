// The workloads of `exeunt bench` by name, as requests of random tokens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "worker/core/sequence_spec.h"

namespace exeunt::tools {

enum class BenchKind {
  kPrefill,  // one request of `prompt_tokens` with one token of answer, to measure prefill
  kDecode,   // `streams` requests at once, to measure decoding while all of them generate
};

struct BenchWorkload {
  std::string name;  // as given
  BenchKind kind = BenchKind::kDecode;
  int streams = 1;
  int prompt_tokens = 16;  // of each stream
  int tokens = 128;        // largest number of generated tokens of each stream
};

// The prompts of the streams, one for each in turn. If empty, streams get random tokens.
struct BenchPrompts {
  std::vector<std::vector<int32_t>> prompts;
  std::vector<int32_t> end_tokens;  // tokens that end an answer
};

// Parses "prefill:512", "decode:32" (streams), "decode:32x64" (tokens of each) and "context:8192" (one stream
// that decodes 32 tokens after a prompt of this length). Errors name the workload and what is allowed.
Result<BenchWorkload> ParseWorkload(std::string_view text, int context_length);

// Makes greedy requests, numbered from `first_sequence`. Random tokens come from a fixed seed.
std::vector<worker::SequenceSpec> MakeBenchRequests(const BenchWorkload& workload,
                                                    const BenchPrompts& prompts, const ExitSetting& exit,
                                                    int vocab_size, uint64_t first_sequence);

}  // namespace exeunt::tools
