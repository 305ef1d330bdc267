"""An independent Llama-family forward pass in torch, written from the papers and the GGUF format, not from our C++.

Weights are dequantised by the `gguf` package. `Numerics` chooses the arithmetic, so that the same model can be run
exactly and with the roundings that an engine may have: the difference is the noise that a correct engine is allowed
(see golden.h).
"""
from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import gguf
import numpy as np
import torch

Tensor = torch.Tensor


@dataclass(frozen=True)
class Numerics:
    """How the forward pass departs from exact arithmetic. All of it is computed in float64.

    f32_sums: every output of a matrix is disturbed as if it had been summed in float32, one product after the other.
    With s_j the sum of the first j of k products, each addition rounds by at most 2^-24 |s_j|; the s_j of a random walk
    grow as sqrt(j / k) |y|, so the roundings add up to 2^-24 sqrt(k / 2) |y| root mean square, where each is
    taken at its largest: twice the mean, which leaves room for the norms, exponentials and dot products between the
    matrices. Where K and V are near the boundary of two F16 values, the disturbance decides, and that counts for most.
    """

    f32_sums: bool = False
    int8_inputs: bool = False  # inputs of quantised matrices are rounded to 8 bits per block of 32
    half_kv: bool = True  # K and V are rounded to F16, as a cache stores them


EXACT = Numerics()
F32 = Numerics(f32_sums=True)
INT8 = Numerics(f32_sums=True, int8_inputs=True)


@dataclass
class Rope:
    """Rotation angles per position and a factor on cos and sin."""

    frequencies: Tensor  # [head_dim / 2], radians per position
    magnitude: float = 1.0
    interleaved: bool = False  # pairs (2i, 2i+1); otherwise (i, i + head_dim / 2)


@dataclass
class Config:
    """The numbers of an architecture."""

    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    norm_eps: float
    rope: Rope
    sliding_window: int = 0  # positions that a row sees, itself included; 0: all


@dataclass
class Weights:
    """Tensors under GGUF's names, and which of them the file holds in blocks of integers."""

    tensors: dict[str, Tensor]
    quantised: set[str] = field(default_factory=set)


def plain_frequencies(head_dim: int, theta: float) -> Tensor:
    """RoPE (Su et al. 2021): theta ** (-2i / d)."""
    return theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)


