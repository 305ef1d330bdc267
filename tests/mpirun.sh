#!/usr/bin/env bash
# Runs a test program on N ranks of this machine: tests/mpirun.sh N PROGRAM [ARG ...]
# --default-model among the arguments becomes the path of the cached default model.
set -euo pipefail
ranks=$1
shift
args=()
for arg in "$@"; do
  if [ "$arg" = --default-model ]; then arg=$("$(dirname "$0")/../deploy/get_model.sh"); fi
  args+=("$arg")
done
root=()
[ "$(id -u)" -ne 0 ] || root=(--allow-run-as-root)
exec mpirun "${root[@]}" -n "$ranks" --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 \
  --mca btl_vader_single_copy_mechanism none --mca btl_vader_eager_limit 65536 --mca btl_vader_max_send_size 65536 \
  "${args[@]}"
