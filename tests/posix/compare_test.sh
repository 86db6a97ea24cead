#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The same POSIX steps on tmpfs and on Holdfast, in both cache modes, give the same results.
# ctest: timeout=240 transports
. "$(dirname "$0")/lib.sh"

steps=$(dirname "$0")/steps.py
tmpfs=$shm/tmpfs
mkdir "$tmpfs"
python3 "$steps" "$tmpfs" >"$scratch/tmpfs.out"

make_region 128M
for options in cache=none cache=writeback data=cow; do
  mount_region -o "$options"
  mkdir "$mnt/$options"
  python3 "$steps" "$mnt/$options" >"$scratch/holdfast.out"
  # With dirty pages in the kernel's cache only the kernel could know, and it says: all data.
  hidden=$([[ $options != *writeback ]] && echo 'hides nothing' || echo '^next (hole|data):')
  check "the same results with $options" diff \
    <(grep -vE "$hidden" "$scratch/tmpfs.out") <(grep -vE "$hidden" "$scratch/holdfast.out")
  unmount_region
  check_region
done
