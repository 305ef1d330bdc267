// Exit measures: how sure a stage is of a token after some layers. Whoever needs to know something of a measure asks the
// table below. docs/howto/exit_measure.md says how to add one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace exeunt {

// Numbers that the wire keeps, and places in kExitMeasures.
enum class ExitMeasure : uint32_t { kSoftmax, kState, kClassifier, kForced, kPreview, kCandidates };

// Where a measure's confidence comes from.
enum class SignalSource : uint8_t {
  kNothing,  // nothing is measured: the layer is drawn at random
  kSegment,  // the executor measures it behind the layers (SegmentJob::signals)
  kHead,     // the vocabulary head decides
};

// What must have been fitted for the exits (model/exit_heads_info.h).
enum class ExitArtefact : uint8_t { kNone, kClassifier, kPreview, kCandidates };

struct ExitMeasureInfo {
  ExitMeasure measure;
  const char* name;  // in requests, options and reports
  SignalSource signal;
  ExitArtefact needs;
  bool
      gives_token;  // a cheap head gives the token with the signal, so that it leaves without the vocabulary head
  bool per_prompt;  // the executor keeps something of the sequence's prompt, until Forget
};

inline constexpr std::array<ExitMeasureInfo, 6> kExitMeasures = {{
    // top1 - top2 of the softmax
    {ExitMeasure::kSoftmax, "softmax", SignalSource::kHead, ExitArtefact::kNone, false, false},
    // cosine of the states before and after the last layer
    {ExitMeasure::kState, "state", SignalSource::kSegment, ExitArtefact::kNone, false, false},
    // a fitted linear function of the state
    {ExitMeasure::kClassifier, "classifier", SignalSource::kSegment, ExitArtefact::kClassifier, false, false},
    // layers drawn with given probabilities, for tests and plans
    {ExitMeasure::kForced, "forced", SignalSource::kNothing, ExitArtefact::kNone, false, false},
    // as softmax, by a fitted head of few directions
    {ExitMeasure::kPreview, "preview", SignalSource::kSegment, ExitArtefact::kPreview, true, false},
    // as softmax, by the head of few tokens and an estimate of the others
    {ExitMeasure::kCandidates, "candidates", SignalSource::kSegment, ExitArtefact::kCandidates, true, true},
}};

constexpr bool IsExitMeasure(ExitMeasure measure) {
  return static_cast<size_t>(measure) < kExitMeasures.size();
}
constexpr const ExitMeasureInfo& Info(ExitMeasure measure) {
  return kExitMeasures.at(static_cast<size_t>(measure));
}
constexpr const char* ExitMeasureName(ExitMeasure measure) { return Info(measure).name; }

// All names, in the order of the table.
inline constexpr auto kExitMeasureNames = [] {
  std::array<const char*, kExitMeasures.size()> names{};
  for (size_t i = 0; i < names.size(); ++i) names[i] = kExitMeasures[i].name;
  return names;
}();
constexpr std::optional<ExitMeasure> ExitMeasureOf(std::string_view name) {
  for (const ExitMeasureInfo& info : kExitMeasures) {
    if (info.name == name) return info.measure;
  }
  return std::nullopt;
}

}  // namespace exeunt
