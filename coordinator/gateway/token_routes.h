// Answers /tokenize and /detokenize as vLLM does. llama.cpp's "content" is an alias of "prompt".
#pragma once

#include <boost/json/object.hpp>

#include "coordinator/calls/served_model.h"

namespace exeunt::coordinator {

// {prompt | messages | content, add_special_tokens (or add_special), parse_special, return_token_strs} ->
// {count, max_model_len, tokens, token_strs?}. With messages it also reads the fields of chat_fields.h.
ApiResult<boost::json::object> TokenizeReply(const ServedModel& model, const boost::json::object& body);
// {tokens, skip_special_tokens} -> {prompt}
ApiResult<boost::json::object> DetokenizeReply(const ServedModel& model, const boost::json::object& body);

}  // namespace exeunt::coordinator
