#!/usr/bin/env bash
# Runs a test of a served cluster: tests/cluster/run.sh TEST.py BUILD [ARG ...]
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$here/../.."
python="$("$root/deploy/python_env.sh" "$root/tests/requirements.txt" "$root/.venv-tests")"
exec "$python" "$here/$1" "$2" "$("$root/deploy/get_model.sh")" "${@:3}"
