// A table of fields that OpenAI, vLLM, SGLang, TGI or llama.cpp define and this server does not support. A
// request that asks for something with one of them is refused, instead of being answered without it.
#pragma once

#include <span>
#include <string_view>

#include "coordinator/openai/field_reader.h"

namespace exeunt::coordinator {

struct PeerField {
  std::string_view name;
  std::string_view peers;  // servers that define the field
  // The values that ask for nothing, beside null. It is a JSON list. kEmptyMembers stands for an object whose
  // members are all null, false or 0. kAnyValue means that no value changes an answer.
  std::string_view neutral;
  std::string_view instead = "";  // this server's equivalent; "": none
};

inline constexpr std::string_view kEmptyValues = R"([false,0,"",[],{}])";
inline constexpr std::string_view kEmptyMembers = R"([{}])";
inline constexpr std::string_view kAnyValue = "any";

// The fields of /v1/completions and /v1/chat/completions, of /tokenize, and of /detokenize, by name,
// ascending.
std::span<const PeerField> GenerationPeerFields();
std::span<const PeerField> TokenizePeerFields();
std::span<const PeerField> DetokenizePeerFields();
// The fields of a message of a chat.
std::span<const PeerField> MessagePeerFields();

// Fails for the first field of the list that asks for something.
void RefusePeerFields(std::span<const PeerField> known, FieldReader* fields);

}  // namespace exeunt::coordinator
