// The fields of a chat that say how its conversation is rendered. They are add_generation_prompt,
// continue_final_message and chat_template_kwargs, as in vLLM.
#pragma once

#include <boost/json/array.hpp>

#include "coordinator/openai/field_reader.h"
#include "text/chat_rendering.h"

namespace exeunt::coordinator {

// Reads the three fields. Errors are left in `fields`. An entry of chat_template_kwargs takes precedence over
// the field of the same name. `messages` are those of the chat. The last one must be the assistant's if it is
// continued.
text::ChatOptions ReadChatFields(FieldReader* fields, const boost::json::array& messages);
// Refuses these fields in a request without a conversation, if they ask for something.
void RefuseChatFields(FieldReader* fields);

}  // namespace exeunt::coordinator
