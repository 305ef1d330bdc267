"""docs/operations.md has every option, endpoint, request field, alert and recording rule, and none that is not there.
(tests/cluster/watch_test.py does the same for metrics, of a cluster that runs.) Usage: docs_test.py BUILD"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = (ROOT / "docs" / "operations.md").read_text()
OPENAPI = json.loads((ROOT / "coordinator" / "openai" / "openapi.json").read_text())
SCHEMAS = OPENAPI["components"]["schemas"]
OPTION = re.compile(r"(?<![\w=-])--[a-z][a-z-]*")
OF_HELP = {"--help", "--config"}


def section(title: str) -> str:
    """From a heading to the next of its level, or above."""
    level, rest = re.search(rf"^(#+) {re.escape(title)}$\n(.*)", DOCS, re.M | re.S).groups()  # type: ignore[union-attr]
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.M)[0]


def column(text: str, index: int, pattern: str) -> set[str]:
    """What matches in backquotes, in one column of the tables."""
    cells = [row.split("|")[index] for row in text.splitlines() if row.startswith("| ")]
    return {name for cell in cells for quoted in re.findall(r"`([^`]+)`", cell) for name in re.findall(pattern, quoted)}


def printed(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def options(build: Path) -> set[str]:
    """Every option, which but for OF_HELP the environment has, too."""
    text = printed(build / "coordinator" / "exeunt-coordinator", "--help")
    found = dict(re.findall(r"^ +(?:-\w,)?(--[a-z-]+)(.*(?:\n +[^ -].*)*)", text, re.M))
    for name, rest in found.items():
        variable = "EXEUNT_" + name[2:].upper().replace("-", "_")
        assert name in OF_HELP or f"(Env:{variable})" in rest, f"{name} is not read from {variable}: {rest}"
    return set(found)


def request_fields() -> set[str]:
    parts = [SCHEMAS["GenerationFields"], *(part for name in ("CompletionRequest", "ChatRequest") for part in SCHEMAS[name]["allOf"])]
    return {name for part in parts for name in part.get("properties", {})}


def same(what: str, there: set[str], documented: set[str]) -> None:
    assert there, what
    print(f"{what}: {len(there)}; not in docs/operations.md: {sorted(there - documented)}; only there: {sorted(documented - there)}")
    assert there == documented, what


def main() -> None:
    build = Path(sys.argv[1])
    named = options(build)
    table = column(section("Starting and stopping"), 1, r"^--[a-z-]+\*?$")
    wild = {name for name in named for stem in table if stem.endswith("*") and name.startswith(stem[:-1])}
    same("options", named - OF_HELP, {name for name in table if not name.endswith("*")} | wild)
    others = printed(build / "tools" / "exeunt", "top", "--help") + printed(ROOT / "deploy" / "up.sh", "--help")
    invented = set(OPTION.findall(DOCS.replace("--default-exit-*", ""))) - named - set(OPTION.findall(others))
    assert not invented, f"no such option: {invented}"
    paths = {path.replace("{model}", "{id}") for path in OPENAPI["paths"]}
    same("endpoints", paths, column(re.split("^### ", section("Endpoints"), flags=re.M)[0], 1, r"(?:^|\s)(/\S+)$"))
    same("request fields", request_fields(), column(section("Fields of a request"), 1, r"^[a-z_]+$"))
    monitoring = ROOT / "deploy" / "monitoring"
    same("alerts", set(re.findall(r"alert: *(\w+)", (monitoring / "alerts.yml").read_text())),
         column(section("When something fails"), 1, r"^Exeunt\w+$"))
    same("recording rules", set(re.findall(r'record: *"?([\w:]+)', (monitoring / "rules.yml").read_text())),
         column(section("Recording rules"), 1, r"^exeunt:\S+$"))


main()
