# SPDX-License-Identifier: Apache-2.0
# Sourced by tools/vm: builds the initramfs: a static busybox, the kernel modules that the guest
# needs, in an order in which they load, and tests/vm/init.

vm_modules=(virtio_pci 9pnet_virtio 9p overlay fuse loop
  nfit libnvdimm nd_btt nd_pmem dax_pmem device_dax
  crc32c_generic crc32c_intel crc32c xfs ext4)

# module_order KERNEL: prints the files of all modules with what each depends on before it.
# The machine's own modprobe settings must not count: ndctl brings an install line for libnvdimm.
module_order() {
  local release module
  release=$(kernel_release "$1")
  for module in "${vm_modules[@]}"; do
    # Some are part of one kernel and a module of another; some are gone in a newer one.
    modprobe -C /dev/null -d "$1" -S "$release" --show-depends "$module" 2>/dev/null || true
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# add_module FILE TREE: unpacked, since busybox loads plain modules only.
add_module() {
  local name
  name=$(basename "$1")
  case $name in
    *.xz) xz -dc "$1" >"$2/modules/${name%.xz}" ;;
    *.zst) zstd -qdc "$1" >"$2/modules/${name%.zst}" ;;
    *) cp "$1" "$2/modules/$name" ;;
  esac
  basename "${name%%.ko*}.ko" >>"$2/modules/order"
}

# build_initramfs KERNEL FILE
build_initramfs() {
  local tree file
  tree=$(mktemp -d "$vm_cache/initramfs.XXXXXX")
  mkdir -p "$tree"/{bin,dev,proc,sys,modules,lower,upper,root}
  cp "$(command -v busybox)" "$tree/bin/busybox"
  while read -r file; do add_module "$file" "$tree"; done < <(module_order "$1")
  install -m 755 tests/vm/init "$tree/init"
  (cd "$tree" && find . | cpio --quiet -o -H newc) >"$2"
  rm -rf "$tree"
}
