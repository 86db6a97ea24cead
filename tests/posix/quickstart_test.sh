#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The README's first command: twice, then after an unmount, as a new user may run it.
# ctest: timeout=600 once
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
[[ $EUID -eq 0 ]] || exit 77
[[ $HOLDFAST_BIN_DIR == "$root/build/default/bin" ]] || exit 77 # it always runs that build

folder=/dev/shm
[[ $(df --output=avail -B1M $folder | tail -n 1) -ge 1200 ]] || folder=/var/tmp
scratch=$(mktemp -d "$folder/holdfast-quickstart.XXXXXX")
clean_up() {
  umount "$scratch/mnt" 2>/dev/null || umount --lazy "$scratch/mnt" 2>/dev/null || true
  rm -rf "$scratch"
}
trap clean_up EXIT

quickstart() { "$root/tools/quickstart" --region "$scratch/region" --mount "$scratch/mnt" "$@"; }

expect() { # TEXT FILE
  grep -q -- "$1" "$2" || { echo "missing from the output: $1" >&2 && cat "$2" >&2 && exit 1; }
}

quickstart >"$scratch/first" 2>&1 || { cat "$scratch/first" >&2 && exit 1; }
expect 'errors 0' "$scratch/first"
expect 'bytes and took [0-9]* KiB of space' "$scratch/first"
diff -r --no-dereference /usr/include "$scratch/mnt/include"
touch "$scratch/mnt/mine"

echo "again, while it is mounted"
quickstart >"$scratch/second" 2>&1 || { cat "$scratch/second" >&2 && exit 1; }
expect 'is mounted at .* already: nothing is built, formatted or changed' "$scratch/second"
[[ -e $scratch/mnt/mine ]]

echo "again, after an unmount: the region is mounted as it is"
umount "$scratch/mnt"
quickstart >"$scratch/third" 2>&1 || { cat "$scratch/third" >&2 && exit 1; }
expect 'is there already: it is mounted as it is, not formatted' "$scratch/third"
expect 'still there, byte for byte' "$scratch/third"
[[ -e $scratch/mnt/mine ]]

echo "a mount point that is in use by something else is refused"
umount "$scratch/mnt"
mount -t tmpfs none "$scratch/mnt"
if quickstart >"$scratch/fourth" 2>&1; then exit 1; fi
expect 'another filesystem' "$scratch/fourth"
