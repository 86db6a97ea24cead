#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How requests come: what is demanded, what is found, and what happens where io_uring fails.
# ctest: timeout=300 once
. "$(dirname "$0")/lib.sh"

transport_told() { holdfast info --json "$mnt" | jq -r .features.transport; }
serves() { echo text >"$mnt/file" && [[ $(<"$mnt/file") == text ]]; }
# mounts_over TRANSPORT COMMAND...: the mount that the command makes works, and over that.
mounts_over() {
  local told
  "${@:2}" && serves || return 1
  told=$(transport_told)
  unmount_region
  [[ $told == "$1" ]]
}

make_region 16M
check "/dev/fuse when it is asked for" mounts_over fuse holdfastd "$region" "$mnt" -o transport=fuse

[[ -e $uring_switch ]] || { echo "this kernel has no FUSE over io_uring" && exit 0; }
exec {uring_lock}<"$uring_switch"
flock "$uring_lock"
preload=$HOLDFAST_BIN_DIR/../tests/libfailing_rings.so
with_failing() { env FAIL_RINGS="$1" LD_PRELOAD="$preload" "${@:2}"; }

trap 'status=$?; echo Y >"$uring_switch"; (exit $status); clean_up' EXIT
echo N >"$uring_switch"
check "/dev/fuse where the switch is off" mounts_over fuse holdfastd "$region" "$mnt"
refuses 1 'transport=io_uring.*switch is off.*echo Y' holdfastd "$region" "$mnt" -o transport=io_uring

echo Y >"$uring_switch"
check "io_uring where it is on" mounts_over io_uring holdfastd "$region" "$mnt"
check "and when it is asked for" mounts_over io_uring holdfastd "$region" "$mnt" -o transport=io_uring
[[ -e $preload ]] || { echo "nothing can be preloaded into sanitized programs" && exit 0; }
for step in make register; do
  check "/dev/fuse where io_uring fails ($step)" mounts_over fuse with_failing "$step" holdfastd "$region" "$mnt"
  refuses 1 'transport=io_uring is not to be had' with_failing "$step" holdfastd "$region" "$mnt" -o transport=io_uring
  check "and nothing is left mounted" eval '! is_mounted'
done
check_region
