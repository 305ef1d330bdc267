#include "coordinator/openai/peer_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "coordinator/openai/json_text.h"

namespace exeunt::coordinator {
namespace {

namespace json = boost::json;

// Defaults are those of each server's documentation or source. A parameter of an unsupported method (beam
// search, DRY, XTC, Mirostat, ...) changes nothing if the method's own field is neutral.
constexpr PeerField kGeneration[] = {
    {"adapter_id", "TGI", R"([""])"},
    {"adaptive_decay", "llama.cpp", kAnyValue},
    {"adaptive_target", "llama.cpp", R"([-1])"},
    {"audio", "OpenAI", kEmptyValues},
    {"backend_sampling", "llama.cpp", kAnyValue},
    {"bootstrap_host", "SGLang", R"([])"},
    {"bootstrap_port", "SGLang", R"([])"},
    {"bootstrap_room", "SGLang", R"([])"},
    {"cache_prompt", "llama.cpp", kAnyValue},
    {"cache_salt", "vLLM, SGLang", R"([""])"},
    {"chat_format", "llama.cpp", R"([0])"},
    {"chat_parser", "llama.cpp", R"([""])"},
    {"chat_template", "vLLM, llama.cpp", R"([""])"},
    {"custom_labels", "SGLang", kEmptyValues},
    {"custom_logit_processor", "SGLang", kEmptyValues},
    {"custom_params", "SGLang", kEmptyValues},
    {"data_parallel_rank", "SGLang", R"([])"},
    {"decoder_input_details", "TGI", R"([false])", "'echo' with 'logprobs'"},
    {"details", "TGI", R"([false])", "'logprobs'"},
    {"detokenize", "vLLM", R"([true])"},
    {"disagg_prefill_dp_rank", "SGLang", R"([])"},
    {"documents", "vLLM", kEmptyValues},
    {"dry_allowed_length", "llama.cpp", kAnyValue},
    {"dry_base", "llama.cpp", kAnyValue},
    {"dry_multiplier", "llama.cpp", R"([0])", "'repetition_penalty'"},
    {"dry_penalty_last_n", "llama.cpp", kAnyValue},
    {"dry_sequence_breakers", "llama.cpp", kAnyValue},
    {"dynatemp_exponent", "llama.cpp", kAnyValue},
    {"dynatemp_range", "llama.cpp", R"([0])"},
    {"ebnf", "SGLang", R"([""])"},
    {"ec_transfer_params", "vLLM", kEmptyValues},
    {"extra_key", "SGLang", kAnyValue},
    {"function_call", "OpenAI", R"(["none","auto"])"},
    {"functions", "OpenAI", kEmptyValues},
    {"generation_prompt", "llama.cpp", R"([""])"},
    {"grammar", "llama.cpp, TGI", R"([""])"},
    {"grammar_lazy", "llama.cpp", kAnyValue},
    {"grammar_triggers", "llama.cpp", kEmptyValues},
    {"grammar_type", "llama.cpp", kAnyValue},
    {"guided_choice", "vLLM", R"(["",[]])"},
    {"guided_decoding_backend", "vLLM", R"([""])"},
    {"guided_grammar", "vLLM", R"([""])"},
    {"guided_json", "vLLM", R"([""])"},
    {"guided_regex", "vLLM", R"([""])"},
    {"guided_whitespace_pattern", "vLLM", R"([""])"},
    {"guideline", "TGI", R"([""])"},
    {"id_slot", "llama.cpp", R"([-1])"},
    {"image_data", "llama.cpp", kEmptyValues},
    {"images_config", "SGLang", kEmptyValues},
    {"include_reasoning", "vLLM", R"([true])"},
    {"input_extra", "llama.cpp", kEmptyValues},
    {"input_ids", "SGLang", R"([[]])", "'prompt' of /v1/completions"},
    {"input_prefix", "llama.cpp", R"([""])"},
    {"input_suffix", "llama.cpp", R"([""])"},
    {"inputs", "TGI", R"([""])", "'prompt'"},
    {"json_schema", "llama.cpp, SGLang", R"([""])"},
    {"kv_transfer_params", "vLLM", kEmptyValues},
    {"length_penalty", "vLLM", R"([1])"},
    {"logits_processors", "vLLM", kEmptyValues},
    {"logprob_start_len", "SGLang", kAnyValue},
    {"logprob_token_ids", "vLLM", R"([])"},
    {"lora", "llama.cpp", R"([[]])"},
    {"lora_path", "SGLang", R"(["",[],[null]])"},
    {"max_dynamic_patch", "SGLang", R"([])"},
    {"max_new_tokens", "SGLang, TGI", R"([])", "'max_tokens'"},
    {"media_io_kwargs", "vLLM", kEmptyValues},
    {"min_dynamic_patch", "SGLang", R"([])"},
    {"min_keep", "llama.cpp", R"([0])"},
    {"min_new_tokens", "SGLang", R"([0])", "'min_tokens'"},
    {"mirostat", "llama.cpp", R"([0])"},
    {"mirostat_eta", "llama.cpp", kAnyValue},
    {"mirostat_tau", "llama.cpp", kAnyValue},
    {"mm_processor_kwargs", "vLLM", kEmptyValues},
    {"modalities", "OpenAI", R"([[],["text"]])"},
    {"moderation", "OpenAI", kEmptyValues},
    {"multimodal_data", "llama.cpp", kEmptyValues},
    {"n_cache_reuse", "llama.cpp", kAnyValue},
    {"n_cmpl", "llama.cpp", R"([1])", "'n'"},
    {"n_discard", "llama.cpp", kAnyValue},
    {"n_indent", "llama.cpp", R"([0])"},
    {"n_keep", "llama.cpp", kAnyValue},
    {"n_predict", "llama.cpp", R"([-1])", "'max_tokens'"},
    {"n_probs", "llama.cpp", R"([0])", "'logprobs'"},
    {"ngram_corpus_id", "SGLang", R"([])"},
    {"parallel_tool_calls", "OpenAI, vLLM, SGLang", R"([true,false])"},
    {"parameters", "TGI", kEmptyValues},
    {"parse_tool_calls", "llama.cpp", kAnyValue},
    {"penalize_nl", "llama.cpp", kAnyValue},
    {"post_sampling_probs", "llama.cpp", R"([false])"},
    {"prediction", "OpenAI", kEmptyValues},
    {"preserved_tokens", "llama.cpp", kEmptyValues},
    {"prompt_cache_key", "OpenAI", kAnyValue},
    {"prompt_cache_options", "OpenAI", kAnyValue},
    {"prompt_cache_retention", "OpenAI", kAnyValue},
    {"prompt_embeds", "vLLM", R"(["",[]])"},
    {"prompt_logprobs", "vLLM", R"([])", "'echo' with 'logprobs'"},
    {"reasoning", "SGLang", kEmptyValues},
    {"reasoning_budget_end_tag", "llama.cpp", kAnyValue},
    {"reasoning_budget_end_tags", "llama.cpp", kAnyValue},
    {"reasoning_budget_message", "llama.cpp", kAnyValue},
    {"reasoning_budget_start_tag", "llama.cpp", kAnyValue},
    {"reasoning_budget_tokens", "llama.cpp", R"([-1])"},
    {"reasoning_control", "llama.cpp", R"([false])"},
    {"reasoning_effort", "OpenAI, vLLM, SGLang", R"(["medium"])",
     "'chat_template_kwargs', where the model's template reads it"},
    {"reasoning_format", "llama.cpp", R"(["none","auto"])"},
    {"reasoning_in_content", "llama.cpp", R"([false])"},
    {"regex", "SGLang", R"([""])"},
    {"repeat_last_n", "llama.cpp", kAnyValue},
    {"repeat_penalty", "llama.cpp", R"([1])", "'repetition_penalty'"},
    {"repetition_detection", "vLLM", kEmptyMembers},
    {"response_fields", "llama.cpp", R"([[]])"},
    {"return_cached_tokens_details", "SGLang", R"([false])", "'usage.prompt_tokens_details'"},
    {"return_full_text", "TGI", R"([false])", "'echo'"},
    {"return_hidden_states", "SGLang", R"([false])"},
    {"return_logprob", "SGLang", R"([false])", "'logprobs'"},
    {"return_meta_info", "SGLang", R"([false])"},
    {"return_mm_kwargs", "vLLM", kAnyValue},
    {"return_progress", "llama.cpp", R"([false])"},
    {"return_prompt_text", "vLLM", R"([false])", "'/tokenize' and '/detokenize'"},
    {"return_prompt_token_ids", "SGLang", R"([false])", "'/tokenize'"},
    {"return_routed_experts", "SGLang", R"([false])"},
    {"return_text_in_logprobs", "SGLang", R"([false])"},
    {"return_token_ids", "vLLM, SGLang", R"([false])"},
    {"return_token_offsets", "vLLM", R"([false])"},
    {"return_tokens", "llama.cpp", R"([false])"},
    {"return_tokens_as_token_ids", "vLLM", R"([false])"},
    {"rid", "SGLang", R"([""])", "'request_id'"},
    {"routed_dp_rank", "SGLang", R"([])"},
    {"routed_experts_prompt_start", "vLLM", R"([0])"},
    {"routed_experts_start_len", "SGLang", R"([0])"},
    {"safety_identifier", "OpenAI", kAnyValue},
    {"samplers", "llama.cpp", R"([])", "'temperature', 'top_k', 'top_p' and 'min_p', applied in this order"},
    {"sampling_params", "SGLang", kEmptyValues},
    {"sampling_seed", "SGLang", R"([])", "'seed'"},
    {"separate_reasoning", "SGLang", kAnyValue},
    {"service_tier", "OpenAI, vLLM", R"(["auto","default"])", "'priority'"},
    {"session_id", "vLLM, SGLang", kAnyValue},
    {"session_params", "SGLang", kEmptyValues},
    {"slot_id", "llama.cpp", R"([-1])"},
    {"spaces_between_special_tokens", "vLLM, SGLang", kAnyValue},
    {"speculative.n_max", "llama.cpp", kAnyValue},
    {"speculative.n_min", "llama.cpp", kAnyValue},
    {"speculative.p_min", "llama.cpp", kAnyValue},
    {"stop_regex", "SGLang", R"(["",[]])", "'stop'"},
    {"store", "OpenAI", R"([false])"},
    {"stream_interval", "vLLM", R"([1])"},
    {"stream_reasoning", "SGLang", kAnyValue},
    {"structural_tag", "vLLM, SGLang", R"(["",{}])"},
    {"structured_outputs", "vLLM", kEmptyMembers},
    {"suffix", "OpenAI, vLLM, SGLang", R"([""])"},
    {"system_prompt", "llama.cpp", kEmptyValues, "a message of role 'system'"},
    {"t_max_predict_ms", "llama.cpp", R"([0,-1])", "'timeout'"},
    {"task", "SGLang", R"([""])"},
    {"tfs_z", "llama.cpp", R"([1])"},
    {"thinking_forced_open", "llama.cpp", R"([false])"},
    {"thinking_token_budget", "vLLM", R"([-1])"},
    {"timings_per_token", "llama.cpp", R"([false])", "'usage.queue_time' and /metrics"},
    {"tool_choice", "OpenAI, vLLM, SGLang, TGI", R"(["none","auto"])"},
    {"tool_prompt", "TGI", kAnyValue},
    {"tools", "OpenAI, vLLM, SGLang, TGI", kEmptyValues},
    {"top_logprobs_num", "SGLang", R"([0])", "'logprobs'"},
    {"top_n_sigma", "llama.cpp", R"([-1,0])"},
    {"top_n_tokens", "TGI", R"([0])", "'logprobs'"},
    {"truncate", "TGI", R"([])"},
    {"truncate_prompt_tokens", "vLLM", R"([])"},
    {"truncation_side", "vLLM", kAnyValue},
    {"typical_p", "TGI, llama.cpp", R"([1])"},
    {"use_audio_in_video", "SGLang", R"([false])"},
    {"use_beam_search", "vLLM", R"([false])", "'best_of'"},
    {"verbose", "llama.cpp", R"([false])"},
    {"verbosity", "OpenAI", R"(["medium"])"},
    {"vllm_xargs", "vLLM", kEmptyValues},
    {"watermark", "TGI", R"([false])"},
    {"watermarking", "vLLM", R"([false])"},
    {"web_search_options", "OpenAI", R"([])"},
    {"xtc_probability", "llama.cpp", R"([0])"},
    {"xtc_threshold", "llama.cpp", kAnyValue},
};

constexpr PeerField kTokenize[] = {
    {"chat_template", "vLLM", R"([""])"},
    {"documents", "vLLM", kEmptyValues},
    {"media_io_kwargs", "vLLM", kEmptyValues},
    {"mm_processor_kwargs", "vLLM", kEmptyValues},
    {"reasoning_effort", "SGLang", R"(["medium"])",
     "'chat_template_kwargs', where the model's template reads it"},
    {"return_token_offsets", "vLLM", R"([false])"},
    {"tools", "vLLM, SGLang", kEmptyValues},
    {"truncate_prompt_tokens", "vLLM", R"([])"},
    {"truncation_side", "vLLM", kAnyValue},
    {"with_pieces", "llama.cpp", R"([false])", "'return_token_strs'"},
};

constexpr PeerField kDetokenize[] = {
    {"spaces_between_special_tokens", "vLLM", kAnyValue},
};

constexpr PeerField kMessage[] = {
    {"audio", "OpenAI", kEmptyValues},
    {"function_call", "OpenAI", kEmptyValues},
    {"refusal", "OpenAI", R"([""])"},
    {"tool_call_id", "OpenAI, vLLM, SGLang, llama.cpp", R"([""])"},
    {"tool_calls", "OpenAI, vLLM, SGLang, TGI, llama.cpp", kEmptyValues},
    {"tools", "SGLang", kEmptyValues},
};

bool AsksForNothing(const json::value& member) {
  if (member.is_bool()) return !member.get_bool();
  return member.is_null() || (member.is_number() && member.to_number<double>() == 0);
}

bool Same(const json::value& a, const json::value& b) {
  if (a.is_number() && b.is_number()) return a.to_number<double>() == b.to_number<double>();
  return a == b;
}

bool AsksForNothing(const PeerField& field, const json::value& value) {
  if (field.neutral == kAnyValue) return true;
  if (field.neutral == kEmptyMembers) {
    const json::object* object = value.if_object();
    return object != nullptr && std::all_of(object->begin(), object->end(), [](const auto& member) {
             return AsksForNothing(member.value());
           });
  }
  const json::value neutral = json::parse(field.neutral);
  return std::any_of(neutral.get_array().begin(), neutral.get_array().end(),
                     [&value](const json::value& each) { return Same(each, value); });
}

std::string NeutralValues(const PeerField& field) {
  std::string values;
  const json::value neutral = json::parse(field.neutral);
  for (const json::value& value : neutral.get_array()) values += WriteJson(value) + " or ";
  return values + "null";
}

}  // namespace

std::span<const PeerField> GenerationPeerFields() { return kGeneration; }
std::span<const PeerField> TokenizePeerFields() { return kTokenize; }
std::span<const PeerField> DetokenizePeerFields() { return kDetokenize; }
std::span<const PeerField> MessagePeerFields() { return kMessage; }

void RefusePeerFields(std::span<const PeerField> known, FieldReader* fields) {
  for (const PeerField& field : known) {
    const json::value* value = fields->Find(field.name);
    if (value == nullptr || AsksForNothing(field, *value)) continue;
    return fields->Fail(
        field.name,
        fmt::format("'{}' is {}, which has a meaning in {} and is not built in this server; leave it "
                    "out, or give {}{}{}",
                    field.name, JsonExcerpt(*value), field.peers, NeutralValues(field),
                    field.instead.empty() ? "" : "; there is ", field.instead),
        "unsupported_parameter");
  }
}

}  // namespace exeunt::coordinator
