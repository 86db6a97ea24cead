#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Direct access on a real mount: the ioctls one by one, and the commands that people use.
# ctest: timeout=300 threads
. "$(dirname "$0")/lib.sh"
here=$(realpath "$(dirname "$0")")

make_region 64M
mount_region -o max_leases=4,max_pins=4,max_pinned_blocks=16
echo "-- ioctls"
PYTHONDONTWRITEBYTECODE=1 python3 "$here/direct_arguments.py" "$mnt" "$region"
rm -f "$mnt"/*
unmount_region
check_region

echo "-- lease, pin, busy, pages"
mount_region
dd if=/dev/urandom of="$mnt/file" bs=64K count=1 status=none
size_is() { [[ $(stat --format %s "$mnt/file") == "$1" ]]; }
holders_are() { holdfast busy --json "$mnt" | jq -e ".holders | length == $1" >/dev/null; }
waiter_is() { holdfast busy --json "$mnt" | jq -e ".waiters[0].command == \"$1\"" >/dev/null; }

check "nobody holds anything" holders_are 0
holdfast pin "$mnt/file" >"$scratch/pin.out" &
pinner=$!
check "pin tells what it holds" wait_until 50 grep --quiet "process $pinner holds pin" "$scratch/pin.out"
truncate --size 0 "$mnt/file" &
truncater=$!
check "the truncate waits" wait_until 50 waiter_is truncate
check "busy names the holder" eval 'holdfast busy --json "$mnt" |
  jq -e ".holders[0] | .pid == '"$pinner"' and .command == \"holdfast\" and .kind == \"pin\" and
    .file_offset == 0 and .length == 65536 and .inode == $(stat --format %i "$mnt/file")"'
check "for people too" eval 'holdfast busy "$mnt" | grep --quiet "^'"$pinner"' (holdfast) holds pin" &&
  holdfast busy "$mnt" | grep --quiet "^'"$truncater"' (truncate) waits in setattr"'
check "pages shows the pins" eval 'holdfast pages --json "$mnt/file" |
  jq -e "all(.pages[]; .state == \"owned\" and .pins == 1 and .references == 1)"'
check "as a table" eval '[[ $(holdfast pages "$mnt/file" | tail --lines 1) == *owned* ]]'
check "nothing has changed meanwhile" size_is 65536
kill -TERM "$pinner"
wait "$pinner" || fail "pin ended with $?"
wait "$truncater" || fail "truncate ended with $?"
check "with the pin gone the truncate is done" size_is 0

dd if=/dev/urandom of="$mnt/file" bs=64K count=1 status=none
holdfast lease --write "$mnt/file" >"$scratch/lease.out" &
leaser=$!
check "lease shows the layout" wait_until 50 grep --quiet "written" "$scratch/lease.out"
check "a recalled lease is given back" fallocate --punch-hole --offset 0 --length 4096 "$mnt/file"
wait "$leaser" || fail "lease ended with $?"
check "and says so" grep --quiet "recalled: given back" "$scratch/lease.out"
check "a pin for stores" timeout 20 holdfast pin --write --for 0.1 "$mnt/file"
holdfast pin --long-term "$mnt/file" --offset 4096 >"$scratch/pin.out" &
pinner=$!
check "a long-term pin" wait_until 50 grep --quiet "holds pin" "$scratch/pin.out"
check "is taken back by a recall" truncate --size 0 "$mnt/file"
wait "$pinner" || fail "pin ended with $?"
dd if=/dev/urandom of="$mnt/file" bs=64K count=1 status=none
check "--for ends by itself" timeout 20 holdfast pin --for 0.1 "$mnt/file"
check "and --json is one object" eval 'holdfast lease --json --for 0.1 "$mnt/file" |
  jq -e ".lease > 0 and .extents[0].length == 65536"'
refuses 1 'Invalid argument' holdfast pin --offset 1M --length 4K "$mnt/file"
refuses 1 'not on a Holdfast mount' holdfast pages "$scratch/pin.out"
chmod 755 "$scratch" "$mnt"
if id nobody >/dev/null 2>&1; then
  refuses 1 'not permitted' setpriv --reuid nobody --clear-groups "$HOLDFAST_BIN_DIR/holdfast" busy "$mnt"
fi
unmount_region

echo "-- on a mount that is read-only"
mount_region -o ro
for wish in "lease" "lease --exclusive" "pin" "pin --long-term"; do
  rm -f "$scratch/out"
  # shellcheck disable=SC2086 # options
  holdfast $wish "$mnt/file" >"$scratch/out" 2>&1 &
  client=$!
  check "$wish" wait_until 50 grep --quiet "holds" "$scratch/out"
  holders=1
  [[ $wish != *long-term ]] || holders=2 # with the lease that can be recalled
  check "and busy shows it" holders_are $holders
  kill -TERM "$client"
  wait "$client" || fail "$wish ended with $?"
done
refuses 1 'Read-only file system' holdfast lease --write "$mnt/file"
unmount_region
check_region

echo "-- with a write-back cache"
mount_region -o cache=writeback
refuses 1 'not supported' holdfast lease "$mnt/file"
refuses 1 'not supported' holdfast pin "$mnt/file"
unmount_region
check_region
