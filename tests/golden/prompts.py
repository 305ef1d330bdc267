"""The 50 prompts of the default model's golden: real texts of 5 to 300 tokens, some as chats, code, other scripts."""
from __future__ import annotations

import gzip
import json

import gguf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

LENGTHS = [5, 8, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 200, 300]  # tokens that plain texts are cut to
QUESTIONS = [
    "What is the capital of France?",
    "Explain in one sentence what a linker does.",
    "List three uses of baking soda.",
    "Write a haiku about the sea.",
    "How many legs do two spiders have?",
    "Translate 'good morning' into Spanish.",
    "Why is the sky blue?",
    "Give me a Python one-liner that reverses a string.",
    "Who wrote 'Pride and Prejudice'?",
    "Summarise the plot of Hamlet in two sentences.",
]
OTHERS = [
    "def fibonacci(n: int) -> int:\n    \"\"\"Returns the n-th number.\"\"\"\n    if n < 2:\n        return",
    "#include <vector>\n\nint Sum(const std::vector<int>& v) {\n  int sum = 0;\n  for (int x : v)",
    "SELECT name, COUNT(*) FROM orders JOIN users ON users.id = orders.user_id\nGROUP BY",
    "#!/bin/sh\nset -e\nfor f in *.txt; do\n  wc -l \"$f\"\n",
    "{\"name\": \"Ada\", \"born\": 1815, \"works\": [\"Notes\", ",
    "Le petit prince vivait sur une planète à peine plus grande que lui, et",
    "Der schnelle braune Fuchs springt über den faulen Hund. Übersetzung:",
    "El ingenioso hidalgo don Quijote de la Mancha vivía en un lugar de",
    "Съешь ещё этих мягких французских булок, да выпей чаю.",
    "東京は日本の首都であり、世界で最も人口の多い都市の一つです。",
    "1, 1, 2, 3, 5, 8, 13, 21, 34,",
    "🙂🙂🙂 Dear diary,\n\ttoday I   saw … naïve façades – 3½ km²!\r\n\r\n",
]
N_PROMPTS = 50


def tokenizer_of(path: str) -> Tokenizer:
    """SmolLM2's byte-level BPE, from the GGUF file's own vocabulary."""
    fields = gguf.GGUFReader(path).fields
    tokens: list[str] = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"].contents()]
    types: list[int] = fields["tokenizer.ggml.token_type"].contents()
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    control = [t for t, kind in zip(tokens, types) if kind == gguf.TokenType.CONTROL]
    tokenizer.add_special_tokens(control)
    return tokenizer


def chat(question: str) -> str:
    """SmolLM2's chat template, rendered by hand."""
    return ("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
            f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n")


def prompts(texts_path: str, tokenizer: Tokenizer) -> list[tuple[str, list[int]]]:
    """Names and token ids. `texts_path`: lines of {"text": ...}, gzipped."""
    found = [(f"chat {q}", chat(q)) for q in QUESTIONS] + [(f"other {text[:24]}", text) for text in OTHERS]
    result = [(name, tokenizer.encode(text).ids) for name, text in found]
    with gzip.open(texts_path, "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    at = 0
    for i in range(N_PROMPTS - len(result)):
        ids: list[int] = []
        while len(ids) < LENGTHS[i % len(LENGTHS)]:  # several texts where one is too short
            ids += tokenizer.encode(texts[at] + "\n").ids
            at += 1
        result.append((f"text {i} of {LENGTHS[i % len(LENGTHS)]}", ids[:LENGTHS[i % len(LENGTHS)]]))
    return result
