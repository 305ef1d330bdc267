// The fields of a chat that say how its conversation is rendered: add_generation_prompt,
// continue_final_message and chat_template_kwargs, as vLLM has them.
#pragma once

#include <boost/json/array.hpp>

#include "coordinator/openai/field_reader.h"
#include "text/chat_rendering.h"

namespace exeunt::coordinator {

// Reads the three fields; what is wrong is left in `fields`. An entry of chat_template_kwargs stands above
// the field of the same name. `messages` are those of the chat: the last one must be an assistant's where it
// is continued.
text::ChatOptions ReadChatFields(FieldReader* fields, const boost::json::array& messages);
// Where there is no conversation, a field that asks for something is refused.
void RefuseChatFields(FieldReader* fields);

}  // namespace exeunt::coordinator
