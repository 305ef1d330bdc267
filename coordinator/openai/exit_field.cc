// The `exit` extension of a request.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <set>

#include "coordinator/openai/field_reader.h"
#include "coordinator/openai/generation_request.h"
#include "coordinator/openai/json_text.h"

namespace exeunt::coordinator {
namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 8> kKeys = {"certificate", "mode",  "measure", "threshold",
                                                   "min_layer",   "decay", "forced",  "per_token"};

void ReadMode(FieldReader* fields, ExitSetting* setting) {
  const auto name = fields->String("mode");
  if (!name) return;
  const auto mode = ExitModeOf(*name);
  if (!mode) {
    fields->Fail("mode", fmt::format("exit mode '{}' is unknown; there are {}", Excerpt(*name),
                                     fmt::join(kExitModeNames, ", ")));
  } else if (*mode == ExitMode::kExact || *mode == ExitMode::kVerify) {
    fields->Fail("mode", fmt::format("exit mode '{}' is not built yet; there are off and propagate", *name),
                 "unsupported_value");
  } else {
    setting->mode = *mode;
  }
}

void ReadMeasure(FieldReader* fields, const ApiLimits& limits, ExitSetting* setting) {
  const auto name = fields->String("measure");
  if (!name) return;
  const auto measure = ExitMeasureOf(*name);
  if (!measure) {
    fields->Fail("measure", fmt::format("exit measure '{}' is unknown; there are {}", Excerpt(*name),
                                        fmt::join(kExitMeasureNames, ", ")));
  } else if (const ExitArtefact needs = Info(*measure).needs;
             needs != ExitArtefact::kNone && !limits.artefacts.contains(needs)) {
    fields->Fail(
        "measure",
        fmt::format("exit measure '{}' needs exits that were fitted for this model (--exits)", *name),
        "unsupported_value");
  } else {
    setting->measure = *measure;
  }
}

void ReadDecay(FieldReader* fields, const json::object& object, ExitSetting* setting) {
  const json::value* value = object.if_contains("decay");
  if (value == nullptr) return;
  setting->decay.reset();
  if (value->is_null()) return;
  if (!value->is_object()) return fields->FailAs("decay", *value, "an object or null");
  FieldReader inner(value->get_object(), "exit.decay.");
  for (const auto& [key, unused] : value->get_object()) {
    if (key != "tau" && key != "n")
      inner.Fail(Excerpt(key), fmt::format("'exit.decay.{}' is unknown; there are tau, n", Excerpt(key)));
  }
  ExitDecay decay;
  if (const auto tau = inner.Number("tau", 0, 1000)) decay.tau = static_cast<float>(*tau);
  if (const auto n = inner.Integer("n", 1, 1 << 24)) decay.n = static_cast<int>(*n);
  if (!inner.ok()) return fields->Fail(inner.error().param.substr(5), inner.error().message);
  setting->decay = decay;
}

std::optional<ForcedExit> ReadForcedExit(FieldReader* fields, const json::value& element,
                                         const ApiLimits& limits) {
  if (!element.is_object()) {
    fields->FailAs("forced", element, "a list of {layer, probability}");
    return std::nullopt;
  }
  FieldReader inner(element.get_object(), "exit.forced.");
  const auto layer = inner.Integer("layer", 1, limits.n_layers - 1);
  const auto probability = inner.Number("probability", 0, 1);
  if (!inner.ok()) {
    fields->Fail("forced", inner.error().message);
  } else if (!layer || !probability) {
    fields->Fail("forced", fmt::format("{} of 'exit.forced' lacks its {}", JsonExcerpt(element),
                                       layer ? "probability" : "layer"));
  } else if (std::find(limits.exit_layers.begin(), limits.exit_layers.end(), *layer) ==
             limits.exit_layers.end()) {
    fields->Fail("forced", fmt::format("there is no exit after layer {}; there are exits after {}", *layer,
                                       limits.exit_layers.empty()
                                           ? "none"
                                           : fmt::format("{}", fmt::join(limits.exit_layers, ", "))));
  } else {
    return ForcedExit{static_cast<int>(*layer), static_cast<float>(*probability)};
  }
  return std::nullopt;
}

void ReadForced(FieldReader* fields, const ApiLimits& limits, ExitSetting* setting) {
  const json::value* value = fields->Find("forced");
  if (value == nullptr) return;
  if (!value->is_array()) return fields->FailAs("forced", *value, "a list of {layer, probability}");
  std::set<int> layers;
  double sum = 0;
  setting->forced.clear();
  for (const json::value& element : value->get_array()) {
    const auto exit = ReadForcedExit(fields, element, limits);
    if (!exit) return;
    if (!layers.insert(exit->layer).second) {
      return fields->Fail("forced", fmt::format("'exit.forced' names layer {} twice", exit->layer));
    }
    sum += static_cast<double>(exit->probability);
    setting->forced.push_back(*exit);
  }
  if (sum > 1.0 + 1e-6)
    fields->Fail("forced", fmt::format("the probabilities of 'exit.forced' add up to {}, at most to 1", sum));
  std::sort(setting->forced.begin(), setting->forced.end(),
            [](const ForcedExit& a, const ForcedExit& b) { return a.layer < b.layer; });
}

}  // namespace

ApiResult<ExitField> ParseExitField(const json::value* value, const ApiLimits& limits) {
  ExitField field{.setting = limits.default_exit};
  if (value == nullptr || value->is_null()) return field;
  if (!value->is_object())
    return BadRequest("exit", fmt::format("'exit' is {}, it must be an object", JsonExcerpt(*value)));
  FieldReader fields(value->get_object(), "exit.");
  for (const auto& [key, unused] : value->get_object()) {
    if (std::find(kKeys.begin(), kKeys.end(), std::string_view(key)) == kKeys.end()) {
      fields.Fail(Excerpt(key),
                  fmt::format("'exit.{}' is unknown; there are {}", Excerpt(key), fmt::join(kKeys, ", ")));
    }
  }
  if (const auto name = fields.String("certificate")) {
    field.certificate = *name;
    for (const auto& [key, unused] : value->get_object()) {
      if (key == "certificate" || key == "per_token") continue;
      fields.Fail(key, fmt::format("'exit.{}' cannot stand beside 'exit.certificate', which says all of it",
                                   std::string_view(key)));
    }
  }
  ReadMode(&fields, &field.setting);
  ReadMeasure(&fields, limits, &field.setting);
  if (const auto threshold = fields.Number("threshold", 0, 1e6)) {
    field.setting.threshold = static_cast<float>(*threshold);
  }
  if (const auto layer = fields.Integer("min_layer", 0, limits.n_layers)) {
    field.setting.min_layer = static_cast<int>(*layer);
  }
  ReadDecay(&fields, value->get_object(), &field.setting);
  ReadForced(&fields, limits, &field.setting);
  field.per_token = fields.Bool("per_token", false);
  if (!fields.ok()) return fields.error();
  return field;
}

}  // namespace exeunt::coordinator