def yarn_frequencies(head_dim: int, theta: float, factor: float, original: int, beta_fast: float,
                     beta_slow: float) -> Tensor:
    """YaRN (Peng et al. 2023): "NTK-by-parts" between f / factor and f, by rotations over the original context."""
    f = plain_frequencies(head_dim, theta)

    def pair_with_rotations(rotations: float) -> float:  # solves original * theta ** (-2i / d) = 2 pi rotations for i
        return head_dim / 2 * math.log(original / (2 * math.pi * rotations), theta)

    low = max(math.floor(pair_with_rotations(beta_fast)), 0)
    high = min(math.ceil(pair_with_rotations(beta_slow)), head_dim - 1)
    ramp = ((torch.arange(head_dim // 2, dtype=torch.float64) - low) / max(high - low, 1e-3)).clamp(0, 1)
    return f * (1 - ramp) + f / factor * ramp


def llama3_frequencies(head_dim: int, theta: float, factor: float, original: int, low_freq_factor: float,
                       high_freq_factor: float) -> Tensor:
    """Llama 3.1: f / factor below low_freq_factor turns over the original context, f above high_freq_factor turns."""
    f = plain_frequencies(head_dim, theta)
    turns = original * f / (2 * math.pi)
    keep = ((turns - low_freq_factor) / (high_freq_factor - low_freq_factor)).clamp(0, 1)
    return f * keep + f / factor * (1 - keep)


def read_gguf(path: str) -> tuple[Config, Weights]:
    """Opens a GGUF file of architecture llama, qwen2 or qwen3."""
    reader = gguf.GGUFReader(path)
    arch = reader.fields["general.architecture"].contents()

    def key(name: str, default: Any = None) -> Any:
        value = reader.fields.get(f"{arch}.{name}")
        return default if value is None else value.contents()

    weights = Weights({})
    for t in reader.tensors:
        weights.tensors[t.name] = torch.from_numpy(np.array(gguf.quants.dequantize(t.data, t.tensor_type)))
        if gguf.GGML_QUANT_SIZES[t.tensor_type][0] > 1:
            weights.quantised.add(t.name)

    n_heads = key("attention.head_count")
    head_dim = key("attention.key_length", key("embedding_length") // n_heads)
    theta = key("rope.freq_base", 10000.0)
    scaling, factor = key("rope.scaling.type", "none"), key("rope.scaling.factor", 1.0)
    rope = Rope(plain_frequencies(head_dim, theta), interleaved=arch == "llama")
    if scaling == "linear":
        rope.frequencies = rope.frequencies / factor
    elif scaling == "yarn":
        rope.frequencies = yarn_frequencies(head_dim, theta, factor, key("rope.scaling.original_context_length"),
                                            key("rope.scaling.yarn_beta_fast", 32.0),
                                            key("rope.scaling.yarn_beta_slow", 1.0))
        rope.magnitude = 0.1 * math.log(factor) + 1
    else:
        assert scaling == "none", scaling
    if "rope_freqs.weight" in weights.tensors:
        rope.frequencies = rope.frequencies / weights.tensors["rope_freqs.weight"].double()
    config = Config(key("block_count"), n_heads, key("attention.head_count_kv", n_heads), head_dim,
                    key("attention.layer_norm_rms_epsilon"), rope, key("attention.sliding_window", 0))
    return config, weights


def round_to_int8(x: Tensor) -> Tensor:
    """Symmetric 8-bit rounding with one scale per 32 neighbours: x ~ d * q, d = max|x| / 127."""
    blocks = x.unflatten(-1, (-1, 32))
    d = blocks.abs().amax(-1, keepdim=True) / 127
    return torch.where(d > 0, torch.round(blocks / d) * d, 0).flatten(-2)


class Model:
    """One model under one arithmetic, with the K/V of one sequence."""

    def __init__(self, config: Config, weights: Weights, numerics: Numerics) -> None:
        self.config, self.numerics = config, numerics
        self.quantised = weights.quantised
        self.tensors = {name: t.double() for name, t in weights.tensors.items()}
        self.reset()

    def reset(self) -> None:
        """Forgets the sequence."""
        self.kv: list[tuple[Tensor, Tensor]] = []
        self.length = 0

    def run(self, tokens: list[int], n_rows: int = 0) -> Tensor:
        """Appends tokens to the sequence; logits [n_rows, vocab] of the last n_rows of them (0: all)."""
        embedding = self.tensors["token_embd.weight"]
        x = embedding[torch.tensor(tokens)]
        positions = torch.arange(self.length, self.length + len(tokens))
        for layer in range(self.config.n_layers):
            prefix = f"blk.{layer}."
            x = x + self._attention(prefix, layer, self._norm(x, prefix + "attn_norm"), positions)
            x = x + self._feed_forward(prefix, self._norm(x, prefix + "ffn_norm"))
        self.length += len(tokens)
        head = "output" if "output.weight" in self.tensors else "token_embd"
        return self._linear(self._norm(x[-n_rows:], "output_norm"), head)

    def _linear(self, x: Tensor, name: str) -> Tensor:
        if self.numerics.int8_inputs and name + ".weight" in self.quantised:
            x = round_to_int8(x)
        y = x @ self.tensors[name + ".weight"].T
        if self.numerics.f32_sums:
            size = 2**-24 * math.sqrt(x.shape[-1] / 2) * y.square().mean(-1, keepdim=True).sqrt()
            y = y + size * torch.randn_like(y)
        bias = self.tensors.get(name + ".bias")
        return y if bias is None else y + bias

    def _norm(self, x: Tensor, name: str) -> Tensor:
        mean_square = x.square().mean(-1, keepdim=True)
        return x * torch.rsqrt(mean_square + self.config.norm_eps) * self.tensors[name + ".weight"]

    def _rotate(self, x: Tensor, positions: Tensor) -> Tensor:
        """x: [rows, heads, head_dim], each pair as a complex number times e^(i angle)."""
        rope = self.config.rope
        angle = (positions.double()[:, None] * rope.frequencies)[:, None, :]  # [rows, 1, head_dim / 2]
        cos, sin = torch.cos(angle) * rope.magnitude, torch.sin(angle) * rope.magnitude
        pairs = x.unflatten(-1, (-1, 2)) if rope.interleaved else x.unflatten(-1, (2, -1)).transpose(-1, -2)
        real, imaginary = pairs.unbind(-1)
        rotated = torch.stack([real * cos - imaginary * sin, real * sin + imaginary * cos], -1)
        return (rotated if rope.interleaved else rotated.transpose(-1, -2)).flatten(-2)

    def _attention(self, prefix: str, layer: int, x: Tensor, positions: Tensor) -> Tensor:
        c = self.config
        q = self._linear(x, prefix + "attn_q").unflatten(-1, (c.n_heads, c.head_dim))
        k = self._linear(x, prefix + "attn_k").unflatten(-1, (c.n_kv_heads, c.head_dim))
        v = self._linear(x, prefix + "attn_v").unflatten(-1, (c.n_kv_heads, c.head_dim))
        if prefix + "attn_q_norm.weight" in self.tensors:
            q, k = self._norm(q, prefix + "attn_q_norm"), self._norm(k, prefix + "attn_k_norm")
        q, k = self._rotate(q, positions), self._rotate(k, positions)
        if self.numerics.half_kv:
            k, v = k.half().double(), v.half().double()
        if len(self.kv) == layer:
            self.kv.append((k, v))
        else:
            k, v = torch.cat([self.kv[layer][0], k]), torch.cat([self.kv[layer][1], v])
            self.kv[layer] = (k, v)
        group = c.n_heads // c.n_kv_heads  # query heads [g * group, (g + 1) * group) read K/V head g
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        scores = torch.einsum("qhd,khd->hqk", q, k) / math.sqrt(c.head_dim)
        distance = positions[:, None] - torch.arange(k.shape[0])
        hidden = distance < 0
        if c.sliding_window > 0:
            hidden |= distance >= c.sliding_window
        p = torch.softmax(scores.masked_fill(hidden, -math.inf), -1)
        return self._linear(torch.einsum("hqk,khd->qhd", p, v).flatten(-2), prefix + "attn_output")

    def _feed_forward(self, prefix: str, x: Tensor) -> Tensor:
        gate = torch.nn.functional.silu(self._linear(x, prefix + "ffn_gate"))
        return self._linear(gate * self._linear(x, prefix + "ffn_up"), prefix + "ffn_down")
