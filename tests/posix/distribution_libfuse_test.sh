#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The daemon built with the distribution's libfuse: mounts and works, without the newer features.
# ctest: timeout=180 once
older=$HOLDFAST_BIN_DIR/../distribution/holdfastd
if [[ ! -x $older ]]; then
  echo "every test runs with the distribution's libfuse here" && exit 0
fi
programs=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-programs.XXXXXX")
trap 'rm -rf "$programs"' EXIT
ln -s "$HOLDFAST_BIN_DIR"/* "$programs"
ln -sf "$older" "$programs/holdfastd"
export HOLDFAST_BIN_DIR=$programs

echo "-- the test of mounting"
bash "$(dirname "$0")/mount_test.sh" || exit 1

. "$(dirname "$0")/lib.sh"
trap 'status=$?; rm -rf "$programs"; (exit $status); clean_up' EXIT
echo "-- what info tells"
make_region 32M
mount_region
info() { holdfast info --json "$mnt" | jq --raw-output "$1"; }
check "it is the distribution's libfuse" \
  eval '[[ $(info .features.libfuse) == "$(PKG_CONFIG_PATH= pkg-config --modversion fuse3)" ]]'
check "a shared mmap on direct I/O is not to be had" eval '[[ $(info .features.direct_io_mmap) == false ]]'
unmount_region
for transport in fuse io_uring; do
  [[ $transport == fuse || $(cat "$uring_switch" 2>/dev/null) == Y ]] || continue
  mount_region
  check "requests come over $transport" eval '[[ $(info .features.transport) == $transport ]]'
  check "and are answered" eval 'echo text >"$mnt/text" && [[ $(<"$mnt/text") == text ]]'
  unmount_region
done
mount_region

echo "-- what works without them"
head --bytes 3M /dev/urandom >"$scratch/data"
check "files are written, cloned and read back" eval 'cp "$scratch/data" "$mnt/data" &&
  holdfast reflink "$mnt/data" "$mnt/clone" && cmp "$scratch/data" "$mnt/clone"'
check "a shared mapping is coherent with reads" python3 - "$mnt/data" <<'PYTHON'
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
memory = mmap.mmap(fd, 4096)
memory[:5] = b"hello"
memory.flush()
assert os.pread(fd, 5, 0) == b"hello"
os.pwrite(fd, b"world", 0)
assert memory[:5] == b"world"
PYTHON
unmount_region
check_region
