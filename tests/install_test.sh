#!/usr/bin/env bash
# Installs a build into a folder of its own, builds examples/embed against it and compares the text with that of
# `exeunt generate`. The installed coordinator finds the installed worker: tests/install_test.sh BUILD
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
build="$1"
model="$("$root/deploy/get_model.sh")"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
fail() { echo "FAIL: $*"; exit 1; }

prefix="$scratch/prefix"
cmake --install "$build" --prefix "$prefix" >"$scratch/log" || { cat "$scratch/log"; fail "cmake --install"; }
for file in bin/exeunt share/exeunt/monitoring/{rules,alerts,prometheus}.yml lib/cmake/exeunt/exeuntConfigVersion.cmake; do
  [ -f "$prefix/$file" ] || fail "$file is not installed"
done
if grep -rlF "$root" "$prefix/include" "$prefix/lib/cmake"; then fail "the files above name the source tree"; fi
if find "$prefix/include" -path '*testing*' -o -path '*mpi*' | grep .; then fail "the headers above are not for embedding"; fi

# It looks for the worker before it looks for the model.
said="$("$prefix/bin/exeunt-coordinator" --model "$scratch/none.gguf" 2>&1 || true)"
grep -q none.gguf <<<"$said" || fail "exeunt-coordinator does not find exeunt-worker beside it: $said"
mkdir "$scratch/alone"
cp "$prefix/bin/exeunt-coordinator" "$scratch/alone"
said="$("$scratch/alone/exeunt-coordinator" --model "$scratch/none.gguf" 2>&1 || true)"
grep -q "no exeunt-worker" <<<"$said" || fail "exeunt-coordinator without a worker says: $said"

cmake -S "$root/examples/embed" -B "$scratch/embed" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >"$scratch/log" 2>&1 &&
  cmake --build "$scratch/embed" >>"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "examples/embed does not build"; }
prompt="The history of the Roman empire begins"
generate() { "$prefix/bin/exeunt" generate "$model" -p "$prompt" -n 48 --quiet "$@"; }
full="$(generate)"
exits="$(generate --exit-mode propagate --exit-threshold 0.4)"
[ -n "$full" ] && [ "$full" != "$exits" ] || fail "exits change nothing, so nothing is compared: $full"
embedded="$("$scratch/embed/embed" "$model" "$prompt")"
[ "$embedded" = "$full" ] || fail "in full, embed prints '$embedded', exeunt generate prints '$full'"
embedded="$("$scratch/embed/embed" "$model" "$prompt" 0.4)"
[ "$embedded" = "$exits" ] || fail "with exits, embed prints '$embedded', exeunt generate prints '$exits'"
if "$scratch/embed/embed" "$scratch/none.gguf" "$prompt" 2>"$scratch/log"; then fail "embed runs without a model"; fi
grep -q none.gguf "$scratch/log" || fail "embed's error does not name the file: $(cat "$scratch/log")"
echo PASS
