#!/usr/bin/env python3
"""Makes the data of tokenizer_test.cc: a corpus, small tokenizers of each family, and what the `tokenizers` package
makes of every line. CI does not run this: it compares with what is committed.

    python3 -m venv venv && venv/bin/pip install tokenizers==0.23.3 sentencepiece==0.2.3 protobuf gguf==0.19.0
    venv/bin/python make_tokenizer_goldens.py SmolLM2-135M-Instruct.Q4_1.gguf [--corpus]

Files, in tokenizer/:
    corpus.bin.gz        lines: u32 size, then bytes, some of them ill-formed UTF-8
    smollm2.json.gz      the vocabulary of the default model, as in its GGUF file
    NAME/tokenizer.json  a tokenizer
    NAME.golden.gz       for each line: u32 FNV-1a of the ids, u32 FNV-1a of the decoded text (see digests());
                         pre_*.golden.gz hold the first only
Without --corpus the corpus that is there is used; with it, tokenizer_corpus.py makes it.
"""

import argparse
import json
import os
import struct
import tempfile

from tokenizer_corpus import make_corpus, read_corpus, write_gz
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "tokenizer")

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
          r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
          r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK_LETTERS = (r"\s?["
                    r"\x{41}-\x{5A}\x{61}-\x{7A}\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}"
                    r"\x{1C4}-\x{293}\x{295}-\x{2AF}\x{370}-\x{373}\x{376}-\x{377}\x{37B}-\x{37D}\x{37F}"
                    r"\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}\x{3A3}-\x{3F5}\x{3F7}-\x{481}"
                    r"\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD}"
                    r"\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A}"
                    r"\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}"
                    r"\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}"
                    r"\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}"
                    r"\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115}"
                    r"\x{2119}-\x{211D}\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}"
                    r"\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E}\x{2183}-\x{2184}\x{2C00}-\x{2C7B}"
                    r"\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}-\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B}"
                    r"\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06}"
                    r"\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}"
                    r"\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}"
                    r"\x{118A0}-\x{118DF}\x{1E900}-\x{1E943}"
                    r"]+")
DEEPSEEK_PUNCTUATION = r"\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+"
DEEPSEEK_IDEOGRAPHS = r"[\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+"
STANDARD = [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"]
DEEPSEEK_LLM = [r"[\r\n]", DEEPSEEK_LETTERS, DEEPSEEK_PUNCTUATION, r"\s+$", DEEPSEEK_IDEOGRAPHS, r"\p{N}"]
DEEPSEEK_CODER = [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", DEEPSEEK_IDEOGRAPHS, r"\p{N}"]


# ---------------------------------------------------------------- tokenizers


def splits(expressions):
    steps = [pre_tokenizers.Split(Regex(e), "isolated") for e in expressions]
    return pre_tokenizers.Sequence(steps + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def train(tokenizer, trainer, texts):
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def byte_level(texts, size, pre, special, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return train(tokenizer, trainers.BpeTrainer(vocab_size=size, special_tokens=special, initial_alphabet=alphabet,
                                                show_progress=False), texts)


def gpt2(texts):
    pre = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = byte_level(texts, 1500, pre, ["<|endoftext|>"])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def llama3(texts):
    tokenizer = byte_level(texts, 2500, splits([LLAMA3]), [], ignore_merges=True)
    tokenizer.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
                                  "<|eot_id|>"])
    bos = tokenizer.token_to_id("<|begin_of_text|>")
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing("<|begin_of_text|> $A", "<|begin_of_text|> $A <|begin_of_text|>:1 $B:1",
                                      [("<|begin_of_text|>", bos)])])
    return tokenizer


def qwen2(texts):
    tokenizer = byte_level(texts, 2000, splits([QWEN2]), [])
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.add_tokens([AddedToken("<tool_call>", normalized=False)])
    return tokenizer


def sentencepiece_merges(scores):
    """What a converter makes of a SentencePiece model: every split of every token, best token first."""
    merges = []
    for token, score in scores.items():
        for i in range(1, len(token)):
            if token[:i] in scores and token[i:] in scores:
                merges.append((score, -len(merges), token[:i], token[i:]))
    merges.sort(key=lambda m: (-m[0], -m[1]))
    return [(left, right) for _, _, left, right in merges]


