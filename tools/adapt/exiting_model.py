"""A transformers decoder with a LoRA adapter, run layer by layer with exits, states that stop where a token left (CALM's
propagation), and an affine translator per exit before the shared norm and head."""
from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import peft
import safetensors.torch
import torch
import transformers

ADAPTER = "adapter/adapter_model.safetensors"  # in what a run leaves (export.py)
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class Tokenizer:
    """Exeunt's own, so that what is trained on is what will be served (transformers reads another end token and other rules
    for digits out of a GGUF file)."""

    def __init__(self, exeunt: Path, model: Path):
        self._command = [str(exeunt), "tokenize", str(model)]
        described = subprocess.run([exeunt, "inspect", model, "--json"], check=True, stdout=subprocess.PIPE, text=True).stdout
        self.eos: int = json.loads(described)["end_tokens"][0]
        self.pad: int = self.eos

    def prompts(self, texts: list[str]) -> list[list[int]]:
        return self._run(texts, [])

    def answers(self, texts: list[str]) -> list[list[int]]:
        return [ids + [self.eos] for ids in self._run(texts, ["--no-special"])]

    def _run(self, texts: list[str], flags: list[str]) -> list[list[int]]:
        lines = "".join(json.dumps(text) + "\n" for text in texts)
        out = subprocess.run(self._command + flags, check=True, input=lines, stdout=subprocess.PIPE, text=True).stdout
        return [json.loads(line) for line in out.splitlines()]


def has_fast_bfloat16(device: str) -> bool:
    """Without the instructions bfloat16 is emulated, many times slower than float32."""
    if device != "cpu":
        return True
    return any(flag in Path("/proc/cpuinfo").read_text(encoding="utf-8") for flag in ("avx512_bf16", "amx_bf16"))


class ExitingModel(torch.nn.Module):
    """Depths count layers: a state of depth e has been through the first e layers; depth n_layers is the full model."""

    def __init__(self, model: Path, exits: list[int], rank: int, device: str):
        super().__init__()
        source = {"gguf_file": model.name} if model.is_file() else {}
        # On CPU torch's fused attention takes 42 % of a step in bfloat16, the plain products a tenth of that.
        base = transformers.AutoModelForCausalLM.from_pretrained(
            model.parent if source else model, torch_dtype=torch.float32,
            attn_implementation="eager" if device == "cpu" else "sdpa", **source)
        self.n_layers: int = base.config.num_hidden_layers
        if not all(0 < a < b for a, b in zip(exits, exits[1:] + [self.n_layers])):
            raise ValueError(f"exits {exits} are not ascending layers between 0 and {self.n_layers}")
        self.low_precision = has_fast_bfloat16(device)
        if self.low_precision:  # frozen matrices once, instead of at every use; norms stay float32
            for module in base.modules():
                if isinstance(module, torch.nn.Linear):
                    module.weight.data = module.weight.data.bfloat16()
        config = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=TARGETS, task_type="CAUSAL_LM")
        self.adapted = peft.get_peft_model(base, config)
        for module in self.adapted.modules():
            if isinstance(module, peft.tuners.lora.LoraLayer):  # autocast casts; to float32 and back costs a tenth of a step
                module.cast_input_dtype_enabled = False
        for name, parameter in self.adapted.named_parameters():
            if "lora_" in name:
                parameter.data = parameter.data.float()
        self.exits = exits
        d_model = base.config.hidden_size
        self.translators = torch.nn.ModuleDict({str(e): torch.nn.Linear(d_model, d_model) for e in exits})
        for translator in self.translators.values():
            torch.nn.init.eye_(translator.weight)
            torch.nn.init.zeros_(translator.bias)
        self.device = torch.device(device)
        self.to(self.device)

    @property
    def decoder(self):
        return self.adapted.base_model.model.model

    def autocast(self):
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.low_precision)

    def embed(self, ids: torch.Tensor):
        """[texts, tokens] -> float32 states [texts, tokens, d_model] of depth 0, and their rotary embeddings."""
        states = self.decoder.embed_tokens(ids).float()
        positions = torch.arange(ids.shape[1], device=ids.device)[None]
        return states, self.decoder.rotary_emb(states, positions)

    def run(self, states: torch.Tensor, rope, begin: int, end: int, left_at: torch.Tensor | None = None) -> torch.Tensor:
        """Layers [begin, end). A token's state stays as it was at depth left_at ([texts, tokens]); later layers take K and V
        from it. Padding is on the right, behind what the causal mask lets a token see."""
        mask = torch.full((states.shape[1],) * 2, -torch.inf, device=states.device).triu(1)[None, None]
        for index in range(begin, end):
            out = self.decoder.layers[index](states, attention_mask=mask, position_embeddings=rope)[0]
            states = out if left_at is None else torch.where((left_at > index)[..., None], out, states)
        return states

    @property
    def head(self) -> torch.nn.Linear:
        return self.adapted.base_model.model.lm_head

    def normed(self, states: torch.Tensor, depth: int) -> torch.Tensor:
        """[rows, d_model] of one depth -> what the head is applied to: through the depth's translator and the shared norm."""
        if depth != self.n_layers:
            states = self.translators[str(depth)](states).float()
        return self.decoder.norm(states)

    def tokens(self, states: torch.Tensor, depth: int) -> torch.Tensor:
        """[rows, d_model] of one depth -> [rows], the likeliest next token."""
        return self.head(self.normed(states, depth)).argmax(-1)

    def trained(self) -> dict[str, torch.Tensor]:
        """What training changes: LoRA matrices and translators, by name."""
        return {name: p for name, p in self.named_parameters() if "lora_" in name or name.startswith("translators.")}


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise SystemExit(f"{path}: is not there")
    return safetensors.torch.load_file(path)


def read_lora(model: ExitingModel, made: Path) -> dict[str, torch.Tensor]:
    """The LoRA matrices of an earlier run of the same shape, float32. Errors name the file and what does not fit."""
    path = made / ADAPTER
    lora = read_tensors(path)
    wanted = {name: tensor.shape for name, tensor in peft.get_peft_model_state_dict(model.adapted).items()}
    found = {name: tensor.shape for name, tensor in lora.items()}
    if wanted != found:
        name = next(n for n in wanted | found if wanted.get(n) != found.get(n))
        raise SystemExit(f"{path}: {name} is {found.get(name)}, the recipe's is {wanted.get(name)}")
    return {name: tensor.float() for name, tensor in lora.items()}


def load(model: ExitingModel, made: Path) -> None:
    """What an earlier run left in made/adapter and made/exits, to go on from. Errors name the file and what does not fit."""
    lora, exits = read_lora(model, made), made / "exits/exits.safetensors"
    maps = read_tensors(exits)
    peft.set_peft_model_state_dict(model.adapted, lora)
    with torch.no_grad():
        for layer, translator in model.translators.items():
            for part in ("weight", "bias"):
                name = f"exit.{layer}.translator.{part}"
                if name not in maps:
                    raise SystemExit(f"{exits}: has no {name}")
                getattr(translator, part).copy_(maps[name])


def blend(model: ExitingModel, made: Path, share: float) -> None:
    """Moves the LoRA matrices a share of the way to another run's that began with the same seed: two such runs lie in one basin,
    between them the last layer is as good as either (linear mode connectivity, arXiv 1912.05671)."""
    own = peft.get_peft_model_state_dict(model.adapted)
    other = read_lora(model, made)
    peft.set_peft_model_state_dict(model.adapted, {name: torch.lerp(own[name], other[name], share) for name in own})


def use_all_cores() -> None:
    torch.set_num_threads(len(os.sched_getaffinity(0)))
