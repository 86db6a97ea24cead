#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of the daemon in the middle of things: the region mounts at once, fsck is clean, and what
# was done before is there.
# ctest: timeout=300 transports threads
. "$(dirname "$0")/lib.sh"

make_region 256M
git init --quiet "$scratch/repository"
cp -a /usr/include/linux "$scratch/repository/files"
git -C "$scratch/repository" add .
git -C "$scratch/repository" -c user.name=t -c user.email=t@t commit --quiet -m all

# Writes numbered files, each complete before its name is printed.
number_files() {
  python3 - "$mnt/numbered" "$scratch/done" <<'PY'
import os, sys
os.makedirs(sys.argv[1], exist_ok=True)
with open(sys.argv[2], "w") as done:
    for i in range(1_000_000):
        with open(f"{sys.argv[1]}/{i}", "w") as file:
            file.write(f"{i} " * (i % 3000))
        print(i, file=done, flush=True)
PY
}

copy_trees() { for i in $(seq 100); do cp -a /usr/include/linux "$mnt/tree.$i"; done; }
clone_often() { for i in $(seq 100); do git clone --quiet --no-local "$scratch/repository" "$mnt/clone.$i"; done; }
fill_database() {
  sqlite3 "$mnt/db" "pragma journal_mode=wal; create table if not exists t(x);"
  for _ in $(seq 1000); do sqlite3 "$mnt/db" "insert into t values (randomblob(3000));"; done
}
shuffle() {
  for i in $(seq 10000); do
    cp --reflink=auto "$mnt/base" "$mnt/clone" && fallocate -p -o $((i % 50 * 4096)) -l 8192 "$mnt/clone" &&
      mv "$mnt/clone" "$mnt/moved" && truncate -s $((i * 1000 % 300000)) "$mnt/moved" && ln -f "$mnt/moved" "$mnt/link"
  done
}
write_by_fio() { fio --name=job --directory="$mnt" --size=32M --rw=randrw --bs=7k --time_based --runtime=60; }

# The work has come to where there is something to lose.
begun() {
  case $work in
    number_files) [[ -s $scratch/done ]] ;;
    *) [[ $(find "$mnt" -mindepth 1 -maxdepth 1 | wc -l) -gt 1 ]] ;;
  esac
}

mount_region
dd if=/dev/urandom of="$mnt/base" bs=1M count=1 status=none
sum=$(sha256sum <"$mnt/base")
for work in number_files copy_trees clone_often fill_database shuffle write_by_fio; do
  "$work" >/dev/null 2>&1 &
  worker=$!
  wait_until 600 begun || fail "$work does not begin"
  sleep "0.$((RANDOM % 5 + 5))"
  end_daemon KILL
  wait "$worker" 2>/dev/null || true
  umount --lazy "$mnt"
  check_region
  mount_region
  check "after a kill during $work what was there before is" eval '[[ $(sha256sum <"$mnt/base") == "$sum" ]]'
  check "everything can be read" tar -C "$mnt" -cf "$scratch/all.tar" .
  if [[ $work == fill_database ]]; then
    check "the database is sound" eval '[[ $(sqlite3 "$mnt/db" "pragma integrity_check") == ok ]]'
  fi
  if [[ $work == number_files ]]; then
    check "each file that was finished is whole" python3 - "$mnt/numbered" "$scratch/done" <<'PY'
import sys
for line in open(sys.argv[2]).read().split("\n")[:-1]:
    i = int(line)
    assert open(f"{sys.argv[1]}/{i}").read() == f"{i} " * (i % 3000), i
PY
  fi
  find "$mnt" -mindepth 1 -maxdepth 1 ! -name base -exec rm -rf {} +
done
check "everything but the base can be removed" eval '[[ $(ls "$mnt") == base ]]'
unmount_region
check_region
