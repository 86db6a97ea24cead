#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Memory that fails under a real mount (rules F1 to F8): the daemon survives it, readers get EIO, all
# owners are found, whole-block writes repair, and failed metadata shuts the filesystem down.
# proves F1, F2, F3, F5, F6, F7: on a real mount, by ordinary programs
# ctest: timeout=300
. "$(dirname "$0")/lib.sh"

# place FILE OFFSET: where in the region that byte is.
place() {
  holdfast extents --json "$1" | jq --argjson at "$2" '.extents[] |
    select(.file_offset <= $at and $at < .file_offset + .length) | .region_offset + $at - .file_offset'
}
# block FILE N: bytes of its block N.
block() { dd if="$1" bs=4096 skip="$2" count=1 status=none; }
# write_block FILE N: overwrites it with the bytes of stdin.
write_block() { dd of="$1" bs=4096 seek="$2" conv=notrunc status=none; }
holders=()
# is_eio COMMAND...: it fails, and says why.
is_eio() {
  local said
  said=$({ ! "$@" >/dev/null; } 2>&1) && grep --quiet "Input/output error" <<<"$said"
}
# all_at_once COMMAND NUMBER...: the command with each number, side by side; all must succeed.
all_at_once() {
  local number pid pids=()
  for number in "${@:2}"; do
    "$1" "$number" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || return 1; done
}
block_is_eio() { is_eio block "$mnt/file" "$1"; }
info() { holdfast info --json "$mnt" | jq --exit-status "$1"; }
failures() { holdfast fail list --json "$mnt" | jq --exit-status "$1"; }
inject() { holdfast fail inject "$mnt" --offset "$1" --length "$2"; }
same_daemon() { [[ $(region_owner) == "$daemon" ]]; }
fill() { dd if=/dev/urandom of="$1" bs=4096 count=64 status=none; }

make_region 64M
mount_region -o "log_file=$scratch/log"
daemon=$(region_owner)
fill "$mnt/file"
cp "$mnt/file" "$scratch/model"
check "a clone" holdfast reflink "$mnt/file" "$mnt/clone"
inode=$(stat --format %i "$mnt/file")
clone_inode=$(stat --format %i "$mnt/clone")

echo "-- data"
bad=$(place "$mnt/file" 40960)
check "nothing has failed yet" failures '.failures == []'
check "both clones own the block" eval 'holdfast owner --json "$mnt" --offset "$bad" |
  jq --exit-status "[.owners[] | select(.kind == \"file\" and .file_offset == 40960) | .inode] | sort ==
    ([$inode, $clone_inode] | sort)"'
check "memory fails" inject "$bad" 1
check "F1: a reader gets EIO" is_eio block "$mnt/file" 10
check "F1: through the clone too" is_eio block "$mnt/clone" 10
check "F1: so does who reads all of it" is_eio cat "$mnt/file"
check "F1: and who copies it" is_eio dd if="$mnt/clone" of="$scratch/copy" bs=64K status=none
check "its neighbours are as they were" eval 'cmp <(block "$mnt/file" 9) <(block "$scratch/model" 9) &&
  cmp <(block "$mnt/file" 11) <(block "$scratch/model" 11)'
check "it is known by now" failures ".failures == [{\"region_offset\": $bad, \"length\": 4096}]"
check "F2: it was reported, with its owners" wait_until 50 eval \
  'grep --quiet "memory failed at offset $bad" "$scratch/log" && info ".failures.reported >= 1"'
check "F6: writing a part of it is EIO" eval 'is_eio write_block "$mnt/file" 10 <<<part'
check "F1: so is unsharing it" eval '! holdfast unshare --offset 40960 --length 4096 "$mnt/clone"'
block "$scratch/model" 20 | write_block "$mnt/clone" 10
check "F6: writing all of it repairs the clone" eval \
  'cmp <(block "$mnt/clone" 10) <(block "$scratch/model" 20)'
check "the other has its bad block still" is_eio block "$mnt/file" 10
block "$scratch/model" 10 | write_block "$mnt/file" 10
check "F6: until it is written too" cmp "$mnt/file" "$scratch/model"
check "then nothing is bad any more" failures '.failures == []'
check "the daemon has lived through it all" same_daemon
check "it does not count that as metadata" info '.failures.poisoned_loads == 0 and (.filesystem.shut_down | not)'

echo "-- those who hold a failed block are told"
check "both share the block again" eval 'rm "$mnt/clone" && holdfast reflink "$mnt/file" "$mnt/clone"'
for name in file clone; do
  python3 "$(dirname "$0")/holder.py" "$mnt/$name" 40960 4096 "$scratch/$name.told" >/dev/null 2>&1 &
  holders+=($!)
  wait_until 100 test -e "$scratch/$name.told" || fail "no pin of $name was given"
done
inject "$(place "$mnt/file" 40960)" 4096
check "one reader of one clone meets it" is_eio block "$mnt/file" 10
for name in file clone; do
  check "F2, F3: the holder of $name is told" wait_until 100 eval 'jq --exit-status \
    "select(.type == \"failure\" and .inode == $(stat --format %i "$mnt/$name") and .offset == 40960 and
    .length == 4096)" "$scratch/$name.told"'
