#include "transport/request_message.h"

#include <algorithm>
#include <concepts>
#include <limits>
#include <string>
#include <type_traits>

#include "request/request_fields.h"

namespace exeunt::transport {
namespace {

template <typename T>
constexpr bool kIsOptional = false;
template <typename T>
constexpr bool kIsOptional<std::optional<T>> = true;

// ---- writing

auto ScalarOf(std::integral auto value) { return value; }
float ScalarOf(float value) { return value; }
int64_t ScalarOf(Duration value) { return value.count(); }
template <typename T>
requires std::is_enum_v<T> uint32_t ScalarOf(T value) { return static_cast<uint32_t>(value); }

void Put(const std::string& value, std::string* field) { *field = value; }
void Put(const std::vector<int32_t>& values, google::protobuf::RepeatedField<int32_t>* field) {
  field->Add(values.begin(), values.end());
}
void Put(const std::vector<int32_t>& values, proto::TokenSequence* field) {
  Put(values, field->mutable_tokens());
}
template <HasFields T, typename Message>
void Put(const T& value, Message* message);

template <typename T, typename Message>
void Put(const std::vector<T>& values, google::protobuf::RepeatedPtrField<Message>* field) {
  field->Reserve(static_cast<int>(values.size()));
  for (const T& value : values) Put(value, field->Add());
}

// Sets a field of the message from the member of the same name.
#define EXEUNT_PUT_FIELD(name)                                                         \
  if constexpr (kIsOptional<std::remove_cvref_t<decltype(value.name)>>) {              \
    if (value.name) {                                                                  \
      if constexpr (requires { message->mutable_##name(); }) {                         \
        Put(*value.name, message->mutable_##name());                                   \
      } else {                                                                         \
        message->set_##name(ScalarOf(*value.name));                                    \
      }                                                                                \
    }                                                                                  \
  } else if constexpr (requires { message->mutable_##name(); }) {                      \
    Put(value.name, message->mutable_##name());                                        \
  } else {                                                                             \
    message->set_##name(static_cast<decltype(message->name())>(ScalarOf(value.name))); \
  }

// ---- reading

template <typename Field, typename T>
requires std::is_arithmetic_v<Field>
void Take(Field field, T* out) {
  if constexpr (std::is_same_v<T, Duration>) {
    *out = Duration(field);
  } else if constexpr (std::is_same_v<Field, uint32_t> && std::is_same_v<T, int>) {
    *out = static_cast<int>(std::min(field, static_cast<uint32_t>(std::numeric_limits<int>::max())));
  } else {
    *out = static_cast<T>(field);
  }
}

void Take(const std::string& field, std::string* out) { *out = field; }
void Take(const google::protobuf::RepeatedField<int32_t>& field, std::vector<int32_t>* out) {
  out->assign(field.begin(), field.end());
}
void Take(const proto::TokenSequence& field, std::vector<int32_t>* out) { Take(field.tokens(), out); }
template <typename Message, HasFields T>
void Take(const Message& message, T* value);

template <typename Message, typename T>
void Take(const google::protobuf::RepeatedPtrField<Message>& field, std::vector<T>* out) {
  out->reserve(static_cast<size_t>(field.size()));
  for (const Message& message : field) Take(message, &out->emplace_back());
}

// Sets a member from the message's field of the same name.
#define EXEUNT_TAKE_FIELD(name)                                             \
  if constexpr (kIsOptional<std::remove_cvref_t<decltype(value->name)>>) {  \
    if (message.has_##name()) Take(message.name(), &value->name.emplace()); \
  } else {                                                                  \
    Take(message.name(), &value->name);                                     \
  }

// ---- both directions, for every struct that has fields

#define EXEUNT_MESSAGE(Type, FIELDS)                      \
  template <std::same_as<Type> Value, typename Message>   \
  void PutFields(const Value& value, Message* message) {  \
    FIELDS(EXEUNT_PUT_FIELD)                              \
  }                                                       \
  template <typename Message, std::same_as<Type> Value>   \
  void TakeFields(const Message& message, Value* value) { \
    FIELDS(EXEUNT_TAKE_FIELD)                             \
  }

EXEUNT_MESSAGE(LoggedToken, EXEUNT_LOGGED_TOKEN_FIELDS)
EXEUNT_MESSAGE(LogitBias, EXEUNT_LOGIT_BIAS_FIELDS)
EXEUNT_MESSAGE(ExitDecay, EXEUNT_EXIT_DECAY_FIELDS)
EXEUNT_MESSAGE(ForcedExit, EXEUNT_FORCED_EXIT_FIELDS)
EXEUNT_MESSAGE(SamplingParams, EXEUNT_SAMPLING_PARAMS_FIELDS)
EXEUNT_MESSAGE(ExitSetting, EXEUNT_EXIT_SETTING_FIELDS)
EXEUNT_MESSAGE(SequenceRequest, EXEUNT_SEQUENCE_REQUEST_FIELDS)

template <HasFields T, typename Message>
void Put(const T& value, Message* message) {
  PutFields(value, message);
}
template <typename Message, HasFields T>
void Take(const Message& message, T* value) {
  TakeFields(message, value);
}

}  // namespace

void ToProto(const SequenceRequest& request, proto::OpenSequence* message) { PutFields(request, message); }

SequenceRequest RequestFromProto(const proto::OpenSequence& message) {
  SequenceRequest request;
  TakeFields(message, &request);
  // The wire format does not distinguish 0 from a missing field.
  if (request.sampling.repetition_penalty == 0.0F) request.sampling.repetition_penalty = 1.0F;
  return request;
}

proto::FinishReason ToProto(EndReason reason) {
  switch (reason) {
    case EndReason::kStop:
      return proto::FINISH_STOP;
    case EndReason::kLength:
      return proto::FINISH_LENGTH;
    case EndReason::kCancelled:
      return proto::FINISH_CANCELLED;
  }
  return proto::FINISH_UNSPECIFIED;
}

EndReason FromProto(proto::FinishReason reason) {
  switch (reason) {
    case proto::FINISH_STOP:
      return EndReason::kStop;
    case proto::FINISH_LENGTH:
      return EndReason::kLength;
    default:
      return EndReason::kCancelled;
  }
}

}  // namespace exeunt::transport
