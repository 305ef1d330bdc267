#!/usr/bin/env python3
"""Writes the seeds of the model parsers' fuzz targets into corpus/: tiny valid files and hostile ones.

The files are committed; run this again after a change here. Needs nothing but Python 3.
"""
import json
import pathlib
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus"
U16, U32, F32, BOOL, STRING, ARRAY, U64 = 2, 4, 6, 7, 8, 9, 10


def u16(v): return struct.pack("<H", v)
def u32(v): return struct.pack("<I", v)
def u64(v): return struct.pack("<Q", v)
def f32(v): return struct.pack("<f", v)
def text(s): return u64(len(s)) + s.encode()


def gguf(pairs, tensors, data, version=3, n_pairs=None, n_tensors=None):
    """pairs: (key, type, bytes); tensors: (name, dimensions fastest first, type, offset)."""
    out = b"GGUF" + u32(version)
    out += u64(len(tensors) if n_tensors is None else n_tensors) + u64(len(pairs) if n_pairs is None else n_pairs)
    for key, kind, value in pairs:
        out += text(key) + u32(kind) + value
    for name, dims, kind, offset in tensors:
        out += text(name) + u32(len(dims)) + b"".join(map(u64, dims)) + u32(kind) + u64(offset)
    return out + bytes(-len(out) % 32) + data


def llama():
    keys = {"block_count": 1, "context_length": 16, "embedding_length": 8, "feed_forward_length": 3,
            "attention.head_count": 2, "attention.head_count_kv": 1}
    pairs = [("general.architecture", STRING, text("llama"))]
    pairs += [("llama." + k, U32, u32(v)) for k, v in keys.items()]
    pairs += [("llama.rope.freq_base", F32, f32(1e4)), ("llama.rope.scaling.type", STRING, text("yarn")),
              ("llama.rope.scaling.factor", F32, f32(2)), ("general.alignment", U32, u32(32)), ("b", BOOL, b"\1"),
              ("tokenizer.ggml.tokens", ARRAY, u32(STRING) + u64(2) + text("a") + text("b")),
              ("floats", ARRAY, u32(F32) + u64(1) + f32(1))]
    shapes = {"token_embd.weight": [8, 2], "output_norm.weight": [8], "blk.0.attn_norm.weight": [8],
              "blk.0.attn_q.weight": [8, 8], "blk.0.attn_k.weight": [8, 4], "blk.0.attn_v.weight": [8, 4],
              "blk.0.attn_output.weight": [8, 8], "blk.0.ffn_norm.weight": [8], "blk.0.ffn_gate.weight": [8, 3],
              "blk.0.ffn_up.weight": [8, 3], "blk.0.ffn_down.weight": [3, 8]}
    tensors, offset = [], 0
    for name, dims in shapes.items():
        tensors.append((name, dims, 0, offset))
        size = 4
        for d in dims:
            size *= d
        offset += size + -size % 32
    return pairs, tensors, bytes(offset)


