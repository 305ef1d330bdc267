#!/usr/bin/env bash
# Runs calm_test.py with the packages that it needs: tests/calm.sh scripts|table
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
python="$("$here/../deploy/python_env.sh" "$here/../experiments/calm/requirements.txt" "$here/../.venv-calm")"
exec "$python" "$here/calm_test.py" "$@"
