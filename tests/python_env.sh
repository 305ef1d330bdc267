#!/usr/bin/env bash
# Makes .venv-tests with the pinned packages of tests/requirements.txt; quick where it is up to date.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
venv="$root/.venv-tests"
stamp="$venv/requirements.txt"
cmp -s "$root/tests/requirements.txt" "$stamp" && exit 0
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check -r "$root/tests/requirements.txt"
cp "$root/tests/requirements.txt" "$stamp"
