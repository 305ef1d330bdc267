// The only list of the fields of a request. Protobuf (transport/request_message.cc), JSON
// (request/request_json.cc) and the lines of a log (request/request_log.cc) are written and read with this
// list.
// To add a field, add the member to its struct, its name to the list here, and a field of the same name to
// transport/control.proto. request/request_formats_test.cc fails if one of them is missing.
#pragma once

#include <concepts>
#include <type_traits>

#include "request/sequence_request.h"

#define EXEUNT_SEQUENCE_REQUEST_FIELDS(FIELD) \
  FIELD(prompt)                               \
  FIELD(generated)                            \
  FIELD(max_tokens)                           \
  FIELD(sampling)                             \
  FIELD(exit)                                 \
  FIELD(end_tokens)                           \
  FIELD(score_from)                           \
  FIELD(want_logits)                          \
  FIELD(client)                               \
  FIELD(priority)                             \
  FIELD(timeout)

#define EXEUNT_SAMPLING_PARAMS_FIELDS(FIELD) \
  FIELD(temperature)                         \
  FIELD(top_p)                               \
  FIELD(top_k)                               \
  FIELD(min_p)                               \
  FIELD(seed)                                \
  FIELD(choice)                              \
  FIELD(n_logprobs)                          \
  FIELD(frequency_penalty)                   \
  FIELD(presence_penalty)                    \
  FIELD(repetition_penalty)                  \
  FIELD(min_tokens)                          \
  FIELD(logit_bias)                          \
  FIELD(allowed_tokens)                      \
  FIELD(bad_words)

#define EXEUNT_EXIT_SETTING_FIELDS(FIELD) \
  FIELD(mode)                             \
  FIELD(measure)                          \
  FIELD(threshold)                        \
  FIELD(min_layer)                        \
  FIELD(decay)                            \
  FIELD(forced)

#define EXEUNT_LOGGED_TOKEN_FIELDS(FIELD) FIELD(token) FIELD(exit_layer)
#define EXEUNT_LOGIT_BIAS_FIELDS(FIELD) FIELD(token) FIELD(bias)
#define EXEUNT_EXIT_DECAY_FIELDS(FIELD) FIELD(tau) FIELD(n)
#define EXEUNT_FORCED_EXIT_FIELDS(FIELD) FIELD(layer) FIELD(probability)

namespace exeunt {

// ForEachField(value, visit) calls visit(name, member) for every listed member of a value of one of these
// types.
#define EXEUNT_VISIT_FIELD(name) visit(#name, value.name);
#define EXEUNT_FOR_EACH_FIELD(Type, FIELDS)               \
  template <typename Value, typename Visit>               \
  requires std::same_as<std::remove_const_t<Value>, Type> \
  void ForEachField(Value& value, Visit&& visit) { FIELDS(EXEUNT_VISIT_FIELD) }

EXEUNT_FOR_EACH_FIELD(SequenceRequest, EXEUNT_SEQUENCE_REQUEST_FIELDS)
EXEUNT_FOR_EACH_FIELD(SamplingParams, EXEUNT_SAMPLING_PARAMS_FIELDS)
EXEUNT_FOR_EACH_FIELD(ExitSetting, EXEUNT_EXIT_SETTING_FIELDS)
EXEUNT_FOR_EACH_FIELD(LoggedToken, EXEUNT_LOGGED_TOKEN_FIELDS)
EXEUNT_FOR_EACH_FIELD(LogitBias, EXEUNT_LOGIT_BIAS_FIELDS)
EXEUNT_FOR_EACH_FIELD(ExitDecay, EXEUNT_EXIT_DECAY_FIELDS)
EXEUNT_FOR_EACH_FIELD(ForcedExit, EXEUNT_FORCED_EXIT_FIELDS)

#undef EXEUNT_FOR_EACH_FIELD
#undef EXEUNT_VISIT_FIELD

// A struct whose members are in the lists above.
template <typename T>
concept HasFields = requires(T& value) {
  ForEachField(value, [](const char*, auto&) {});
};

}  // namespace exeunt
