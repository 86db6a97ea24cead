#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Somebody truncates the region's file under the daemon: EIO where there is no memory any more, nobody
# dies or hangs, the next mount is refused until the file is whole again.
# ctest: timeout=120 once
. "$(dirname "$0")/lib.sh"
[[ -z ${HOLDFAST_VM_REGION:-} ]] || { echo "needs a region in a file" && exit 77; }

is_eio() { ! timeout 20 "$@" >/dev/null 2>"$scratch/eio.err" && grep --quiet "Input/output error" "$scratch/eio.err"; }
daemon_lives() { [[ $(region_owner) == "$daemon" ]]; }
# place FILE: where in the region its first block is.
place() { holdfast extents --json "$1" | jq '.extents[0].region_offset'; }

make_region 64M
mount_region -o "log_file=$scratch/log"
daemon=$(region_owner)
# Files of half a region, one in each half.
for name in one other; do dd if=/dev/urandom of="$mnt/$name" bs=1M count=28 status=none; done
kept=$mnt/one lost=$mnt/other
[[ $(place "$kept") -lt $(place "$lost") ]] || { kept=$mnt/other && lost=$mnt/one; }
cut=$(place "$lost")
sum=$(sha256sum <"$kept")
truncate --size "$cut" "$region"
check "what lies in the rest can be read" eval '[[ $(sha256sum <"$kept") == "$sum" ]]'
check "what does not is EIO" is_eio cat "$lost"
check "so is writing a part of it" is_eio dd if=/dev/zero of="$lost" bs=100 count=1 conv=notrunc status=none
check "and all of it" is_eio dd if=/dev/zero of="$lost" bs=1M count=28 conv=notrunc status=none
check "the daemon lives" daemon_lives
check "it says what happened" grep --quiet "memory failed at offset" "$scratch/log"
for i in $(seq 50); do timeout 20 touch "$mnt/new.$i" 2>/dev/null || break; done
check "making names works or is EIO, and nothing hangs" eval '[[ $i == 50 ]] || is_eio touch "$mnt/another"'
check "everything can be asked" timeout 20 holdfast info --json "$mnt"

echo "-- all of it"
truncate --size 0 "$region"
check "a file that was read before is EIO" is_eio cat "$kept"
check "a new name too" is_eio mkdir "$mnt/directory"
check "the daemon lives" daemon_lives
check "it can be unmounted" umount "$mnt"
check "and ends" wait_until 100 gone "$daemon"

echo "-- the next mount"
refuses 1 'is too small: 0 bytes' mount_region
make_region 64M --force
mount_region
echo kept >"$mnt/file"
unmount_region
truncate --size 60M "$region"
refuses 1 'truncated' mount_region
truncate --size 64M "$region"
