#!/usr/bin/env python3
"""Writes special_tokens.json: small Hugging Face directories, and what transformers' AutoTokenizer makes of their special tokens.
A case without a tokenizer.json has the one that all share.

    python3 -m venv v && v/bin/pip install transformers==4.51.3 tokenizers==0.21.4 && v/bin/python make_special_token_goldens.py
"""
from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

OUT = Path(__file__).resolve().parent / "special_tokens.json"
VOCAB = {c: i for i, c in enumerate("abcdefgh")} | {"Ġ": 8, "<s>": 9, "</s>": 10, "<unk>": 11, "<v>": 12}
TOKENIZER: dict[str, Any] = {
    "version": "1.0", "truncation": None, "padding": None,
    "added_tokens": [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
                     for t, i in VOCAB.items() if t in ("<s>", "</s>", "<unk>")],
    "normalizer": None, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
    "post_processor": None, "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
              "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": VOCAB, "merges": []}}
WITH_BOS = TOKENIZER | {"post_processor": {
    "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
    "special_tokens": {"<s>": {"id": "<s>", "ids": [9], "tokens": ["<s>"]}}}}
FAST = {"tokenizer_class": "PreTrainedTokenizerFast"}
NAMED = FAST | {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def token(content: str, **flags: bool) -> dict[str, Any]:
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True} | flags


Files = dict[str, Any]
CASES: dict[str, Files] = {
    "plain": {"tokenizer_config.json": NAMED},
    "no_names": {"tokenizer_config.json": FAST},
    "null_is_a_value": {"tokenizer_config.json": NAMED | {"bos_token": None}},
    "map_overrules_config": {"tokenizer_config.json": NAMED, "special_tokens_map.json": {"eos_token": "<v>", "pad_token": "</s>"}},
    "map_null_overrules_config": {"tokenizer_config.json": NAMED, "special_tokens_map.json": {"bos_token": None}},
    "map_is_ignored_with_a_decoder": {
        "tokenizer_config.json": NAMED | {"added_tokens_decoder": {"9": token("<s>"), "10": token("</s>"), "11": token("<unk>")}},
        "special_tokens_map.json": {"eos_token": "<v>"}},
    "map_alone": {"tokenizer_config.json": FAST, "special_tokens_map.json": {"bos_token": token("<s>"), "eos_token": "</s>"}},
    "decoder_adds": {"tokenizer_config.json": NAMED | {"added_tokens_decoder": {"13": token("<new>"), "14": token("<tool>", special=False)}}},
    "decoder_ids_are_places": {"tokenizer_config.json": NAMED | {"added_tokens_decoder": {"40": token("<late>"), "20": token("<early>")}}},
    "decoder_changes_flags": {"tokenizer_config.json": NAMED | {"added_tokens_decoder": {
        "9": token("<s>", lstrip=True), "12": token("<v>", special=False, rstrip=True)}}},
    "decoder_of_a_named_token": {"tokenizer_config.json": NAMED | {"eos_token": "<end>", "added_tokens_decoder": {
        "13": token("<end>", special=False)}}},
    "decoder_normalized": {"tokenizer_config.json": NAMED | {"added_tokens_decoder": {"13": token("<new>", special=False, normalized=True)}}},
    "added_tokens_json": {"tokenizer_config.json": NAMED, "added_tokens.json": {"<tool>": 14, "<think>": 13}},
    "added_tokens_json_of_named": {"tokenizer_config.json": NAMED | {"eos_token": "<end>"}, "added_tokens.json": {"<end>": 13, "<x>": 14}},
    "added_tokens_json_is_ignored_with_a_decoder": {
        "tokenizer_config.json": NAMED | {"added_tokens_decoder": {"13": token("<a>")}}, "added_tokens.json": {"<b>": 13}},
    "named_token_is_added": {"tokenizer_config.json": NAMED | {"pad_token": "[PAD]", "sep_token": "<v>"}},
    "additional": {"tokenizer_config.json": NAMED | {"additional_special_tokens": ["<|user|>", "<v>"]}},
    "additional_of_map": {"tokenizer_config.json": NAMED | {"additional_special_tokens": ["<x>"]},
                          "special_tokens_map.json": {"additional_special_tokens": [token("<y>"), "<z>"]}},
    "extra_named": {"tokenizer_config.json": NAMED | {"extra_special_tokens": {"image_token": "<new>", "tool_token": "<tool>"}}},
    "llama_defaults": {"tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer"}},
    "llama_without_bos": {"tokenizer_config.json": {"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": False}, "tokenizer.json": WITH_BOS},
    "llama_with_eos": {"tokenizer_config.json": {"tokenizer_class": "LlamaTokenizerFast", "add_eos_token": True}},
    "llama_null_bos": {"tokenizer_config.json": {"tokenizer_class": "LlamaTokenizerFast", "bos_token": None, "add_bos_token": False}},
    "qwen_defaults": {"tokenizer_config.json": {"tokenizer_class": "Qwen2Tokenizer"}},
    "gpt2_defaults": {"tokenizer_config.json": {"tokenizer_class": "GPT2Tokenizer"}},
    "class_of_the_model_type": {"config.json": {"model_type": "llama"}, "tokenizer_config.json": {}},
    "class_of_qwen3": {"config.json": {"model_type": "qwen3"}, "tokenizer_config.json": {}},
    "post_processor": {"tokenizer_config.json": NAMED, "tokenizer.json": WITH_BOS},
}
TEXTS = ["a <s> b</s>c", "ab<v> c <new>d<tool> e", "a<end><x>[PAD]<|user|><y><z>", "<early><late>a<think> <a><b>", "<|endoftext|>h"]


def main() -> None:
    lines = []
    for name, files in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            for file, content in ({"tokenizer.json": TOKENIZER, "config.json": {}} | files).items():
                (Path(folder) / file).write_text(json.dumps(content))
            loaded = AutoTokenizer.from_pretrained(folder, use_fast=True)
        named = {k: v for k, v in loaded.special_tokens_map.items() if k != "additional_special_tokens"}
        case = {"name": name, "files": files, "named": named, "additional": loaded.additional_special_tokens,
                "texts": [{"text": text, "ids": loaded.encode(text), "bare": loaded.encode(text, add_special_tokens=False),
                           "shown": loaded.decode(loaded.encode(text), skip_special_tokens=True, clean_up_tokenization_spaces=False)} for text in TEXTS]}
        lines.append(json.dumps(case, ensure_ascii=False))
    OUT.write_text('{"tokenizer.json": ' + json.dumps(TOKENIZER) + ',\n"cases": [\n' + ",\n".join(lines) + "\n]}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
