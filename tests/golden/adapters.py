"""A random LoRA adapter for one of hf_models' checkpoints, saved and run by `peft`: its product is never merged here."""
from __future__ import annotations

from pathlib import Path

import peft
import torch
import transformers

import hf_models

BASE = "hf_llama"
NAME = "hf_llama_lora"
CONFIG = peft.LoraConfig(r=4, lora_alpha=6, use_rslora=True, rank_pattern={"down_proj": 2},
                         target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
                                         "lm_head"])


def save(base: Path, directory: Path) -> None:
    """Writes the adapter: as large as the weights, so that every part of it shows."""
    model = transformers.AutoModelForCausalLM.from_pretrained(base, torch_dtype=torch.float32)
    torch.manual_seed(99)
    adapted = peft.get_peft_model(model, CONFIG)
    for key, p in adapted.named_parameters():
        if "lora_" in key:
            p.copy_(torch.randn_like(p) / p.shape[1]**0.5)
    adapted.peft_config["default"].base_model_name_or_path = BASE
    adapted.save_pretrained(directory, save_embedding_layers=False)
    (directory / "README.md").unlink(missing_ok=True)


def load(base: Path, directory: Path) -> peft.PeftModel:
    """The checkpoint with the adapter, in float64."""
    return peft.PeftModel.from_pretrained(hf_models.load(base), directory).double().eval()