def byte_fallback_bpe(texts, size):
    """A BPE in SentencePiece's manner: <unk> <s> </s>, bytes, merges in order of score, characters last."""
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trained.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    train(trained, trainers.BpeTrainer(vocab_size=size, limit_alphabet=400, show_progress=False), texts)
    vocabulary = sorted(trained.get_vocab().items(), key=lambda item: item[1])
    control = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    pieces = [t for t, _ in vocabulary if len(t) > 1] + [t for t, _ in vocabulary if len(t) == 1]
    pieces = [t for t in pieces if t not in control]  # the corpus holds some of them as text
    scores = {piece: -float(i) for i, piece in enumerate(pieces)}
    tokens = control + pieces
    vocab = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab, sentencepiece_merges(scores), unk_token="<unk>", fuse_unk=True,
                                     byte_fallback=True))
    return tokenizer


def llama2(texts):
    tokenizer = byte_fallback_bpe(texts, 1500)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in ["<unk>", "<s>", "</s>"]])
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A <s>:1 $B:1", [("<s>", 1)])
    return tokenizer


def gemma(texts):
    """As Gemma's, and with every kind of added token."""
    tokenizer = byte_fallback_bpe(texts, 1200)
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in ["<unk>", "<s>", "</s>", "<pad>"]])
    tokenizer.add_tokens([AddedToken("[L]", lstrip=True, normalized=False), AddedToken("[R]", rstrip=True, normalized=False),
                          AddedToken("[W]", single_word=True, normalized=False), AddedToken("day", single_word=True),
                          AddedToken("[N] a", normalized=True), AddedToken("\n\n", normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", None, [("<s>", 1), ("</s>", 2)])
    return tokenizer


def mistral(texts):
    """Metaspace in front of the first word only, as the newer converters write it."""
    tokenizer = byte_fallback_bpe(texts, 1200)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", "first", split=False)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in ["<unk>", "<s>", "</s>"]])
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", None, [("<s>", 1)])
    return tokenizer


def common(texts, n):
    """Texts made of the n most frequent characters: unigram needs a token for every one that it is trained on."""
    counts = {}
    for text in texts:
        for c in text:
            counts[c] = counts.get(c, 0) + 1
    known = set(sorted(counts, key=lambda c: (-counts[c], c))[:n])
    return [text for text in texts if text and set(text) <= known and len(text) < 1000]


def unigram(texts):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(),
                                                 normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=2000, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>",
                                      show_progress=False)
    train(tokenizer, trainer, common(texts, 700))
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", 1)])
    return tokenizer


def precompiled(texts):
    """A SentencePiece unigram model with rules of its own, whose charsmap goes into the normalizer."""
    import sentencepiece
    rules = {"ﬁ": "fi", "ﬂ": "fl", "\u00a0": " ", "\u3000": " ", "\t": " ", "\n": " ", "é": "e", "e\u0301": "e", "Å": "A",
             "½": "1/2", "…": "...", "ß": "ss", "№": "No", "½½": "1", "\u200b": "", "日": "sun", "ｆ": "f", "ｕ": "u",
             "ｌ": "l", "İ": "I", "🇩🇪": "DE"}
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/rules.tsv", "w", encoding="utf-8") as f:
            for source, target in rules.items():
                hexes = lambda s: " ".join(f"{ord(c):X}" for c in s)  # noqa: E731
                f.write(f"{hexes(source)}\t{hexes(target)}\n")
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(common(texts, 500)), model_prefix=f"{folder}/m", vocab_size=1500, model_type="unigram",
            normalization_rule_tsv=f"{folder}/rules.tsv", byte_fallback=True, minloglevel=2, num_threads=1)
        from sentencepiece import sentencepiece_model_pb2
        proto = sentencepiece_model_pb2.ModelProto()
        with open(f"{folder}/m.model", "rb") as f:
            proto.ParseFromString(f.read())
    tokenizer = Tokenizer(models.Unigram([(p.piece, p.score) for p in proto.pieces], 0, True))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap), normalizers.Strip(left=False, right=True),
        normalizers.Replace(Regex(" {2,}"), "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", "always")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace("▁", "always")])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in ["<unk>", "<s>", "</s>"]])
    return tokenizer


