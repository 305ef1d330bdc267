#!/usr/bin/env python3
"""Checks that what the pages point to is there.

    tests/paths.py [PAGE ...]     README.md, CONTRIBUTING.md, CHANGELOG.md and every page under docs/

A link to a file must name one, and its anchor a heading of that file. In docs/architecture.md and docs/howto/, a file in backquotes
must be in the tree, by its path or by the end of it. Prints each that is not there, and exits with 1 where there is one.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**/*.md")
NAMES_FILES = ("docs/architecture.md", "docs/howto/")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FILE = re.compile(r"`([\w./-]+\.(?:cc|h|py|sh|proto|json|yml|md|cmake|txt))`")


def without_code(text: str) -> str:
    return re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.M | re.S)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them: a heading in lower case, without punctuation, with hyphens for spaces."""
    found = set()
    for heading in re.findall(r"^#+ +(.+)$", without_code(page.read_text()), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        found.add(re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-"))
    return found


def missing(page: Path, tracked: list[str]) -> list[str]:
    wrong = []
    text = without_code(page.read_text())
    name = str(page.relative_to(ROOT)) if page.is_relative_to(ROOT) else str(page)
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            wrong.append(f"{name}: the link {target} leads to no file")
        elif anchor and file.suffix == ".md" and anchor not in anchors(file):
            wrong.append(f"{name}: the link {target} leads to no heading of {file.name}")
    if name.startswith(NAMES_FILES) or not page.is_relative_to(ROOT):
        wrong += [f"{name}: there is no file {file}" for file in FILE.findall(text)
                  if not any(known == file or known.endswith("/" + file) for known in tracked)]
    return wrong


def main(arguments: list[str]) -> int:
    pages = [Path(a).resolve() for a in arguments] or sorted(path for pattern in PAGES for path in ROOT.glob(pattern))
    tracked = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True,
                             check=True).stdout.split()
    wrong = [line for page in pages for line in missing(page, tracked)]
    print("\n".join(wrong) or f"{len(pages)} pages point to what is there")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
