#!/usr/bin/env bash
# Installs the Debian packages of the named groups that are missing: deploy/install.sh build run [test]
# Quick and silent where nothing is missing. Needs root, or sudo.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
missing=()
for group in "$@"; do
  while read -r package; do
    dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done < <(awk -v group="$group" '$1 == group { print $2 }' "$here/packages.txt")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "install: need root or sudo to install: ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
echo "install: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
# The package starts a service, which nobody asked for: what is started here is started by name.
if [[ " ${missing[*]} " == *" prometheus "* ]] && [ -d /run/systemd/system ]; then
  "${as_root[@]}" systemctl disable --quiet --now prometheus
fi
