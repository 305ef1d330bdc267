#include "text/end_of_generation.h"

#include <algorithm>
#include <string_view>

namespace exeunt::text {
namespace {

constexpr std::string_view kTexts[] = {
    "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "</s>",
    "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]",
    "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>",
    "<\uFF5Cend\u2581of\u2581sentence\uFF5C>", "[e~[",
    // Tokens of fill-in-the-middle: padding, the next file, the next repository.
    "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]", "<|fim_repo|>", "<|repo_name|>", "<fim-repo>",
    "<REPO>", "<reponame>", "<|file_sep|>"};

}  // namespace

std::vector<int32_t> EndsOfGeneration(const Vocabulary& vocabulary) {
  std::vector<int32_t> ids;
  for (const std::string_view text : kTexts) {
    if (const int32_t id = vocabulary.Find(text); id >= 0) ids.push_back(id);
  }
  const auto has = [&](std::string_view text) { return vocabulary.Find(text) >= 0; };
  const auto drop = [&](std::string_view text) { std::erase(ids, vocabulary.Find(text)); };
  // If a message ends in other ways, these tokens end a part of it.
  const bool harmony = has("<|return|>") && (has("<|call|>") || has("<|calls|>"));
  const bool solar = has("<|flush|>") && (has("<|call|>") || has("<|calls|>"));
  if (harmony || solar) drop("<|end|>");
  if (has("<|tool_response>") || has("<|plamo:eos|>")) drop("</s>");
  return ids;
}

}  // namespace exeunt::text
