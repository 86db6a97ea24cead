#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Real programs on a real mount: cp, diff, tar, git, sqlite3, fio with verify; and the same after a
# remount.
# ctest: timeout=300 slow transports
. "$(dirname "$0")/lib.sh"

make_region 512M
mount_region

echo "-- a tree"
cp -a /usr/include/linux "$mnt/tree"
check "cp -a copies it" diff -r --no-dereference /usr/include/linux "$mnt/tree"
cp -a "$mnt/tree" "$mnt/copy"
tar -C "$mnt" -cf "$mnt/tree.tar" tree
mkdir "$mnt/untarred"
tar -C "$mnt/untarred" -xf "$mnt/tree.tar"
check "tar out and in" diff -r --no-dereference /usr/include/linux "$mnt/untarred/tree"

echo "-- git"
git init --quiet "$scratch/repository"
cp -a /usr/include/linux "$scratch/repository/files"
git -C "$scratch/repository" add .
git -C "$scratch/repository" -c user.name=t -c user.email=t@t commit --quiet -m all
check "git clone" git clone --quiet --no-local "$scratch/repository" "$mnt/clone"
check "git fsck" git -C "$mnt/clone" fsck --strict
check "nothing is seen as changed" eval '[[ -z $(git -C "$mnt/clone" status --short) ]]'

echo "-- sqlite"
for mode in delete wal; do
  sqlite3 "$mnt/$mode.db" "pragma journal_mode=$mode; create table t(id integer primary key, x blob);" >/dev/null
  for round in 1 2 3 4; do
    sqlite3 -cmd ".timeout 60000" "$mnt/$mode.db" "with recursive n(i) as (select 1 union all select i + 1 from n where i < 500)
      insert into t(x) select randomblob(200) from n; delete from t where id % 7 = $round;" &
  done
  wait
  check "sqlite in mode $mode is sound" eval '[[ $(sqlite3 "$mnt/$mode.db" "pragma integrity_check") == ok ]]'
done

echo "-- fio"
for engine in "psync --rw=randrw --bs=4k" "libaio --iodepth=16 --direct=1 --rw=randwrite --bs=8k" \
  "mmap --rw=randwrite --bs=4k" "psync --rw=write --bs=1M" "io_uring --iodepth=8 --rw=randrw --bs=3k"; do
  read -r name rest <<<"$engine"
  # shellcheck disable=SC2086
  check "fio $engine" fio --name=job --directory="$mnt" --size=16M --ioengine="$name" $rest \
    --verify=crc32c --verify_fatal=1 --verify_state_save=0 --numjobs=2
  rm "$mnt"/job.*
done

echo "-- two processes append"
for writer in a b; do
  python3 - "$mnt/log" $writer <<'PY' &
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
for i in range(2000):
    os.write(fd, f"{sys.argv[2]} {i:06d} {'x' * (i % 90)}\n".encode())
PY
done
wait
check "no line is torn or lost" eval '[[ $(grep -cE "^[ab] [0-9]{6} x*$" "$mnt/log") == 4000 &&
  $(sort "$mnt/log" | uniq | wc -l) == 4000 ]]'

echo "-- after a remount"
sum=$(cd "$mnt" && find . -type f -exec sha256sum {} + | sort | sha256sum)
unmount_region
check_region
mount_region
check "everything is as it was" eval '[[ $(cd "$mnt" && find . -type f -exec sha256sum {} + | sort | sha256sum) == "$sum" ]]'
