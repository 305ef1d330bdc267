#include "tools/batch_generation.h"

#include <map>

#include "kernels/kv_layout.h"

namespace exeunt::tools {

int PagesFor(size_t streams, int positions) {
  return static_cast<int>(streams) * (positions / kPageTokens + 1);
}

void SharePrompt(const worker::SequenceSpec& source, worker::SequenceSpec* spec) {
  const int pages = (spec->prompt_tokens() - 1) / kPageTokens;
  if (pages == 0) return;
  spec->prefix_of = source.sequence;
  spec->prefix_tokens = pages * kPageTokens;
}

Status GenerateAll(worker::LocalPipeline* pipeline, std::vector<worker::SequenceSpec> specs, size_t streams,
                   const std::function<void(size_t index, Generation)>& done) {
  struct Open {
    size_t place = 0;
    int closed_at = 0;  // number of stages that have closed it
    Generation made;
  };
  std::map<uint64_t, Open> open;  // by sequence number
  size_t next = 0;
  while (next < specs.size() || !open.empty()) {
    std::vector<worker::StageEvent> events;
    worker::AdmitSequences admit;
    for (; next < specs.size() && open.size() < streams; ++next) {
      open[specs[next].sequence].place = next;
      admit.specs.push_back(std::move(specs[next]));
    }
    if (!admit.specs.empty()) events.emplace_back(std::move(admit));
    worker::StageOutputs out;
    pipeline->Turn(std::move(events), &out);
    RETURN_IF_ERROR(out.Health());
    for (const worker::TokenOut& t : out.tokens) {
      Generation& generation = open.at(t.sequence).made;
      generation.tokens.push_back(t.token);
      generation.exit_layers.push_back(t.exit_layer);
      generation.confidences.push_back(t.confidence);
    }
    for (const uint64_t sequence : out.closed) {
      const auto it = open.find(sequence);
      if (++it->second.closed_at < pipeline->stages()) continue;
      Open ended = std::move(it->second);
      open.erase(it);
      done(ended.place, std::move(ended.made));
    }
  }
  return OkStatus();
}

}  // namespace exeunt::tools
