"""What training leaves for exeunt: adapter/ (PEFT's layout, F16) and exits/ (exits.json, exits.safetensors)."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path

import safetensors.torch
import torch

from exiting_model import ExitingModel


def write_adapter(model: ExitingModel, source: Path, adapter: Path) -> None:
    model.adapted.peft_config["default"].base_model_name_or_path = source.name
    model.adapted.save_pretrained(adapter, save_embedding_layers=False)
    (adapter / "README.md").unlink(missing_ok=True)
    weights = adapter / "adapter_model.safetensors"
    halves = {name: tensor.half() for name, tensor in safetensors.torch.load_file(weights).items()}
    safetensors.torch.save_file(halves, weights, metadata={"format": "pt"})


def write(model: ExitingModel, source: Path, out: Path, exeunt: Path) -> None:
    """The binary binds the exits to the model with the adapter, by their hash."""
    adapter, exits = out / "adapter", out / "exits"
    write_adapter(model, source, adapter)
    exits.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, torch.Tensor] = {}
    for layer, translator in model.translators.items():
        tensors[f"exit.{layer}.translator.weight"] = translator.weight.detach().cpu().half().contiguous()
        tensors[f"exit.{layer}.translator.bias"] = translator.bias.detach().cpu().float()
    safetensors.torch.save_file(tensors, exits / "exits.safetensors")
    described = json.loads(subprocess.run([exeunt, "inspect", source, "--adapter", adapter, "--json"], check=True,
                                          capture_output=True, text=True).stdout)
    listed = [{"layer": e, "translator": True, "classifier": False} for e in model.exits]
    (exits / "exits.json").write_text(json.dumps({"format": 1, "model": described["hash"], "exits": listed}, indent=1) + "\n",
                                      encoding="utf-8")