def write(kind, name, content):
    (CORPUS / kind).mkdir(parents=True, exist_ok=True)
    (CORPUS / kind / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def make_gguf_split():
    pairs, tensors, data = llama()

    def keys(number, count=2, total=len(tensors)):
        return [("split.no", U16, u16(number)), ("split.count", U16, u16(count)), ("split.tensors.count", U32, u32(total))]

    def part(number, more, own, **changed):
        """With the tensors `own`, whose data lie at the beginning."""
        begin = own[0][3]
        return gguf(more + keys(number, **changed), [(n, d, k, o - begin) for n, d, k, o in own], data[begin:])

    first, second = part(0, pairs, tensors[:5]), part(1, [], tensors[5:])
    for name, parts in {"valid": (first, second), "same_part": (first, first), "missing": (first, b""),
                        "other_count": (first, part(1, [], tensors[5:], count=3)),
                        "in_both": (first, part(1, [], tensors[4:])),
                        "other_total": (part(0, pairs, tensors[:5], total=3), second),
                        "not_first": (second, first), "whole": (gguf(pairs, tensors, data), b"")}.items():
        write("gguf_split", name, u32(len(parts[0])) + parts[0] + parts[1])


def make_gguf():
    pairs, tensors, data = llama()
    write("gguf", "valid_llama", gguf(pairs, tensors, data))
    write("gguf", "valid_llama_v2", gguf(pairs, tensors, data, version=2))
    for name, number, elements, size in (("q5_0", 6, 32, 22), ("q5_1", 7, 32, 24), ("q2_k", 10, 256, 84),
                                         ("q3_k", 11, 256, 110), ("iq4_nl", 20, 32, 18), ("iq4_xs", 23, 256, 136)):
        write("gguf", "valid_" + name, gguf([], [("t", [elements, 3], number, 0)], bytes(3 * size)))
        write("gguf", "truncated_" + name, gguf([], [("t", [elements, 3], number, 0)], bytes(3 * size - 1)))
    write("gguf", "other_type", gguf([], [("t", [256, 3], 16, 0)], bytes(300)))
    write("gguf", "keys_of_others", gguf(pairs + [("llama.logit_scale", F32, f32(2)), ("llama.pooling_type", U32, u32(1)),
                                                  ("llama.attention.head_count", ARRAY, u32(U32) + u64(1) + u32(2))],
                                         tensors, data))
    one = [("t", [32, 2], 8, 0)]
    write("gguf", "valid_q8_0", gguf([], one, bytes(68)))
    write("gguf", "truncated_data", gguf([], one, bytes(67)))
    write("gguf", "truncated_header", gguf(pairs, tensors, data)[:150])
    write("gguf", "huge_tensor_count", gguf(pairs, [], b"", n_tensors=2**64 - 1))
    write("gguf", "huge_pair_count", gguf(pairs, [], b"", n_pairs=2**60))
    write("gguf", "huge_string", gguf([("k", STRING, u64(2**63))], [], b""))
    write("gguf", "huge_array", gguf([("k", ARRAY, u32(U64) + u64(2**61))], [], b""))
    write("gguf", "nested_array", gguf([("k", ARRAY, u32(ARRAY) + u64(1) + u32(U32) + u64(0))], [], b""))
    write("gguf", "product_overflow", gguf([], [("t", [2**32, 2**32], 0, 0)], bytes(64)))
    write("gguf", "offset_outside", gguf([], [("t", [32], 0, 2**64 - 32)], bytes(128)))
    write("gguf", "misaligned", gguf([], [("t", [8], 0, 8)], bytes(128)))
    write("gguf", "bad_block", gguf([], [("t", [33], 2, 0)], bytes(128)))
    write("gguf", "overlap", gguf([], [("a", [16], 0, 0), ("b", [16], 0, 32)], bytes(128)))
    write("gguf", "twice", gguf([("k", U32, u32(1)), ("k", U32, u32(1))], [("t", [8], 0, 0), ("t", [8], 0, 32)], bytes(64)))
    write("gguf", "big_alignment", gguf([("general.alignment", U32, u32(2**31))], one, bytes(68)))


def make_safetensors():
    def build(header, data=b"", size=None):
        header = header if isinstance(header, str) else json.dumps(header)
        return u64(len(header) if size is None else size) + header.encode() + data

    def entry(begin, end, shape, kind="F32"):
        return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}

    write("safetensors", "valid", build({"__metadata__": {"format": "pt"}, "a": entry(0, 16, [2, 2]),
                                         "b": entry(16, 20, [2], "BF16"), "c": entry(20, 20, [0], "F16")}, bytes(20)))
    write("safetensors", "truncated", build({"a": entry(0, 16, [2, 2])}, bytes(15)))
    write("safetensors", "overlap", build({"a": entry(0, 16, [4]), "b": entry(8, 24, [4])}, bytes(24)))
    write("safetensors", "product_overflow", build({"a": entry(0, 16, [2**32, 2**32])}, bytes(16)))
    write("safetensors", "negative", build({"a": entry(-4, 16, [-1])}, bytes(16)))
    write("safetensors", "huge_offsets", build({"a": entry(2**63, 2**64 - 1, [4])}, bytes(16)))
    write("safetensors", "huge_header", build("{}", size=2**63))
    write("safetensors", "deep", build("[" * 1000))
    write("safetensors", "other_type", build({"a": entry(0, 16, [2], "I64")}, bytes(16)))


