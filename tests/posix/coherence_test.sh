#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What ioctls change behind the kernel's back is seen at once: sizes, contents, shared mappings.
# ctest: timeout=120 threads
. "$(dirname "$0")/lib.sh"

make_region 64M
mount_region
dd if=/dev/urandom of="$mnt/source" bs=64K count=16 status=none
check "a reflink has the size and the bytes of its source" eval \
  'holdfast reflink "$mnt/source" "$mnt/clone" && cmp "$mnt/source" "$mnt/clone"'
check "collapse" eval 'holdfast collapse --offset 4096 --length 8192 "$mnt/clone" &&
  [[ $(stat -c %s "$mnt/clone") == $((1048576 - 8192)) ]] &&
  cmp <(head -c 4096 "$mnt/source"; tail -c +12289 "$mnt/source") "$mnt/clone"'
check "insert" eval 'holdfast insert --offset 4096 --length 8192 "$mnt/clone" &&
  [[ $(stat -c %s "$mnt/clone") == 1048576 ]] &&
  cmp <(head -c 4096 "$mnt/source"; head -c 8192 /dev/zero; tail -c +12289 "$mnt/source") "$mnt/clone"'
check "unshare changes no byte" eval 'holdfast reflink "$mnt/source" "$mnt/again" &&
  holdfast unshare --offset 0 --length 1M "$mnt/again" && cmp "$mnt/source" "$mnt/again" &&
  ! holdfast extents "$mnt/again" | grep shared'
check "shared mappings" python3 - "$mnt" <<'PY'
import mmap, os, subprocess, sys
os.chdir(sys.argv[1])
file = open("mapped", "w+b")
file.truncate(16384)
memory = mmap.mmap(file.fileno(), 16384)
for i in range(4):
    memory[i * 4096:i * 4096 + 4] = b"ABCD"[i:i + 1] * 4
assert os.pread(file.fileno(), 4, 4096) == b"BBBB", "read sees the mapping"
os.pwrite(file.fileno(), b"bbbb", 4096)
assert memory[4096:4100] == b"bbbb", "the mapping sees writes"
memory[8192:8196] = b"last"
subprocess.run(["holdfast", "collapse", "--offset", "0", "--length", "4096", "mapped"], check=True)
assert memory[0:4] == b"bbbb" and memory[4096:4100] == b"last", "the mapping moved with the file"
assert os.fstat(file.fileno()).st_size == 12288
memory[0:4] = b"more"
subprocess.run(["holdfast", "reflink", "mapped", "copy"], check=True)
assert open("copy", "rb").read(4) == b"more", "a clone has what was in the mapping"
PY
for way in command ioctl; do
  check "who has a file open appends, copies and maps at its new end after a reflink by $way" \
    env PYTHONDONTWRITEBYTECODE=1 python3 "$(dirname "$0")/new_end.py" "$mnt" "$way"
done
unmount_region
check_region

# Delayed writes: dirty pages are in the kernel when the blocks are shared.
mount_region -o cache=writeback
dd if=/dev/urandom of="$mnt/dirty" bs=64K count=16 status=none
truncate --size 1M "$mnt/target"
check "writeback: a reflink inside the size has the bytes" eval \
  'holdfast reflink "$mnt/dirty" "$mnt/target" && cmp "$mnt/dirty" "$mnt/target"'
check "writeback: copying past the end works by copy_file_range" eval \
  'cp --reflink=auto "$mnt/dirty" "$mnt/copied" && cmp "$mnt/dirty" "$mnt/copied"'
refuses 1 'not supported' holdfast collapse --offset 0 --length 4096 "$mnt/dirty"
unmount_region
check_region
