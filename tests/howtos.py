#!/usr/bin/env python3
"""Checks that each diff in docs/howto/ still applies to the tree, so that a how-to shows what works.

    tests/howtos.py     prints the page and what git says of each diff that does not apply, and exits with 1 where there is one
"""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main():
    found, bad = 0, 0
    for page in sorted((ROOT / "docs/howto").glob("*.md")):
        for diff in re.findall(r"^```diff\n(.*?)^```", page.read_text(), flags=re.M | re.S):
            found += 1
            ran = subprocess.run(["git", "apply", "--check", "-"], cwd=ROOT, input=diff, capture_output=True, text=True)
            if ran.returncode != 0:
                bad += 1
                print(f"{page.relative_to(ROOT)}: {ran.stderr.strip()}")
    print(f"{found - bad} of {found} diffs of docs/howto apply")
    return 1 if bad or not found else 0


if __name__ == "__main__":
    sys.exit(main())
