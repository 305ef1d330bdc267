#!/usr/bin/env python3
"""Makes tokenizer/llama_pre.golden.gz: what llama.cpp's library makes of the corpus under each name of
tokenizer.ggml.pre that it knows, with the vocabulary of tokenizer/gpt2 (gemma for names without GPT-2's characters).
CI does not run this: tokenizer_test.cc compares with what is committed.

    /tmp/venv/bin/pip install gguf==0.19.0 tokenizers==0.21.4
    /tmp/venv/bin/python make_llama_pre_goldens.py "$(../../bench/build_llama.sh)"

llama.cpp does without some of what the models' own expressions say (marks and cases of letters, boundaries of words): for
those names the file has also what the `tokenizers` package makes of the expressions themselves.

The file: a line of JSON, {"stride": N, "llama": [[name, ...], ...], "own": [name, ...]}, where the names of a list give the
same ids; then for each list, and each of "own", a u16 for each line that was taken (every N-th of the corpus): the two
halves of the FNV-1a of its ids, xor-ed. A line that is not UTF-8 has 0 and is not compared.
"""

import argparse
import json
import os
import re
import struct
import subprocess
import tempfile
from pathlib import Path

import gguf
from tokenizers import Regex, Tokenizer, pre_tokenizers

from tokenizer_corpus import read_corpus, write_gz

HERE = Path(__file__).resolve().parent
STRIDE = 4
RAW = ("gemma4", "granite-embed-multi-311m", "sarvam-moe")  # tokens are UTF-8
NOT_MADE = ("whitespace",)  # encoders

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
SPACES = r"|\s*[\r\n]+|\s+(?!\S)|\s+"


def cased(upper: str, lower: str, digits: str, signs: str) -> str:
    lead = r"[^\r\n\p{L}\p{N}]?"
    return (f"{lead}{upper}*{lower}+{CONTRACTIONS}?|{lead}{upper}+{lower}*{CONTRACTIONS}?|{digits}"
            rf"| ?[^\s\p{{L}}\p{{N}}]+{signs}" + SPACES)


GPT4O = cased(UPPER, LOWER, r"\p{N}{1,3}", r"[\r\n/]*")
HAN = r"&&[^\p{Han}]]"
MARKED_WORDS = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
                r"""| ?[\p{P}\p{S}]+[\r\n]*""" + SPACES)
CJK = "[一-龥\u3040-ゟ゠-ヿ]+"
# As the models' tokenizer.json files have them, where llama.cpp has something near.
OWN = {
    "afmoe": [r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))",
              "[一-\u9fff㐀-\u4dbf\uf900-\ufaff\u3040-ゟ゠-ヿ･-ﾟ⼀-\u2fdf\u0e40-\u0e7f\u0e80-\u0effក-\u17ffက-႟ꩠ-ꩿꧠ-\ua9ff가-\ud7afᄀ-ᇿ]+",
              MARKED_WORDS],
    "cohere2moe": [r"\d{1,3}(?=(?:\d{3})*\b)", GPT4O],
    "gpt-4o": [GPT4O],
    "kimi-k2": [r"[\p{Han}]+|" + cased(UPPER[:-1] + HAN, LOWER[:-1] + HAN, r"\p{N}{1,3}", r"[\r\n]*")],
    "superbpe": [r"\p{N}+", r"(?=(\d{3})+(?!\d))"],
    "youtu": ["[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|" + CJK, cased(UPPER, LOWER, r"\p{N}", r"[\r\n/]*")],
}


def known_names(source: str) -> list[str]:
    """The names that llama-vocab.cpp compares tokenizer_pre with."""
    return sorted(set(re.findall(r'tokenizer_pre == "([^"]+)"', source)) - set(NOT_MADE))


def write_vocabulary(path: Path, pre: str) -> None:
    """A GGUF file without tensors."""
    family = "gemma" if pre in RAW else "gpt2"
    state = json.loads((HERE / "tokenizer" / family / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = state["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.get)
    added = {a["id"]: a for a in state["added_tokens"]}
    types = []
    for i, token in enumerate(tokens):
        byte = re.fullmatch(r"<0x[0-9A-F]{2}>", token) is not None
        types.append(3 if added.get(i, {}).get("special") else 4 if i in added else 6 if byte else 1)
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_string("tokenizer.ggml.model", "gpt2")
    writer.add_string("tokenizer.ggml.pre", pre)
    writer.add_array("tokenizer.ggml.tokens", tokens)
    writer.add_array("tokenizer.ggml.token_type", types)
    writer.add_array("tokenizer.ggml.merges", [" ".join(m) for m in state["model"]["merges"]])
    writer.add_uint32("tokenizer.ggml.bos_token_id", 0)
    writer.add_uint32("tokenizer.ggml.eos_token_id", 0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def folded(data: bytes) -> int:
    value = 0x811C9DC5
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return (value >> 16) ^ (value & 0xFFFF)


def well_formed(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def digests(driver: str, pre: str, lines: list[bytes], folder: Path) -> bytes:
    model, texts, out = folder / "vocabulary.gguf", folder / "texts", folder / "ids"
    write_vocabulary(model, pre)
    given = [line if well_formed(line) else b"" for line in lines]  # llama.cpp ends at what is not UTF-8
    texts.write_bytes(b"".join(struct.pack("<I", len(line)) + line for line in given))
    subprocess.run([driver, "--model", str(model), "--tokenize", str(texts), str(out)], check=True)
    data, at, result = out.read_bytes(), 0, bytearray()
    for line in lines:
        (count,) = struct.unpack_from("<I", data, at)
        result += struct.pack("<H", folded(data[at + 4 : at + 4 + 4 * count]) if well_formed(line) else 0)
        at += 4 + 4 * count
    return bytes(result)


def own_digests(expressions: list[str], ignore_merges: bool, lines: list[bytes]) -> bytes:
    """What the `tokenizers` package makes of the lines."""
    state = json.loads((HERE / "tokenizer/gpt2/tokenizer.json").read_text(encoding="utf-8"))
    state["model"]["ignore_merges"] = ignore_merges
    tokenizer = Tokenizer.from_str(json.dumps(state))
    splits = [pre_tokenizers.Split(Regex(e), "isolated") for e in expressions]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.encode_special_tokens = True
    result = bytearray()
    for line in lines:
        ids = tokenizer.encode(line.decode(), add_special_tokens=False).ids if well_formed(line) else []
        result += struct.pack("<H", folded(struct.pack(f"<{len(ids)}i", *ids)) if well_formed(line) else 0)
    return bytes(result)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver")
    parser.add_argument("--stride", type=int, default=STRIDE)
    parser.add_argument("--out", default=str(HERE / "tokenizer" / "llama_pre.golden.gz"))
    arguments = parser.parse_args()
    source = Path(arguments.driver).parent / "llama.cpp/src/llama-vocab.cpp"
    lines = read_corpus(os.path.join(HERE, "tokenizer", "corpus.bin.gz"))[:: arguments.stride]
    lists: dict[bytes, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in known_names(source.read_text(encoding="utf-8")):
            lists.setdefault(digests(arguments.driver, name, lines, Path(folder)), []).append(name)
            print(name, len(lists), flush=True)
    own = [own_digests(expressions, name == "youtu", lines) for name, expressions in OWN.items()]
    head = json.dumps({"stride": arguments.stride, "llama": list(lists.values()), "own": list(OWN)}).encode()
    write_gz(arguments.out, head + b"\n" + b"".join(lists) + b"".join(own))


if __name__ == "__main__":
    main()
