#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# stress-ng's filesystem stressors with verification.
# ctest: timeout=600 slow transports
. "$(dirname "$0")/lib.sh"
command -v stress-ng >/dev/null || { echo "needs stress-ng" && exit 77; }

known=" $(stress-ng --stressors | tr '\n' ' ') "

make_region 512M
mount_region
mkdir "$mnt/work"
# Without io and getdent, which open all mounts of the machine: those of other tests are busy then.
for stressor in access chmod chown copy-file dentry dir dirdeep dup fallocate fcntl fiemap filename \
  flock fpunch fstat hdd lease link locka lockf lockofd mmap mmapfork mknod open readahead rename \
  seek symlink sync-file touch unlink utime xattr; do
  [[ $known == *" $stressor "* ]] || { echo "skipped: $stressor (not in this stress-ng)" && continue; }
  status=0
  (cd "$mnt/work" && stress-ng --temp-path "$mnt/work" --"$stressor" 1 --timeout 1s --verify \
    --no-rand-seed) >"$scratch/stress.log" 2>&1 || status=$?
  # 3: no resources, 4: not implemented here; anything else but 0 is a failure.
  case $status in
    0 | 3 | 4) echo "ok: $stressor ($status)" ;;
    *) cat "$scratch/stress.log" >&2 && fail "stress-ng --$stressor ended with $status" ;;
  esac
done
unmount_region
check_region
