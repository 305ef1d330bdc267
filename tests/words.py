#!/usr/bin/env python3
"""Measures how easy the pages are to read: README.md, CONTRIBUTING.md, bench/README.md and every page under docs/.

    tests/words.py [--worst N] [PAGE ...]

Prints a line for each page. Exits with 1 when a page is over a limit. Headings, tables and code are left out.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import NamedTuple

PAGES = ("README.md", "CONTRIBUTING.md", "bench/README.md", "docs/**/*.md")
MOST_COLONS_PER_100_WORDS = 2.0  # colons and semicolons
MOST_WORDS_OF_A_SHORT_SENTENCE = 28
LEAST_PERCENT_OF_SHORT_SENTENCES = 90.0
ABBREVIATIONS = ("e.g.", "i.e.", "cf.", "vs.", "al.", "Fig.", "No.", "approx.")

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^\s*(```+|~~~+)")
LIST_ITEM = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+")
SENTENCE_END = re.compile(r"[.!?]+[\"')\]]*(?=\s|$)")


class Page(NamedTuple):
    name: str
    words: int
    colons: int
    sentences: list[str]

    @property
    def colons_per_100_words(self) -> float:
        return 100.0 * self.colons / max(self.words, 1)

    @property
    def percent_short(self) -> float:
        short = sum(len(words(sentence)) <= MOST_WORDS_OF_A_SHORT_SENTENCE for sentence in self.sentences)
        return 100.0 * short / max(len(self.sentences), 1)


def words(text: str) -> list[str]:
    return [word for word in text.split() if any(c.isalnum() for c in word)]


def blocks(markdown: str) -> list[str]:
    """Paragraphs and list items, one string each."""
    found: list[list[str]] = [[]]
    fence = ""
    for line in re.sub(r"<!--.*?-->", "", markdown, flags=re.S).splitlines():
        mark = FENCE.match(line)
        if fence:
            fence = "" if mark and mark[1].startswith(fence) else fence
            continue
        text = re.sub(r"^\s*(?:>\s?)+", "", line)
        if mark:
            fence = mark[1]
        if mark or not text.strip() or text.lstrip().startswith(("|", "#")):
            found.append([])
            continue
        item = LIST_ITEM.match(text)
        if item:
            found.append([])
            text = text[item.end():]
        found[-1].append(text.strip())
    return [" ".join(lines) for lines in found if lines]


def plain(text: str) -> str:
    """A code span is one word. Of a link the text stays. URLs and times have no colon."""
    text = re.sub(r"(`+).*?\1", "code", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"<?\b[a-z]+://[^\s>)]*>?", "URL", text)
    text = re.sub(r"\b(\d{1,2}):(\d{2})(?::(\d{2}))?\b", "time", text)
    return text.replace("*", "")


def sentences(block: str) -> list[str]:
    found = []
    begin = 0
    for end in SENTENCE_END.finditer(block):
        last = block[begin:end.end()].split()[-1].lstrip("\"'([")
        if last in ABBREVIATIONS or re.fullmatch(r"[A-Z]\.", last):
            continue
        found.append(block[begin:end.end()].strip())
        begin = end.end()
    found.append(block[begin:].strip())
    return [sentence for sentence in found if words(sentence)]


def measure(name: str, markdown: str) -> Page:
    texts = [plain(block) for block in blocks(markdown)]
    return Page(name, sum(len(words(text)) for text in texts), sum(text.count(":") + text.count(";") for text in texts),
                [sentence for text in texts for sentence in sentences(text)])


def complaints(page: Page) -> list[str]:
    found = []
    if page.colons_per_100_words > MOST_COLONS_PER_100_WORDS:
        found.append(f"{page.name}: {page.colons_per_100_words:.2f} colons and semicolons per 100 words, "
                     f"the limit is {MOST_COLONS_PER_100_WORDS:g}")
    if page.percent_short < LEAST_PERCENT_OF_SHORT_SENTENCES:
        found.append(f"{page.name}: {page.percent_short:.1f} % of the sentences have at most {MOST_WORDS_OF_A_SHORT_SENTENCE} words, "
                     f"the limit is {LEAST_PERCENT_OF_SHORT_SENTENCES:g} %")
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pages", nargs="*", type=Path, help="default: " + ", ".join(PAGES))
    parser.add_argument("--worst", type=int, default=0, metavar="N", help="also print the N longest sentences of each page")
    options = parser.parse_args(arguments)
    paths = options.pages or sorted(path for pattern in PAGES for path in ROOT.glob(pattern))
    wrong: list[str] = []
    for path in paths:
        page = measure(str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path), path.read_text(encoding="utf-8"))
        print(f"{page.name}: {page.words} words, {page.colons_per_100_words:.2f} colons and semicolons per 100 words, "
              f"{page.percent_short:.1f} % of {len(page.sentences)} sentences have at most {MOST_WORDS_OF_A_SHORT_SENTENCE} words")
        for sentence in sorted(page.sentences, key=lambda s: -len(words(s)))[:options.worst]:
            print(f"    {len(words(sentence))}: {sentence}")
        wrong += complaints(page)
    for complaint in wrong:
        print(f"OVER THE LIMIT {complaint}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
