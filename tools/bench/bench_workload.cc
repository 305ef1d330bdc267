#include "tools/bench/bench_workload.h"

#include <charconv>
#include <random>

#include "base/error.h"

namespace exeunt::tools {
namespace {

constexpr int kContextTokens = 32;
constexpr int kMaxStreams = 4096;

bool ParseNumber(std::string_view text, int* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size() && *number >= 1;
}

}  // namespace

Result<BenchWorkload> ParseWorkload(std::string_view text, int context_length) {
  BenchWorkload workload;
  workload.name = text;
  const size_t colon = text.find(':');
  const std::string_view kind = text.substr(0, colon);
  const std::string_view numbers = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  const size_t times = numbers.find('x');
  int number = 0;
  bool valid = ParseNumber(numbers.substr(0, times), &number);
  if (kind == "prefill" && times == std::string_view::npos) {
    workload.kind = BenchKind::kPrefill;
    workload.prompt_tokens = number;
    workload.tokens = 1;
  } else if (kind == "context" && times == std::string_view::npos) {
    workload.prompt_tokens = number;
    workload.tokens = kContextTokens;
  } else if (kind == "decode") {
    workload.streams = number;
    if (times != std::string_view::npos) valid &= ParseNumber(numbers.substr(times + 1), &workload.tokens);
    valid &= workload.tokens >= 2;
  } else {
    valid = false;
  }
  if (!valid || workload.streams > kMaxStreams) {
    return InvalidArgument(
        "--workload '{}': not prefill:TOKENS, context:TOKENS, decode:STREAMS or decode:STREAMSxTOKENS "
        "(streams at most {}, tokens at least 2)",
        text, kMaxStreams);
  }
  const int64_t positions = int64_t{workload.prompt_tokens} + workload.tokens;
  if (positions > context_length) {
    return InvalidArgument("--workload '{}': {} positions, the model's context has {}", text, positions,
                           context_length);
  }
  return workload;
}

std::vector<worker::SequenceSpec> MakeBenchRequests(const BenchWorkload& workload,
                                                    const BenchPrompts& prompts, const ExitSetting& exit,
                                                    int vocab_size, uint64_t first_sequence) {
  std::mt19937_64 rng(7);
  std::vector<worker::SequenceSpec> requests;
  for (int i = 0; i < workload.streams; ++i) {
    worker::SequenceSpec spec;
    spec.sequence = first_sequence + static_cast<uint64_t>(i);
    if (!prompts.prompts.empty()) {
      spec.prompt = prompts.prompts[static_cast<size_t>(i) % prompts.prompts.size()];
      spec.end_tokens = prompts.end_tokens;
    }
    for (int p = 0; prompts.prompts.empty() && p < workload.prompt_tokens; ++p) {
      spec.prompt.push_back(static_cast<int32_t>(rng() % static_cast<uint64_t>(vocab_size)));
    }
    spec.max_tokens = workload.tokens;
    spec.sampling.temperature = 0.0F;
    spec.sampling.seed = rng();
    spec.exit = exit;
    requests.push_back(std::move(spec));
  }
  return requests;
}

}  // namespace exeunt::tools
