#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fallocate, holes, reflink and copy on write on a real mount, by the ordinary programs and by ours.
# ctest: timeout=300 threads
. "$(dirname "$0")/lib.sh"

used_blocks() { stat --file-system --format '%b %f' "$mnt" | awk '{ print $1 - $2 }'; }
# same_space BEFORE: no more than 16 blocks of metadata came on top.
same_space() { (($(used_blocks) - $1 <= 16)); }
differs_from_zero() { ! cmp --quiet --bytes "$2" --ignore-initial "$1:0" "$mnt/file" /dev/zero; }

make_region 256M
mount_region
dd if=/dev/urandom of="$mnt/file" bs=1M count=32 status=none
cp "$mnt/file" "$scratch/model"

echo "-- reflink"
before=$(used_blocks)
check "holdfast reflink" holdfast reflink "$mnt/file" "$mnt/clone"
check "the clone costs no space" same_space "$before"
check "it has the same bytes" cmp "$mnt/file" "$mnt/clone"
check "plain cp shares too" eval 'cp "$mnt/file" "$mnt/copied" && same_space "$before"'
check "cp --reflink=auto shares too" eval 'cp --reflink=auto "$mnt/file" "$mnt/auto" && same_space "$before"'
check "extents say shared" eval 'holdfast extents --json "$mnt/clone" |
  jq -e "all(.extents[]; .state == \"shared\")"'
dd if=/dev/zero of="$mnt/clone" bs=4096 seek=100 count=3 conv=notrunc status=none
check "a write to the clone leaves the original" cmp "$mnt/file" "$scratch/model"
check "and took the blocks it wrote" eval '(($(used_blocks) - before >= 3)) && same_space $((before + 3))'
check "a range of a file, in the same file" holdfast reflink --offset 0 --length 1M \
  --dest-offset 64M "$mnt/file" "$mnt/file"
check "has the same bytes" cmp --bytes 1048576 --ignore-initial 0:67108864 "$mnt/file" "$mnt/file"
truncate --size 32M "$mnt/file"
check "unshare" holdfast unshare --offset 0 --length 32M "$mnt/auto"
check "gives blocks of its own" eval 'holdfast extents --json "$mnt/auto" |
  jq -e "all(.extents[]; .state != \"shared\")"'
check "and changes no byte" cmp "$mnt/auto" "$scratch/model"
rm "$mnt/clone" "$mnt/copied" "$mnt/auto"
# Once the kernel has told of the last close, which it does not wait for.
check "space comes back" wait_until 100 eval '(($(used_blocks) <= before + 16))'

echo "-- ranges, each also done to a copy by hand"
zero_model() { dd if=/dev/zero of="$scratch/model" bs=1 seek="$1" count="$2" conv=notrunc status=none; }
check "holdfast punch, zero and allocate" eval '
  holdfast punch --offset 5000 --length 64K "$mnt/file" && zero_model 5000 65536 &&
  holdfast zero --offset 256K --length 64K "$mnt/file" && zero_model 262144 65536 &&
  holdfast allocate --offset 32M --length 64K --keep-size "$mnt/file"'
check "do what they say" cmp "$mnt/file" "$scratch/model"
check "punch" fallocate --punch-hole --offset 1000000 --length 100001 "$mnt/file"
zero_model 1000000 100001
check "reads zero there and nowhere else" cmp "$mnt/file" "$scratch/model"
check "zero range" fallocate --zero-range --offset 3000001 --length 70000 "$mnt/file"
zero_model 3000001 70000
check "reads zero there and nowhere else" cmp "$mnt/file" "$scratch/model"
check "collapse" holdfast collapse --offset 1M --length 2M "$mnt/file"
{ head --bytes 1M "$scratch/model" && tail --bytes +$((3 * 1048576 + 1)) "$scratch/model"; } >"$scratch/new"
check "takes exactly that range out" cmp "$mnt/file" "$scratch/new"
check "insert" holdfast insert --offset 1M --length 64K "$mnt/file"
{ head --bytes 1M "$scratch/new" && head --bytes 64K /dev/zero && tail --bytes +$((1048576 + 1)) "$scratch/new"; } >"$scratch/model"
check "moves the rest up" cmp "$mnt/file" "$scratch/model"
check "preallocation keeps the size" eval 'fallocate --keep-size --offset 40M --length 8M "$mnt/file" &&
  [[ $(stat --format %s "$mnt/file") == $(stat --format %s "$scratch/model") ]]'
check "preallocation grows the file and reads zero" eval 'fallocate --length 5M "$mnt/fresh" &&
  [[ $(stat --format %s "$mnt/fresh") == 5242880 ]] && cmp --bytes 5242880 "$mnt/fresh" /dev/zero'

echo "-- far away"
check "a file of 2^60 bytes less one" eval 'truncate --size $((2**60 - 1)) "$mnt/huge" &&
  echo end | dd of="$mnt/huge" bs=1 seek=$((2**60 - 5)) conv=notrunc status=none &&
  [[ $(tail --bytes 4 "$mnt/huge") == end ]]'
check "is sparse" eval '(($(stat --format %b "$mnt/huge") <= 16))'
refuses 1 'File too large' truncate --size $((2**60 + 1)) "$mnt/huge"
check "data and holes can be found" python3 - "$mnt/holes" <<'PYTHON'
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.pwrite(fd, b"x", 1 << 20)
os.ftruncate(fd, 4 << 20)
assert os.lseek(fd, 0, os.SEEK_DATA) == 1 << 20
assert os.lseek(fd, 0, os.SEEK_HOLE) == 0
assert os.lseek(fd, 1 << 20, os.SEEK_HOLE) == (1 << 20) + 4096
try:
    os.lseek(fd, 2 << 20, os.SEEK_DATA)
    raise SystemExit("data past the last data")
except OSError as error:
    assert error.errno == 6, error
PYTHON

unmount_region
check_region
mount_region
check "all of it is there after a remount" cmp "$mnt/file" "$scratch/model"
unmount_region
