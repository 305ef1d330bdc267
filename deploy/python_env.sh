#!/usr/bin/env bash
# A virtual environment with the pinned packages of a requirements file; quick where it is up to date. Prints its Python.
#   deploy/python_env.sh REQUIREMENTS DIR
set -euo pipefail
requirements="${1:?usage: python_env.sh REQUIREMENTS DIR}"
venv="${2:?usage: python_env.sh REQUIREMENTS DIR}"
if ! cmp -s "$requirements" "$venv/requirements.txt"; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements" >&2
  cp "$requirements" "$venv/requirements.txt"
fi
echo "$venv/bin/python"