def make_hf_config():
    base = {"architectures": ["LlamaForCausalLM"], "num_hidden_layers": 2, "hidden_size": 64, "vocab_size": 128,
            "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2,
            "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "hidden_act": "silu", "rope_theta": 1e6}
    scaling = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
    more = {
        "llama3": {"rope_scaling": {"rope_type": "llama3", **scaling}},
        "parameters": {"rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5, **scaling}},
        "yarn": {"architectures": ["Qwen2ForCausalLM"], "rope_scaling": {
            "type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768, "attention_factor": 1.2}},
        "qwen3": {"architectures": ["Qwen3ForCausalLM"], "head_dim": 128, "use_sliding_window": True,
                  "sliding_window": 64, "max_window_layers": 0, "layer_types": ["sliding_attention"] * 2},
        "mistral": {"architectures": ["MistralForCausalLM"], "sliding_window": 4096, "tie_word_embeddings": True},
        "hostile_numbers": {"hidden_size": 2**63, "vocab_size": -1, "rope_theta": 1e308, "num_attention_heads": 0},
        "hostile_types": {"architectures": {}, "rope_scaling": [1], "head_dim": "8"},
        "spellings": {"rope_scaling": {"rope_type": "yarn", "type": "yarn", "factor": 4, "attn_factor": 0.9, "mscale": 1, "mscale_all_dim": 2,
                                       "truncate": False, "extrapolation_factor": 0.5, "beta_fast": 0, "finetuned": True}},
        "layers": {"rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 2.5},
                                       "sliding_attention": {"rope_type": "linear", "factor": 2.5}}},
        "hostile_scaling": {"rope_scaling": {"type": "yarn", "factor": 1e38, "original_max_position_embeddings": 2147483647,
                                             "attention_factor": -1, "mscale": 1e300}},
        "without_effect": {"mamba": {"a": 1}, "logit_scale": 1.0, "x" * 200: 1},
        "unknown": {"architectures": ["GemmaForCausalLM"], "hidden_act": "gelu"},
    }
    write("hf_config", "plain", json.dumps(base))
    for name, keys in more.items():
        write("hf_config", name, json.dumps({**base, **keys}))
    write("hf_config", "deep", '{"architectures":' + "[" * 200)
    write("hf_config", "tensor_name", "model.layers.0.self_attn.q_proj.weight")


def make_hf_special_tokens():
    files = {
        "names": {"tokenizer_config": {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "pad_token": None, "add_bos_token": True}},
        "map": {"special_tokens_map": {"eos_token": "a", "additional_special_tokens": ["<x>", {"content": "<y>", "lstrip": True}]}},
        "decoder": {"tokenizer_config": {"added_tokens_decoder": {"9": {"content": "<z>"}, "4": {"content": "<w>", "special": True}}}},
        "added": {"added_tokens": {"<tool>": 7, "<think>": 5}},
        "ids": {"generation_config": {"eos_token_id": [1, 3], "bos_token_id": None}, "config": {"eos_token_id": 4, "model_type": "llama"}},
        "hostile": {"tokenizer_config": {"added_tokens_decoder": {"-1": {}}, "bos_token": []}, "config": {"eos_token_id": [2**62, -1]}},
        "outside": {"tokenizer_config": {"eos_token": "<far>", "add_eos_token": True},
                    "added_tokens": {f"<{i}>": i for i in range(20)}},
    }
    for name, content in files.items():
        write("hf_special_tokens", name, json.dumps(content))


make_gguf()
make_gguf_split()
make_safetensors()
make_hf_special_tokens()
make_hf_config()
