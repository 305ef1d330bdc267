// Fields that OpenAI, vLLM, SGLang, TGI or llama.cpp give a meaning and that are not built here, as data: a
// request that asks for something by one of them is refused instead of answered without it.
#pragma once

#include <span>
#include <string_view>

#include "coordinator/openai/field_reader.h"

namespace exeunt::coordinator {

struct PeerField {
  std::string_view name;
  std::string_view peers;  // who gives it its meaning
  // The values that ask for nothing, beside null: a JSON list; kEmptyMembers where an object asks for nothing
  // whose members are null, false or 0; kAnyValue where no value changes an answer.
  std::string_view neutral;
  std::string_view instead = "";  // what this server has for it; "": nothing
};

inline constexpr std::string_view kEmptyValues = R"([false,0,"",[],{}])";
inline constexpr std::string_view kEmptyMembers = R"([{}])";
inline constexpr std::string_view kAnyValue = "any";

// Of /v1/completions and /v1/chat/completions; of /tokenize; of /detokenize. By name, ascending.
std::span<const PeerField> GenerationPeerFields();
std::span<const PeerField> TokenizePeerFields();
std::span<const PeerField> DetokenizePeerFields();
// Of a message of a chat.
std::span<const PeerField> MessagePeerFields();

// Fails for the first field of the list that asks for something.
void RefusePeerFields(std::span<const PeerField> known, FieldReader* fields);

}  // namespace exeunt::coordinator
