"""Tiny random checkpoints saved by `transformers`, and their logits by transformers' own modelling code."""
from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

import reference
from reference import Config, Model, Numerics, Rope, Tensor, Weights

COMMON: dict[str, Any] = dict(vocab_size=128, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                              num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256,
                              attn_implementation="eager")
# Class, what differs from COMMON, type of the stored tensors, largest shard.
MODELS: dict[str, tuple[type, dict[str, Any], torch.dtype, str]] = {
    "hf_llama": (transformers.LlamaConfig,
                 dict(head_dim=16, tie_word_embeddings=False, rms_norm_eps=1e-2, rope_theta=500000.0,
                      rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                        original_max_position_embeddings=64)), torch.float32, "60KB"),
    "hf_mistral": (transformers.MistralConfig, dict(head_dim=16, sliding_window=33, rms_norm_eps=1e-5),
                   torch.bfloat16, "1GB"),
    "hf_qwen2": (transformers.Qwen2Config,
                 dict(hidden_size=64, max_position_embeddings=4096, tie_word_embeddings=True, rope_theta=1e4,
                      rms_norm_eps=1e-6,
                      rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=1024)),
                 torch.float16, "1GB"),
    "hf_qwen3": (transformers.Qwen3Config,
                 dict(head_dim=32, tie_word_embeddings=True, rope_theta=1e6, rms_norm_eps=1e-6,
                      rope_scaling=dict(rope_type="linear", factor=2.0)), torch.bfloat16, "1GB"),
}
NAMES = list(MODELS)


class HalfCache(transformers.DynamicCache):
    """Keys and values rounded to F16, as our cache stores them."""

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int,
               cache_kwargs: dict[str, Any] | None = None) -> tuple[Tensor, Tensor]:
        """As DynamicCache's."""
        dtype = key_states.dtype
        return super().update(key_states.half().to(dtype), value_states.half().to(dtype), layer_idx, cache_kwargs)


def save(name: str, directory: Path) -> None:
    """Writes the checkpoint. Weights are large enough for every part to matter, as in model/testing/random_model."""
    config_class, differences, dtype, shard = MODELS[name]
    torch.manual_seed(NAMES.index(name) + 1)
    model = transformers.AutoModelForCausalLM.from_config(config_class(**{**COMMON, **differences}))
    for key, p in model.named_parameters():
        if p.dim() == 2:
            p.copy_(torch.randn_like(p) / math.sqrt(p.shape[1]))
        else:
            p.copy_(torch.randn_like(p) * 0.1 + (0.0 if key.endswith("bias") else 1.0))
    model.to(dtype).save_pretrained(directory, max_shard_size=shard)
    (directory / "generation_config.json").unlink(missing_ok=True)


def load(path: Path) -> transformers.PreTrainedModel:
    """Opens what save() wrote, or a GGUF file, in float64."""
    source = {"gguf_file": path.name} if path.is_file() else {}
    return transformers.AutoModelForCausalLM.from_pretrained(path.parent if source else path, torch_dtype=torch.float64,
                                                             attn_implementation="eager", **source).eval()


def runner(model: torch.nn.Module) -> Callable[[list[int]], Tensor]:
    """A loaded checkpoint as a function from a sequence to its logits [tokens, vocab]."""
    return lambda tokens: model(torch.tensor([tokens]), past_key_values=HalfCache(), use_cache=True).logits[0]


def as_reference(model: transformers.PreTrainedModel) -> tuple[Config, Weights]:
    """A loaded checkpoint for reference.py."""
    c = model.config
    names = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
             "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
             "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
             "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "model.layers.": "blk.",
             "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    tensors = {}
    for key, value in model.state_dict().items():
        for theirs, ours in names.items():
            key = key.replace(theirs, ours)
        tensors[key] = value
    head_dim = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    scaling: dict[str, Any] = getattr(c, "rope_scaling", None) or {"rope_type": "default"}
    rope = Rope(reference.plain_frequencies(head_dim, c.rope_theta))
    if scaling["rope_type"] == "linear":
        rope.frequencies = rope.frequencies / scaling["factor"]
    elif scaling["rope_type"] == "llama3":
        rope.frequencies = reference.llama3_frequencies(
            head_dim, c.rope_theta, scaling["factor"], scaling["original_max_position_embeddings"],
            scaling["low_freq_factor"], scaling["high_freq_factor"])
    elif scaling["rope_type"] == "yarn":
        rope.frequencies = reference.yarn_frequencies(head_dim, c.rope_theta, scaling["factor"],
                                                      scaling["original_max_position_embeddings"], 32.0, 1.0)
        rope.magnitude = 0.1 * math.log(scaling["factor"]) + 1
    window = c.sliding_window if c.model_type == "mistral" else 0
    return Config(c.num_hidden_layers, c.num_attention_heads, c.num_key_value_heads, head_dim, c.rms_norm_eps, rope,
                  window), Weights(tensors)


def check_reference(directory: Path) -> None:
    """reference.py against transformers: two implementations that share nothing with ours, nor with each other.

    transformers rounds angles to float32 whatever the model's type: 2^-24 of up to 80 radians, 5e-6, which K and
    Q carry into scores of a few units and those into the logits; 1e-4 is 20 times that. A wrong formula gives 1e-1.
    """
    tokens = list(range(0, 128, 2)) + list(range(1, 33, 2))
    theirs = load(directory)(torch.tensor([tokens])).logits[0]
    ours = Model(*as_reference(load(directory)), Numerics(half_kv=False)).run(tokens)
    difference = (theirs - ours).abs().max().item()
    print(f"{directory.name}: reference.py and transformers differ by {difference:.2g}")
    assert difference < 1e-4, difference
