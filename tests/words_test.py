"""tests/words.py finds a page that is hard to read, passes an easy one, and counts prose only.

    tests/words_test.py
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import words  # noqa: E402

GOOD = "A stage runs its layers. It sends the rows to the next stage. " * 5
LONG = "A stage " + "runs and runs " * 10 + "to the end. "
COLONS = "Stages: they run; they send; they wait: they end. "


def run(markdown: str, *options: str) -> tuple[int, str]:
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.md")
        page.write_text(markdown, encoding="utf-8")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            status = words.main([*options, str(page)])
    return status, printed.getvalue()


def check_good_page() -> None:
    status, text = run("# Stages\n\n" + GOOD)
    assert status == 0 and "65 words, 0.00 colons" in text and "100.0 % of 10 sentences" in text, text


def check_bad_pages() -> None:
    status, text = run(GOOD + LONG * 2)
    assert status == 1, text
    assert "page.md: 83.3 % of the sentences have at most 28 words, the limit is 90 %" in text, text
    status, text = run(GOOD + COLONS)
    assert status == 1 and "page.md: 5.41 colons and semicolons per 100 words, the limit is 2" in text, text
    assert "OVER" not in run(GOOD * 2 + LONG * 2)[1]  # 2 of 22


def check_worst() -> None:
    _, text = run(GOOD * 3 + LONG, "--worst", "2")
    shown = [line.strip() for line in text.splitlines()[1:]]
    assert len(shown) == 2 and shown[0] == f"35: {LONG.strip()}", shown
    assert shown[1].startswith("8: It sends"), shown


def check_what_is_left_out() -> None:
    hard = (COLONS + LONG).strip()
    for markdown in (f"```sh\n{hard}\n\n{hard}\n```\n", f"````\n```\n{hard}\n````\n", f"| {hard} |\n|---|\n| {hard} |\n", f"## {hard}\n",
                     f"<!-- {hard} -->\n", f"  ```\n  {hard}\n  ```\n", f"~~~\n{hard}\n~~~\n"):
        page = words.measure("page", f"{GOOD}\n\n{markdown}\n{GOOD}")
        assert (page.words, page.colons, len(page.sentences)) == (130, 0, 20), (markdown, page)


def check_colons() -> None:
    for text in ("Use `a: b; c` here.", "See http://127.0.0.1:8080/v1 now.", "See <https://a.b:1/c> now.", "It runs at 12:30 and 12:30:05.",
                 "See [the page](https://a.b/c:d) now.", "Use ``a `: b` c`` here."):
        assert words.measure("page", text).colons == 0, text
    assert words.measure("page", "Two ways: one; the [other: it](x) too.").colons == 3


def check_sentences() -> None:
    one = ("It is 1.5 times as fast.", "Threshold .93 passes.", "Take a bound, e.g. WSR, and test it.", "It holds, i.e. Always.", "It is (e.g. here) so.",
           "W. K. Chen says so.", "See arXiv 2207.07061 and docs/design.md for it.", "Is it so?", "- A list item without an end", "1. First step")
    for text in one:
        assert len(words.measure("page", text).sentences) == 1, text
    many = {"It ends. It begins.": 2, "**It ends.** It begins.": 2, "It ends (here.) It begins.": 2, "It says \"end.\" It begins.": 2,
            "Is it so? It is! Good.": 3, "One\n\nTwo": 2, "- one\n- two\n  goes on. Three": 3, "It has 5. It begins.": 2, "> A quotation.\n> It goes on.": 2}
    for text, count in many.items():
        assert len(words.measure("page", text).sentences) == count, (text, words.measure("page", text))


def main() -> None:
    for check in (check_good_page, check_bad_pages, check_worst, check_what_is_left_out, check_colons, check_sentences):
        check()
        print(f"PASS {check.__name__}")


main()
