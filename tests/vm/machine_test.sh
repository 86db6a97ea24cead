#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tools/vm itself: it hands out the command's exit status and files, refuses wrong arguments in one
# line, and ends, with its QEMU, by its limit and by a signal.
# ctest: timeout=600 parallel
set -euo pipefail
cd "$(dirname "$0")/../.."

scratch=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-machine.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch # what a killed tools/vm leaves goes with it
fail() {
  echo "FAILED: $*" >&2
  cat "$scratch/log" >&2
  exit 1
}

# vm STATUS ARGUMENT...: it must end with that status.
vm() {
  local wanted=$1 status=0
  shift
  tools/vm "$@" >"$scratch/log" 2>&1 </dev/null || status=$?
  [[ $status -ne 77 ]] || { cat "$scratch/log" && exit 77; }
  [[ $status -eq $wanted ]] || fail "tools/vm $* ended with $status, not $wanted"
  echo "ok: tools/vm $* ends with $status"
}
has_machine() { pgrep --full "^qemu.*mem-path=$scratch/nvdimm" >/dev/null; }
no_machine_is_left() {
  for _ in {1..50}; do
    has_machine || return 0
    sleep 0.1
  done
  fail "QEMU is still there after: $*"
}

refused=("--kernel" "--mode paper" "--align 1G" "--size 100" "--size 0" "--limit soon" "--speed 9" "lane")
for arguments in "${refused[@]}"; do
  # shellcheck disable=SC2086  # words
  vm 2 $arguments
  [[ $(wc -l <"$scratch/log") -eq 1 ]] || fail "not one line"
done

vm 42 --size 64 --results "$scratch/results" --limit 300 -- \
  bash -c 'ls /dev/dax0.0 && echo "from inside" >/run/vm/results/file; exit 42'
[[ $(<"$scratch/results/file") == "from inside" ]] || fail "its file is not there"
grep --quiet --text /dev/dax0.0 "$scratch/log" || fail "the console was not streamed"

vm 124 --nvdimm "$scratch/nvdimm" --limit 2 -- sleep 1000
no_machine_is_left "the limit"

for signal in TERM INT KILL; do
  # A shell has its background processes ignore SIGINT.
  env --default-signal=INT tools/vm --nvdimm "$scratch/nvdimm" --limit 300 -- sleep 1000 >"$scratch/log" 2>&1 &
  tools_vm=$!
  until has_machine; do
    kill -0 "$tools_vm" 2>/dev/null || fail "no machine"
    sleep 0.1
  done
  kill -s "$signal" "$tools_vm"
  wait "$tools_vm" && fail "it ended well" || status=$?
  no_machine_is_left "SIG$signal"
  echo "ok: SIG$signal ends it with $status, and the machine with it"
done
