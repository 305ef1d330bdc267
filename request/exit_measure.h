// An exit measure says how sure a stage is of a token after some layers. The table below has all properties
// of each measure. docs/howto/exit_measure.md says how to add a measure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace exeunt {

// The values are fixed in the wire format. They are also the places in kExitMeasures.
enum class ExitMeasure : uint32_t { kSoftmax, kState, kClassifier, kForced, kPreview, kCandidates };

// Where the confidence of a measure comes from.
enum class SignalSource : uint8_t {
  kNothing,  // no measurement: the exit layer is drawn at random
  kSegment,  // measured by the executor after the layers (SegmentJob::signals)
  kHead,     // computed by the vocabulary head
};

// What must have been fitted for the exits before they can use a measure (model/exit_heads_info.h).
enum class ExitArtefact : uint8_t { kNone, kClassifier, kPreview, kCandidates };

struct ExitMeasureInfo {
  ExitMeasure measure;
  const char* name;  // name in requests, options and reports
  SignalSource signal;
  ExitArtefact needs;
  bool gives_token;  // whether a cheap head gives the token with the signal, without the vocabulary head
  bool per_prompt;   // whether the executor keeps data of the sequence's prompt until Forget
};

inline constexpr std::array<ExitMeasureInfo, 6> kExitMeasures = {{
    // top1 - top2 of the softmax
    {ExitMeasure::kSoftmax, "softmax", SignalSource::kHead, ExitArtefact::kNone, false, false},
    // cosine of the states before and after the last layer of the segment
    {ExitMeasure::kState, "state", SignalSource::kSegment, ExitArtefact::kNone, false, false},
    // a fitted linear function of the state
    {ExitMeasure::kClassifier, "classifier", SignalSource::kSegment, ExitArtefact::kClassifier, false, false},
    // layers drawn with given probabilities, for tests and plans
    {ExitMeasure::kForced, "forced", SignalSource::kNothing, ExitArtefact::kNone, false, false},
    // top1 - top2 of the softmax, by a fitted head of few directions
    {ExitMeasure::kPreview, "preview", SignalSource::kSegment, ExitArtefact::kPreview, true, false},
    // top1 - top2 of the softmax, by a head of few tokens and an estimate for all others
    {ExitMeasure::kCandidates, "candidates", SignalSource::kSegment, ExitArtefact::kCandidates, true, true},
}};

constexpr bool IsExitMeasure(ExitMeasure measure) {
  return static_cast<size_t>(measure) < kExitMeasures.size();
}
constexpr const ExitMeasureInfo& Info(ExitMeasure measure) {
  return kExitMeasures.at(static_cast<size_t>(measure));
}
constexpr const char* ExitMeasureName(ExitMeasure measure) { return Info(measure).name; }

// All names in the order of the table.
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
