#!/usr/bin/env python3
"""Writes dequantize_golden.txt: random blocks of every type, and their values by the `gguf` package (0.19.0).

Each line: type, elements, hex of the stored bytes, hex of the F32 values (little-endian).
Run: python3 make_dequantize_golden.py > dequantize_golden.txt   (needs numpy and gguf)
"""
import numpy as np
from gguf import quants
from gguf.constants import GGMLQuantizationType as T

# Type, bytes of a block, elements of a block, offsets of its half-precision scales.
TYPES = [
    (T.F32, 4, 1, []), (T.F16, 2, 1, [0]), (T.BF16, 2, 1, []),
    (T.Q8_0, 34, 32, [0]), (T.Q4_0, 18, 32, [0]), (T.Q4_1, 20, 32, [0, 2]),
    (T.Q4_K, 144, 256, [0, 2]), (T.Q5_K, 176, 256, [0, 2]), (T.Q6_K, 210, 256, [208]),
    (T.Q5_0, 22, 32, [0]), (T.Q5_1, 24, 32, [0, 2]), (T.Q2_K, 84, 256, [80, 82]), (T.Q3_K, 110, 256, [108]),
    (T.IQ4_NL, 18, 32, [0]), (T.IQ4_XS, 136, 256, [0]),
]

rng = np.random.default_rng(20240607)
for kind, block_bytes, elements, halves in TYPES:
    blocks = 64 if elements == 1 else 3
    raw = rng.integers(0, 256, (blocks, block_bytes), dtype=np.uint8)
    if kind in (T.F32, T.BF16):  # finite values only
        raw[:, -1] &= 0xBF
    for at in halves:  # random finite scales, subnormal ones among them
        raw[:, at + 1] &= 0xBB
        raw[0, at + 1] &= 0x83
    values = quants.dequantize(raw, kind).astype(np.float32)
    assert np.isfinite(values).all() and len(np.unique(values)) > 20
    print(kind.name, values.size, raw.tobytes().hex(), values.astype("<f4").tobytes().hex())
