#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The README's walk-through of a truncate that waits for a pin, run as it stands there.
# proves L1: by the commands that people use
# ctest: timeout=120
. "$(dirname "$0")/lib.sh"

# walk_through: the README's lines, on this mount.
walk_through() {
  awk '/^One terminal pins blocks/ { here = 1 }
    here && /^```$/ { exit }
    block { print }
    here && /^```sh$/ { block = 1 }' "$(dirname "$0")/../../README.md" | sed "s|/mnt/holdfast|$mnt|g"
}
# A second is long enough for people, but not on any machine: what the next line needs is waited for.
waiting_for=(holders waiters)
sleep() {
  local wanted=${waiting_for[0]}
  waiting_for=("${waiting_for[@]:1}")
  wait_until 100 eval 'holdfast busy --json "$mnt" | jq --exit-status ".$wanted | length == 1" >/dev/null'
}
said() { grep --quiet --extended-regexp -- "$1" "$scratch/said"; }

make_region 64M
mount_region
walk_through >"$scratch/lines"
check "the README has the walk-through" [ "$(wc -l <"$scratch/lines")" -ge 8 ]
. "$scratch/lines" >"$scratch/said" 2>&1 || fail "a line of it fails: $(cat "$scratch/said")"
check "pin tells what it holds" said "^process [0-9]+ holds pin"
check "busy names who holds" said "^[0-9]+ \(holdfast\) holds pin"
check "and who waits" said "^[0-9]+ \(truncate\) waits in setattr"
check "pages shows the pins" said "owned"
check "nothing has changed before, all has afterwards" eval \
  '[[ $(grep --extended-regexp "^[0-9]+$" "$scratch/said" | tr "\n" " ") == "1048576 0 " ]]'
unmount_region
check_region
