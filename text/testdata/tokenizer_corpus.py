"""The corpus of make_tokenizer_goldens.py: lines of the package descriptions and the message catalogues of Debian, of Python's
standard library, and generated ones; the same for the same sources."""

import gettext
import glob
import gzip
import json
import os
import random
import struct


def write_gz(path, data):
    with open(path, "wb") as f, gzip.GzipFile(fileobj=f, mode="wb", compresslevel=9, mtime=0) as z:
        z.write(data)


def catalogue_lines(rng, per_language):
    lines = []
    languages = sorted({p.split("/")[4] for p in glob.glob("/usr/share/locale/*/LC_MESSAGES/*.mo")})
    for language in languages:
        texts = set()
        for path in sorted(glob.glob(f"/usr/share/locale/{language}/LC_MESSAGES/*.mo"))[:12]:
            try:
                with open(path, "rb") as f:
                    catalogue = gettext.GNUTranslations(f)._catalog
            except Exception:  # a broken catalogue is no loss
                continue
            texts.update(v for k, v in catalogue.items() if isinstance(v, str) and k and 3 < len(v) < 200)
        texts = sorted(texts)
        lines += rng.sample(texts, min(per_language, len(texts)))
    return lines


def source_lines(rng, n):
    lines = []
    for path in sorted(glob.glob(os.path.join(os.path.dirname(os.__file__), "*.py"))):
        with open(path, encoding="utf-8") as f:
            text = f.read().split("\n")
        at = 0
        while at < len(text):
            size = rng.choice([1, 1, 1, 2, 5])
            lines.append("\n".join(text[at:at + size]))
            at += size
    return rng.sample([line for line in lines if line.strip() and len(line) < 400], n)


def generated_lines(rng):
    lines = []
    ranges = [(0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x530, 0x5FF),
              (0x600, 0x6FF), (0x900, 0x97F), (0x980, 0x9FF), (0xA80, 0xBFF), (0xE00, 0xE7F), (0xE80, 0xEFF),
              (0xF00, 0xFFF), (0x1000, 0x109F), (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1200, 0x137F),
              (0x13A0, 0x13FF), (0x1780, 0x17FF), (0x1800, 0x18AF), (0x1E00, 0x1FFF), (0x2000, 0x206F),
              (0x2070, 0x218F), (0x2190, 0x23FF), (0x2460, 0x24FF), (0x2500, 0x27BF), (0x2E80, 0x2FDF),
              (0x3000, 0x30FF), (0x3100, 0x318F), (0x3200, 0x33FF), (0x4E00, 0x9FFF), (0xA000, 0xA4CF),
              (0xAC00, 0xD7A3), (0xE000, 0xE020), (0xF900, 0xFAFF), (0xFB00, 0xFDFF), (0xFE00, 0xFFEF),
              (0x10000, 0x100FF), (0x10330, 0x1034F), (0x10400, 0x1044F), (0x1D400, 0x1D7FF), (0x1F100, 0x1F1FF),
              (0x1F300, 0x1F5FF), (0x1F600, 0x1F64F), (0x1F680, 0x1F6FF), (0x1F900, 0x1F9FF), (0x20000, 0x200FF),
              (0xE0020, 0xE007F), (0xFFFF0, 0xFFFFF)]
    spaces = " \t\n\r\x0b\x0c\x85\xa0\u1680\u2000\u2003\u2009\u200b\u2028\u2029\u202f\u205f\u3000\u180e\ufeff\u2581"
    emoji = ["😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "🇯🇵🇺🇸", "👍🏽", "1️⃣", "❤️", "☃", "🧑🏿‍🚀", "🫠", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "⌚️", "©️", "㊗️"]
    words = ["don't", "WE'LL", "I'm", "he'D", "you'Ve", "it'ſ", "naïve", "ﬁn", "Ⅷ", "x²", "½", "१२३", "٣٤", "12345",
             "3.14e-10", "0xDEADBEEF", "foo_bar", "camelCase", "$100", "a/b", "\\n", "<b>", "e\u0301", "Å", "ｆｕｌｌ",
             "ǅ", "İstanbul", "straße", "Σίσυφος", "한국어", "日本語", "中文", "ไทย", "עברית", "العربية", "हिन्दी", "ქართული"]
    for low, high in ranges:
        for _ in range(14):
            n = rng.randint(1, 24)
            chars = [chr(rng.randint(low, high)) for _ in range(n)]
            lines.append("".join(rng.choice(["", "", " ", ""]) + c for c in chars))
    for _ in range(700):
        lines.append("".join(rng.choice(words + emoji + [" "] * 12 + list(spaces)) for _ in range(rng.randint(1, 30))))
    for _ in range(300):
        run = "".join(rng.choice(spaces[:7] + " " * 8) * rng.randint(1, 6) for _ in range(rng.randint(1, 6)))
        lines.append(rng.choice(["", "a", "x = 1", "."]) + run + rng.choice(["", "b", "9", "!", "\n"]))
    for _ in range(300):
        lines.append("".join(chr(rng.choice([rng.randint(0, 0x1F), 0x7F, rng.randint(0x80, 0x9F), rng.randint(97, 122), 32]))
                             for _ in range(rng.randint(1, 30))))
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<s>", "</s>", "<unk>", "<|begin_of_text|>", "<0x41>",
                "<|eot_id|>", "<tool_call>", "[W]", "[L]", "[R]", "[N]", "Day", "<pad>", "▁", "<repo_name>"]
    for _ in range(400):
        lines.append("".join(rng.choice(specials + [" ", "  ", "\n", "a", "user", "Hi there", "é", "_", "day"])
                             for _ in range(rng.randint(1, 14))))
    for _ in range(300):
        lines.append("".join(rng.choice("0123456789.,:-+ /") for _ in range(rng.randint(1, 30))))
    lines += ["", " ", "  ", "\n", "\n\n", "\t", "a" * 3000, " " * 3000, "ab" * 1500, "\n" * 500, "é" * 700, "0" * 999,
              "!?" * 800, "\u0301" * 50, "a" + "\u0301" * 60, "\0", "\0\0a\0", "👍" * 300, "日" * 700]
    return lines


