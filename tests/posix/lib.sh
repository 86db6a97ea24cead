# SPDX-License-Identifier: Apache-2.0
# Sourced by the tests of real mounts: a scratch region and mount point, mounting, killing, checking,
# and cleaning up whatever happens.
#
#   . "$(dirname "$0")/lib.sh"
#   make_region 64M          # formats $region
#   mount_region [-o ...]    # serves it on $mnt
#   check "what should be so" command...
set -euo pipefail

[[ $EUID -eq 0 ]] || { echo "needs root to mount" && exit 77; }
[[ -c /dev/fuse ]] || { echo "needs /dev/fuse" && exit 77; }
PATH=$HOLDFAST_BIN_DIR:$PATH

scratch=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-posix.XXXXXX")
shm=$(mktemp -d /dev/shm/holdfast-posix.XXXXXX)
region=${HOLDFAST_VM_REGION:-$shm/region} # in a virtual machine: real persistent memory
mnt=$scratch/mnt
mkdir "$mnt"

# How requests come; `auto` unless the test is one of a pair. The kernel's switch for io_uring stays
# on, as tools/quickstart leaves it: other tests need it meanwhile. Whoever turns it off has it locked.
transport=${HOLDFAST_TRANSPORT:-auto}
uring_switch=/sys/module/fuse/parameters/enable_uring
if [[ $transport == io_uring ]]; then
  [[ -e $uring_switch ]] || { echo "needs a kernel with FUSE over io_uring" && exit 77; }
  exec {uring_lock}<"$uring_switch"
  flock --shared "$uring_lock"
  echo Y >"$uring_switch"
fi

# What sanitizers find in daemons, which have no stderr in the background, at their end too.
findings=$scratch/sanitizer
for sanitizer in ASAN LSAN TSAN UBSAN; do export "${sanitizer}_OPTIONS=log_path=$findings"; done

# A dead mount blocks whoever touches it, so unmounting comes first and asks nothing of it.
clean_up() {
  local status=$?
  while umount --lazy "$mnt" 2>/dev/null; do :; done
  end_daemon KILL
  cat "$findings".* >&2 2>/dev/null && status=1
  rm -rf "$scratch" "$shm"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

# region_owner [REGION]: prints the pid of the daemon that has the region locked.
region_owner() {
  local inode pid
  inode=$(stat --format %i "${1:-$region}" 2>/dev/null) || return 0
  # Numbers of inodes are unique to one filesystem only: other programs may have such locks.
  for pid in $(awk -v inode="$inode" '$2 == "FLOCK" && $4 == "WRITE" { split($6, id, ":")
    if (id[3] == inode) print $5 }' /proc/locks); do
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) != holdfastd ]] || echo "$pid"
  done
}

# end_daemon SIGNAL: sends it to the daemon of $region, if there is one, and waits until it is gone.
end_daemon() {
  local pid
  pid=$(region_owner)
  [[ -n $pid ]] || return 0
  kill -s "$1" "$pid" 2>/dev/null || return 0
  wait_until 100 gone "$pid" || fail "daemon $pid outlives SIG$1"
}
gone() { [[ ! -e /proc/$1 || $(awk '{ print $3 }' "/proc/$1/stat" 2>/dev/null) == Z ]]; }

# wait_until TENTHS COMMAND...: tries it every tenth of a second.
wait_until() {
  local left=$1
  shift
  until "$@"; do
    ((left-- > 0)) || return 1
    command sleep 0.1
  done
}

fail() {
  echo "FAILED: $*" >&2
  return 1
}

# check TEXT COMMAND...: the command must succeed; its output is shown only if it does not.
check() {
  local text=$1
  shift
  if "$@" >"$scratch/check.log" 2>&1; then
    echo "ok: $text"
  else
    echo "FAILED: $text: $*" >&2
    cat "$scratch/check.log" >&2
    exit 1
  fi
}

# refuses STATUS PATTERN COMMAND...: it must end with that status and say one line like PATTERN.
refuses() {
  local wanted=$1 pattern=$2 status=0
  shift 2
  "$@" >"$scratch/out.log" 2>"$scratch/err.log" || status=$?
  if [[ $status -ne $wanted || $(wc -l <"$scratch/err.log") -ne 1 ]] ||
    ! grep --quiet --extended-regexp -- "$pattern" "$scratch/err.log"; then
    echo "FAILED: '$*' ended with $status and said:" >&2
    cat "$scratch/out.log" "$scratch/err.log" >&2
    echo "wanted: $wanted and one line like '$pattern'" >&2
    exit 1
  fi
  echo "ok: $* is refused: $(cat "$scratch/err.log")"
}

# make_region SIZE [MKFS-OPTION...]: formats $region anew; a device has the size it has.
make_region() {
  local size=$1
  shift
  if [[ -z ${HOLDFAST_VM_REGION:-} ]]; then
    mkfs.holdfast --emulate --size "$size" "$@" "$region" >/dev/null
  else
    [[ -c $region ]] || { rm -f "$region" && fallocate --length "$size" "$region"; }
    mkfs.holdfast --force "$@" "$region" >/dev/null
  fi
}
mount_region() { holdfastd "$region" "$mnt" -o "transport=$transport" "$@"; }
is_mounted() { findmnt --noheadings --mountpoint "$mnt" >/dev/null; }

# Asked of a daemon before it ends: neither its allocator (L11) nor its page table (P9) met such a block.
nothing_held_was_given_away() {
  holdfast info --json "$mnt" |
    jq --exit-status '.failures.page_canary_hits + .failures.allocator_oracle_hits == 0'
}

# unmount_region: unmounts and waits for the daemon to have left.
unmount_region() {
  local pid
  pid=$(region_owner)
  check "L11: no block was given away while somebody held it" nothing_held_was_given_away
  umount "$mnt"
  [[ -z $pid ]] || wait_until 100 gone "$pid" || fail "daemon $pid stays after umount"
}

# crash_daemon: kill -9 and the dead mount taken away.
crash_daemon() {
  end_daemon KILL
  umount --lazy "$mnt"
}

# check_region: fsck finds nothing to complain about.
check_region() { check "fsck finds the region clean" fsck.holdfast -n "$region"; }
