#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fio with verification: buffered and direct, sequential and random, mapped; both data modes.
# ctest: timeout=600 slow
. "$(dirname "$0")/lib.sh"

verify() { # NAME OPTION...
  local name=$1
  shift
  check "fio $name" fio --name="$name" --directory="$mnt" --size=24M --verify=crc32c --verify_state_save=0 \
    --verify_fatal=1 --randseed=7 "$@"
}

for data in inplace cow; do
  echo "-- data=$data"
  make_region 512M --force
  mount_region -o data=$data
  verify "random-4k-$data" --rw=randwrite --bs=4k
  verify "unaligned-$data" --rw=randwrite --bsrange=512-9000 --bs_unaligned=1
  verify "direct-$data" --rw=randrw --bs=4k --direct=1
  verify "sequential-$data" --rw=write --bs=1M --numjobs=2
  verify "asynchronous-$data" --rw=randwrite --bs=16k --ioengine=libaio --iodepth=16 --direct=1
  verify "mapped-$data" --rw=randwrite --bs=4k --ioengine=mmap
  verify "synchronous-$data" --rw=randwrite --bs=4k --fsync=16 --size=4M
  unmount_region
  check_region
done