def ill_formed_lines(rng, texts):
    lines = []
    pieces = [b"\x80", b"\xff", b"\xc0\xaf", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
              b"\xe0\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xef\xbf", b"\xfe\xfe\xff\xff"]
    for _ in range(500):
        text = bytearray(rng.choice(texts).encode("utf-8")[:120])
        for _ in range(rng.randint(1, 5)):
            at = rng.randint(0, len(text))
            kind = rng.randint(0, 2)
            if kind == 0:
                text[at:at] = rng.choice(pieces)
            elif kind == 1:
                del text[at:at + 1]
            elif text:
                text[min(at, len(text) - 1)] = rng.randint(0x80, 0xFF)
        lines.append(bytes(text))
    lines += [bytes(rng.randint(0, 255) for _ in range(rng.randint(1, 40))) for _ in range(200)]
    return lines + pieces


def make_corpus(path):
    rng = random.Random(4)
    packages = []
    with gzip.open("/work/shared/fixtures/packages/development.jsonl.gz", "rt", encoding="utf-8") as f:
        packages = [json.loads(line)["text"] for line in f]
    packages = [text for text in packages if len(text) < 600]
    lines = rng.sample(packages, 1000) + catalogue_lines(rng, 40) + source_lines(rng, 1600) + generated_lines(rng)
    raw = [line.encode("utf-8", "surrogatepass") for line in lines]
    raw += ill_formed_lines(rng, [line for line in lines if line])
    rng.shuffle(raw)
    write_gz(path, b"".join(struct.pack("<I", len(line)) + line for line in raw))


def read_corpus(path):
    data = gzip.open(path).read()
    lines, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        lines.append(data[at + 4:at + 4 + size])
        at += 4 + size
    return lines
