#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `cmake --install` as the README tells it, then mkfs, mount -t, fstab, umount and fsck by the names
# that an administrator types. Installs for real, but into overlays that only this test's mount
# namespace sees.
# ctest: timeout=120 once
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(dirname "$HOLDFAST_BIN_DIR")
[[ $EUID -eq 0 ]] || exit 77
! grep -q '^HOLDFAST_SANITIZE:.*=.' "$build/CMakeCache.txt" || exit 77 # nobody installs such a build

if [[ $# -eq 0 ]]; then
  scratch=$(mktemp -d)
  status=0
  unshare --mount --propagation private bash "$0" "$scratch" || status=$?
  rmdir "$scratch"
  exit "$status"
fi

scratch=$1
mount -t tmpfs scratch "$scratch"
region=$scratch/region
mkdir "$scratch/mnt"
trap 'umount --lazy "$scratch/mnt" 2>/dev/null || true' EXIT
for folder in usr etc; do
  mkdir "$scratch/$folder" "$scratch/$folder.work"
  mount -t overlay overlay "/$folder" \
    -o "lowerdir=/$folder,upperdir=$scratch/$folder,workdir=$scratch/$folder.work" || exit 77
done

cmake --install "$build" >/dev/null
for program in holdfast holdfastd mkfs.holdfast mount.holdfast fsck.holdfast; do
  [[ $(command -v "$program") == /usr/* ]] || { echo "$program is not installed" >&2 && exit 1; }
  "$program" --help >/dev/null
done
[[ -s /etc/holdfast/holdfast.toml ]]

echo "programs in C and C++ build against it, by pkg-config and by CMake"
ldconfig
mkdir "$scratch/client"
cat >"$scratch/client/client.c" <<'C'
#include <holdfast/holdfast.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
int main(int argc, char** argv) {
  holdfast_file* file = 0;
  const int error = holdfast_open(argv[argc - 1], O_RDONLY, 0, 0, &file);
  printf("%d %s\n", error, holdfast_message());
  return error == -ENOTTY ? 0 : 1;
}
C
cp "$scratch/client/client.c" "$scratch/client/client.cc"
cat >"$scratch/client/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(client LANGUAGES C CXX)
find_package(holdfast 0.1 REQUIRED)
add_executable(c_client client.c)
target_link_libraries(c_client PRIVATE holdfast::holdfast)
add_executable(cxx_client client.cc)
target_link_libraries(cxx_client PRIVATE holdfast::holdfast)
CMAKE
read -ra flags < <(pkg-config --cflags --libs holdfast)
cc -std=c99 -pedantic -Wall -Wextra -Werror -o "$scratch/client/by_pkg_config" \
  "$scratch/client/client.c" "${flags[@]}"
c++ -std=c++11 -pedantic -Wall -Wextra -Werror -o "$scratch/client/by_pkg_config_cxx" \
  "$scratch/client/client.cc" "${flags[@]}"
cmake -S "$scratch/client" -B "$scratch/client/build" >/dev/null
cmake --build "$scratch/client/build" >/dev/null
for client in by_pkg_config by_pkg_config_cxx build/c_client build/cxx_client; do
  "$scratch/client/$client" "$scratch" # which is no Holdfast mount, and it says so
done

echo "mkfs, mount by type, by hand"
mkfs -t holdfast --emulate --size 64M "$region"
mount -t holdfast "$region" "$scratch/mnt" -o noatime
echo data >"$scratch/mnt/file"
[[ $(findmnt -no FSTYPE "$scratch/mnt") == *holdfast* ]]
umount "$scratch/mnt"

echo "mount from fstab"
echo "$region $scratch/mnt holdfast noauto,relatime 0 0" >"$scratch/fstab"
mount --fstab "$scratch/fstab" "$scratch/mnt"
[[ $(cat "$scratch/mnt/file") == data ]]
umount "$scratch/mnt"

fsck.holdfast -n "$region"
