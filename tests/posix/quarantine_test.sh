#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a process has pinned outlives the daemon: after kill -9 and a mount in the same boot, no block of
# it is given away or rewritten until the process is dead.
# proves L11: over a crash of the daemon, with a second process
# ctest: timeout=300 threads
. "$(dirname "$0")/lib.sh"

# hold FILE OFFSET LENGTH: pins it in a process of its own, $holder, until that is killed.
hold() {
  rm -f "$scratch/held"
  python3 "$(dirname "$0")/holder.py" "$@" "$scratch/held" >/dev/null 2>&1 &
  holder=$!
  wait_until 100 test -e "$scratch/held" || fail "no pin was given"
}
quarantined() { holdfast info --json "$mnt" | jq .layouts.quarantined_bytes; }
quarantines() { [[ $(quarantined) == "$1" ]]; }
# medium: what lies where the file was.
medium() { dd if="$region" bs=4096 skip=$((place / 4096)) count=16 status=none; }
# Writes over all free space, so that any block that can be had is had.
churn() {
  dd if=/dev/zero of="$mnt/churn" bs=64K status=none 2>/dev/null || true # until it is full
  rm "$mnt/churn"
}
remount() {
  crash_daemon
  mount_region -o busy_timeout=1
}
make_file() {
  dd if=/dev/urandom of="$mnt/$1" bs=64K count=1 status=none
  place=$(holdfast extents --json "$mnt/$1" | jq '.extents[0].region_offset')
}

make_region 16M
mount_region -o busy_timeout=1

echo "-- blocks that left their file before the crash"
make_file file
medium >"$scratch/before"
hold "$mnt/file" 0 16384
check "a truncate gives up waiting and succeeds" truncate --size 0 "$mnt/file"
check "what is pinned is in quarantine" quarantines 16384
churn
check "its bytes are untouched" cmp --bytes 16384 <(medium) "$scratch/before"
remount
check "after kill -9 and a mount it still is" quarantines 16384
churn
check "its bytes are still untouched" cmp --bytes 16384 <(medium) "$scratch/before"
kill -9 "$holder"
check "when the process dies the blocks are free" wait_until 100 quarantines 0
churn
check "and are used again" eval '! cmp --quiet --bytes 16384 <(medium) "$scratch/before"'

echo "-- a file that is held while the daemon dies"
make_file other
medium >"$scratch/before"
hold "$mnt/other" 0 4096
remount
check "its file can be read" cmp "$mnt/other" "$scratch/before"
rm "$mnt/other"
check "removed, all of it goes to quarantine: nobody knows what of it is held" wait_until 50 quarantines 65536
churn
check "its bytes are untouched" cmp <(medium) "$scratch/before"
remount
check "after a second crash it still is in quarantine" quarantines 65536
churn
check "and untouched" cmp <(medium) "$scratch/before"
kill -9 "$holder"
check "when the process dies the blocks are free" wait_until 100 quarantines 0

echo "-- a holder that dies while no daemon runs"
make_file third
hold "$mnt/third" 0 4096
truncate --size 0 "$mnt/third"
check "its block is in quarantine" quarantines 4096
crash_daemon
kill -9 "$holder"
mount_region
check "the next mount frees it" quarantines 0
unmount_region
check_region