done
check "F3: their references are gone" info '.failures.holders_told >= 2'
kill -9 "${holders[@]}"
check "nobody is in the way of repairs" eval 'for name in file clone; do
  block "$scratch/model" 10 | write_block "$mnt/$name" 10 && cmp "$mnt/$name" "$scratch/model" || exit 1; done'

echo "-- many blocks, met by everything at once"
for i in $(seq 0 3 63); do inject "$(place "$mnt/file" $((i * 4096)))" 4096; done
check "readers side by side get EIO" all_at_once block_is_eio $(seq 0 3 63)
check "the rest can be read" eval 'for i in $(seq 1 3 63); do
  cmp <(block "$mnt/file" $i) <(block "$scratch/model" $i) || exit 1; done'
check "one write of all repairs all" dd if="$scratch/model" of="$mnt/file" bs=256K conv=notrunc status=none
check "and it is whole" cmp "$mnt/file" "$scratch/model"
check "truncating a bad file works" eval 'inject "$(place "$mnt/clone" 8192)" 8192 && truncate --size 0 "$mnt/clone"'
check "its blocks can be used again" eval 'for i in $(seq 20); do fill "$mnt/new.$i" && cat "$mnt/new.$i" >/dev/null || exit 1; done'
check "a bad file can be removed" eval 'inject "$(place "$mnt/new.1" 4096)" 4096 && ! cat "$mnt/new.1" >/dev/null && rm "$mnt/new.1"'

echo "-- what is asked wrongly"
refuses 1 "No such device or address" holdfast fail inject "$mnt" --offset 1T --length 4K
refuses 1 "Invalid argument" holdfast fail inject "$mnt" --offset 0 --length 0
refuses 1 "No such device or address" holdfast owner "$mnt" --offset 1T
check "only root may" env PYTHONPATH="$(dirname "$0")" python3 -c '
import direct, errno, os, sys
folder = direct.DirectFile(sys.argv[1], os.O_RDONLY)
os.setresuid(1, 1, 1)
sys.exit(direct.error_of(folder.change_range, direct.IOC_FAIL, 0, 4096, direct.FAIL_CLEAR) != errno.EPERM)' "$mnt"
check "a clear undoes an injection" eval 'at=$(place "$mnt/file" 8192); inject "$at" 4096 &&
  is_eio block "$mnt/file" 2 && holdfast fail clear "$mnt" --offset "$at" --length 4096 && cmp "$mnt/file" "$scratch/model"'

echo "-- metadata"
rm -f "$scratch/held"
python3 "$(dirname "$0")/holder.py" "$mnt/new.2" 0 4096 "$scratch/held" >/dev/null 2>&1 &
holder=$!
wait_until 100 test -e "$scratch/held" || fail "no pin of new.2 was given"
{ truncate --size 0 "$mnt/new.2" 2>"$scratch/truncate.err" && echo done >>"$scratch/truncate.err"; } &
truncater=$!
check "a truncate waits for a pin" wait_until 50 eval \
  'holdfast busy --json "$mnt" | jq --exit-status ".waiters[0].command == \"truncate\""'
cp "$mnt/file" "$mnt/kept"
sync "$mnt/kept"
check "the group header is metadata" eval 'holdfast owner --json "$mnt" --offset 4096 |
  jq --exit-status ".owners == [{\"region_offset\": 4096, \"length\": 4096, \"kind\": \"metadata\", \"what\": \"group header\"}]"'
headers=$(holdfast owner --json "$mnt" --offset 0 --length 0 |
  jq '.owners[] | select(.what == "group header") | .region_offset')
check "F5: the memory of all group headers fails" eval 'for at in $headers; do inject "$at" 4096; done'
check "F5: who needs it gets EIO" is_eio cp "$scratch/model" "$mnt/another"
check "F5: the filesystem is shut down" info '.filesystem.shut_down'
check "F5: and says why" info '.filesystem.shutdown_reason | test("memory failed at offset [0-9]+")'
check "F5: in the log too" grep --quiet "shutting down: memory failed at offset" "$scratch/log"
wait "$truncater" || true
check "F5: what waited is woken and ends with EIO" grep --quiet "Input/output error" "$scratch/truncate.err"
kill -9 "$holder"
check "F5: reading is EIO" is_eio cat "$mnt/kept"
check "F5: writing is EIO" eval 'is_eio write_block "$mnt/kept" 0 <<<part'
check "F5: making a name is EIO" is_eio mkdir "$mnt/directory"
check "F5: removing one is EIO" is_eio rm --force "$mnt/kept"
check "the daemon lives" same_daemon
umount "$mnt"
wait_until 100 gone "$daemon"
check_region
mount_region -o "log_file=$scratch/log"
check "good memory again: everything is there" cmp "$mnt/kept" "$scratch/model"

echo "-- reported before anybody touches it"
check "F5: a report of a failed bitmap shuts down" holdfast fail inject --report "$mnt" --offset 8192 --length 4K
check "at once" info '.filesystem.shut_down'
unmount_region
check_region
mount_region

echo "-- the region goes away"
check "F7: everybody is told and it shuts down" holdfast fail remove "$mnt"
check "F7: with that reason" info '.filesystem.shutdown_reason | test("removed")'
check "F7: reading is EIO" is_eio cat "$mnt/kept"
unmount_region
check_region