def smollm2(vocabulary):
    """The default model's own: single digits, then GPT-2's words."""
    tokens, merges = vocabulary["tokens"], [tuple(m.split(" ")) for m in vocabulary["merges"]]
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                       pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([t for t, kind in zip(tokens, vocabulary["token_type"]) if kind == 3])
    return tokenizer


def with_expressions(tokenizer, expressions, **model):
    """GPT-2's vocabulary behind another pre-tokenizer."""
    state = json.loads(tokenizer.to_str())
    state["model"].update(model)
    other = Tokenizer.from_str(json.dumps(state))
    other.pre_tokenizer = splits(expressions)
    return other


# ---------------------------------------------------------------- goldens


def fnv(data):
    value = 0x811C9DC5
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def digests(tokenizer, lines, ids_only):
    """For each line: the ids with special tokens added and parsed, -1, the ids with neither; and the text of the first
    ids, without and with special tokens, with a 0 byte between; `ids_only` leaves the text out."""
    out = bytearray()
    texts = [line.decode("utf-8", "replace") for line in lines]
    tokenizer.encode_special_tokens = False
    with_special = [e.ids for e in tokenizer.encode_batch(texts)]
    tokenizer.encode_special_tokens = True
    without = [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
    tokenizer.encode_special_tokens = False
    for a, b in zip(with_special, without):
        ids = fnv(struct.pack(f"<{len(a) + len(b) + 1}i", *a, -1, *b))
        text = tokenizer.decode(a).encode() + b"\0" + tokenizer.decode(a, skip_special_tokens=False).encode()
        out += struct.pack("<I", ids) if ids_only else struct.pack("<II", ids, fnv(text))
    return bytes(out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("gguf")
    parser.add_argument("--corpus", action="store_true")
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    os.makedirs(OUT, exist_ok=True)
    corpus = os.path.join(OUT, "corpus.bin.gz")
    if args.corpus:
        make_corpus(corpus)
    lines = read_corpus(corpus)
    print(len(lines), "lines")
    texts = [line.decode("utf-8", "replace") for line in lines]

    import gguf
    fields = gguf.GGUFReader(args.gguf).fields
    vocabulary = {key: fields["tokenizer.ggml." + key].contents() for key in ("tokens", "token_type", "merges")}
    vocabulary["chat_template"] = fields["tokenizer.chat_template"].contents()
    write_gz(os.path.join(OUT, "smollm2.json.gz"), json.dumps(vocabulary, ensure_ascii=False, separators=(",", ":")).encode())

    made = {"smollm2": smollm2(vocabulary)}
    for make in (gpt2, llama3, qwen2, llama2, gemma, mistral, unigram, precompiled):
        name = make.__name__
        path = os.path.join(OUT, name, "tokenizer.json")
        if not args.only or name in args.only.split(","):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                json.dump(json.loads(make(texts).to_str()), f, ensure_ascii=False, separators=(",", ":"))
        made[name] = Tokenizer.from_file(path)
    # The names of tokenizer.ggml.pre that have no family above.
    made["pre_tekken"] = with_expressions(made["gpt2"], [TEKKEN], ignore_merges=True)
    made["pre_default"] = with_expressions(made["gpt2"], STANDARD)
    made["pre_deepseek-llm"] = with_expressions(made["gpt2"], DEEPSEEK_LLM)
    made["pre_deepseek-coder"] = with_expressions(made["gpt2"], DEEPSEEK_CODER)
    for name, tokenizer in made.items():
        if args.only and name not in args.only.split(","):
            continue
        write_gz(os.path.join(OUT, name + ".golden.gz"), digests(tokenizer, lines, name.startswith("pre_")))
        print(name, tokenizer.get_vocab_size())


if __name__ == "__main__":
    main()
