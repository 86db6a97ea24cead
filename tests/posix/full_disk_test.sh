#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A full filesystem: ENOSPC is honest, what was written stays, and removing always works.
# ctest: timeout=120
. "$(dirname "$0")/lib.sh"

make_region 16M
mount_region

refused() { ! "$@" 2>"$scratch/err.log" && grep --quiet 'No space left' "$scratch/err.log"; }

# fill_up: a file until there is no space, then directories until there is none for those either.
fill_up() {
  check "a file that is too big ends with ENOSPC" refused dd if=/dev/urandom of="$mnt/big" bs=64K
  check "most of the space was used" test "$(stat --format %s "$mnt/big")" -gt $((8 << 20))
  check "fallocate beyond the space changes nothing" eval \
    'refused fallocate --length 1G "$mnt/none" && [[ $(stat -c %s "$mnt/none") == 0 ]]'
  for i in $(seq 5000); do
    mkdir "$mnt/d$i" 2>"$scratch/err.log" || break
  done
  check "making directories ends with ENOSPC" grep --quiet 'No space left' "$scratch/err.log"
}
remove_all() {
  check "removing works" eval 'rm -f "$mnt/none" && rmdir "$mnt"/d* && truncate -s 1M "$mnt/big" && rm "$mnt/big"'
}

fill_up
sum=$(sha256sum <"$mnt/big")
unmount_region
check_region
mount_region
check "what was written is still there" eval '[[ $(sha256sum <"$mnt/big") == "$sum" ]]'
check "overwriting in place needs no space" dd if=/dev/urandom of="$mnt/big" bs=4K count=100 conv=notrunc
remove_all
free=$(stat --file-system --format %f "$mnt")
check "it can be used again" dd if=/dev/zero of="$mnt/again" bs=1M count=8
rm "$mnt/again"

# The inode file keeps what it grew to; a second time nothing more may be gone.
fill_up
remove_all
unmount_region
check_region
mount_region
after=$(stat --file-system --format %f "$mnt")
check "no space was lost ($after of $free blocks)" test "$after" -ge $((free - 8))
