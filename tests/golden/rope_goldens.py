#!/usr/bin/env python3
"""Writes data/rope/*.json: logits of hf_qwen3's weights under other RoPE scalings, by transformers, with the spellings of each scaling
and the context length that vLLM derives from it.

  /tmp/venv/bin/python rope_goldens.py        (requirements.txt; after make_goldens.py hf)
"""
from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import torch

import hf_models
import make_goldens
from reference import F32, Model

BASE = make_goldens.DATA / "hf" / "hf_qwen3"
OUT = make_goldens.DATA / "rope"
Keys = dict[str, Any]  # of a config.json, in the place of the base's


def scaled(rope_type: str, **numbers: Any) -> list[Keys]:
    """One scaling in every spelling. transformers 4.51 reads the first."""
    old = {"type": rope_type, **numbers}
    new = {"rope_type": rope_type, **numbers}
    return [{"rope_scaling": new}, {"rope_scaling": old}, {"rope_scaling": {**old, **new}},
            {"rope_scaling": None, "rope_theta": None, "rope_parameters": {"rope_theta": 1e6, **new}},
            {"rope_scaling": None, "rope_theta": None, "rope_parameters": {"full_attention": {"rope_theta": 1e6, **new}}}]


# The base has max_position_embeddings 256. transformers 4.51 takes max_position_embeddings / original for YaRN's factor: the same.
DERIVED = 0.1 * math.log(4) + 1
CASES: dict[str, list[Keys]] = {
    "theta": [{"rope_scaling": None, "rope_theta": 5000.0}, {"rope_scaling": {}, "rope_theta": 5000.0},
              {"rope_scaling": None, "rope_theta": None, "rope_parameters": {"rope_type": "default", "rope_theta": 5000.0}},
              {"rope_scaling": None, "rope_theta": 9.0, "rope_parameters": {"rope_theta": 5000}}],
    "linear": scaled("linear", factor=3.0),
    "llama3": scaled("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64),
    "yarn": scaled("yarn", factor=4.0, original_max_position_embeddings=64)
    + [{"rope_scaling": {"type": "yarn", "original_max_position_embeddings": 64}},
       {"rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 64, "finetuned": True}},
       {"rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 64, "beta_fast": None, "attention_factor": DERIVED}},
       {"rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 64, "beta_fast": 32, "mscale": 1, "mscale_all_dim": 0}}],
    "yarn_betas": scaled("yarn", factor=4.0, original_max_position_embeddings=64, beta_fast=16.0, beta_slow=2),
    "yarn_attention_factor": scaled("yarn", factor=4.0, original_max_position_embeddings=64, attention_factor=1.0)
    # attn_factor multiplies what is derived (vLLM).
    + [{"rope_scaling": {"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 64, "attn_factor": 1 / DERIVED}},
       {"rope_scaling": {"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 64, "apply_yarn_scaling": False}}],
    "yarn_mscale": scaled("yarn", factor=4.0, original_max_position_embeddings=64, mscale=2.0, mscale_all_dim=0.5),
}


def context_of(config: Keys) -> int:
    """vLLM's _get_and_verify_max_len."""
    scaling = config.get("rope_scaling") or {}
    context = config["max_position_embeddings"]
    if scaling.get("rope_type") in ("linear", "yarn"):
        return int(scaling.get("original_max_position_embeddings", context) * scaling["factor"])
    return context


def with_keys(keys: Keys) -> Keys:
    """The base's config.json with some keys replaced; None removes one."""
    config = {**json.loads((BASE / "config.json").read_text(encoding="utf-8")), **keys}
    return {key: value for key, value in config.items() if value is not None}


def main() -> None:
    """Everything."""
    OUT.mkdir(exist_ok=True)
    for name, spellings in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "model.safetensors").symlink_to(BASE / "model.safetensors")
            (Path(folder) / "config.json").write_text(json.dumps(with_keys(spellings[0])), encoding="utf-8")
            model = hf_models.load(Path(folder))
            reference_config, weights = hf_models.as_reference(model)
            # Rotations as transformers has them: reference.py knows only some of the keys.
            rotary = model.model.rotary_emb
            reference_config.rope.frequencies = rotary.inv_freq.double()
            reference_config.rope.magnitude = float(rotary.attention_scaling)
            noisy = lambda tokens: Model(reference_config, weights, F32).run(tokens)  # noqa: E731
            golden = make_goldens.sampled_golden("hf/hf_qwen3", 128, 200, hf_models.runner(model), {"f32": noisy})
        golden = {"context": context_of(with_keys(spellings[0])), "spellings": spellings, **golden}
        make_goldens.write(f"rope/{name}", golden)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
