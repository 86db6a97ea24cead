# SPDX-License-Identifier: Apache-2.0
# Sourced in the virtual machine: turns the NVDIMM into the memory that a mode means, and says where
# it is in HOLDFAST_VM_REGION.
#   devdax       the character device /dev/dax0.0
#   fsdax-xfs    a file on XFS mounted with -o dax
#   fsdax-ext4   a file on ext4 mounted with -o dax

fsdax_mount=/mnt/pmem

# namespace MODE [OPTION...]: makes namespace0.0 anew in that mode, unless its contents are kept.
namespace() {
  [[ $vm_contents != keep ]] || return 0
  ndctl create-namespace --force --reconfig=namespace0.0 --mode="$1" "${@:2}" >/run/ndctl.log 2>&1 || {
    cat /run/ndctl.log
    return 1
  }
}

fsdax() { # TYPE MKFS-COMMAND...
  namespace fsdax --map=mem || return 1
  mkdir -p "$fsdax_mount"
  if [[ $vm_contents != keep ]]; then
    "${@:2}" /dev/pmem0 >/run/mkfs.log 2>&1 || { cat /run/mkfs.log && return 1; }
  fi
  mount -t "$1" -o dax /dev/pmem0 "$fsdax_mount" || return 1
  export HOLDFAST_VM_REGION=$fsdax_mount/region
}

# make_memory MODE ALIGNMENT
make_memory() {
  case $1 in
    devdax)
      namespace devdax --align="$2" || return 1
      export HOLDFAST_VM_REGION=/dev/dax0.0
      [[ -c $HOLDFAST_VM_REGION ]]
      ;;
    # The kernel's XFS has reflink and DAX together since 6.0; mkfs must align to huge pages.
    fsdax-xfs) fsdax xfs mkfs.xfs -f -m reflink=1 -d su=2m,sw=1,agcount=2 ;;
    fsdax-ext4) fsdax ext4 mkfs.ext4 -F -b 4096 -E stride=512,stripe_width=512 ;;
    *) echo "vm: unknown mode $1" && return 1 ;;
  esac
}
