#!/usr/bin/env python3
"""Checks which folder includes which, against the table in docs/design.md, and that namespaces follow the folders.

    tests/rooms.py [ROOT]     prints each include that the table does not allow and each namespace in the wrong folder, and exits
                              with 1 where there is one

The rows of the table are `| folder | folders that it may include |`. A file belongs to the row with the longest matching folder.
A folder may always include itself. Tests, fuzz targets and the folders named `testing` may include everything.
"""
import re
import subprocess
import sys
from pathlib import Path

HEADING = "| folder | may include |"
# Headers that only some folders may include, whatever the table says of folders.
OUTSIDE = {
    r"mpi\.h": ["transport/mpi"],
    r"nccl\.h": ["transport/nccl"],
    r"cuda.*\.h|cublas.*\.h": ["kernels/cuda", "backend/cuda", "transport/nccl"],
    r".*\.pb\.h": ["transport", "coordinator/driver"],
}

# Folders with a namespace of their own. The others' names are in exeunt itself.
NAMESPACES = ("worker", "coordinator", "tools", "text", "transport", "certify", "fit")


def table(page):
    rows = {}
    lines = iter(page.splitlines())
    for line in lines:
        if line.strip() == HEADING:
            break
    next(lines, None)  # the rule below the heading
    for line in lines:
        if not line.startswith("|"):
            break
        folder, allowed = (cell.strip() for cell in line.strip("|").split("|"))
        rows[folder.strip("`/")] = [name.strip("`/ ") for name in allowed.split(",") if name.strip("`/ ") not in ("", "-")]
    return rows


def row_of(path, rows):
    """The row of the longest folder that holds the path; None where there is none."""
    fitting = [folder for folder in rows if path.startswith(folder + "/")]
    return max(fitting, key=len, default=None)


def is_test(path):
    return bool(re.search(r"_test\.cc$|_law\.cc$|/testing/|/conformance/|/fuzz/|^tests/|^bench/", path))


def violations(files, rows):
    """files: {path: text}. Yields a line for each include that is not allowed."""
    for path, text in sorted(files.items()):
        home = row_of(path, rows)
        if home is None:
            if not is_test(path):
                yield f"{path}: its folder has no row in the table of docs/design.md"
            continue
        for number, line in enumerate(text.splitlines(), 1):
            found = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
            if not found:
                continue
            kind, name = found.groups()
            if is_test(path):
                continue
            for pattern, allowed in OUTSIDE.items():
                if re.fullmatch(pattern, name.rsplit("/", 1)[-1]) and not any(path.startswith(folder + "/") for folder in allowed):
                    yield f"{path}:{number}: {name} may only be included in {', '.join(allowed)}"
            if kind == "<":
                continue
            other = row_of(name, rows)
            if other is None or other == home or other in rows[home] or any(other.startswith(folder + "/") for folder in rows[home]):
                continue
            yield f"{path}:{number}: {home}/ includes {name}, the table of docs/design.md does not allow {other}/"


def wrong_namespaces(files):
    """Yields a line for each namespace that is opened in another folder. One may be opened to declare what it has."""
    for path, text in sorted(files.items()):
        folder = path.split("/")[0]
        opened = re.findall(r"^namespace exeunt(?:::(\w+))?(?:::\w+)* \{\n(.*?)^\}", text, flags=re.M | re.S)
        for name, body in opened:
            declares = re.fullmatch(r"(?:\s*(?:class|struct) \w+;)+\s*", body)
            owner = folder if folder in NAMESPACES else ""
            if declares or is_test(path) or (name == owner if owner or name in NAMESPACES else True):
                continue
            yield f"{path}: opens exeunt{'::' if name else ''}{name}, its folder's namespace is exeunt{'::' if owner else ''}{owner}"


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent)
    names = subprocess.run(["git", "ls-files", "*.h", "*.cc", "*.cu", "*.cuh"], cwd=root, capture_output=True, text=True, check=True)
    rows = table((root / "docs/design.md").read_text())
    if not rows:
        print(f"docs/design.md has no table with the heading {HEADING!r}")
        return 1
    files = {name: (root / name).read_text() for name in names.stdout.split()}
    bad = [*violations(files, rows), *wrong_namespaces(files)]
    print("\n".join(bad) if bad else f"{len(files)} files include only what the table of docs/design.md allows")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
