// SPDX-License-Identifier: Apache-2.0
// Attributes from a slot, to a struct stat, and the clock they are stamped with.
#include "fsmeta/attributes.h"

#include "daxcore/types.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint64_t kStatUnit = 512;

timespec TimeOf(int64_t sec, uint32_t nsec) {
  return {.tv_sec = sec, .tv_nsec = static_cast<long>(nsec)};
}

}  // namespace

struct stat Attributes::ToStat() const {
  struct stat st{};
  st.st_ino = ino.value();
  st.st_mode = mode;
  st.st_nlink = nlink;
  st.st_uid = uid;
  st.st_gid = gid;
  st.st_rdev = rdev;
  st.st_size = static_cast<off_t>(size);
  st.st_blocks = static_cast<blkcnt_t>(blocks);
  st.st_blksize = static_cast<blksize_t>(daxcore::kBlockSize);
  st.st_atim = atime;
  st.st_mtim = mtime;
  st.st_ctim = ctime;
  return st;
}

Attributes AttributesOf(const InodeSlot& slot) {
  return {
      .ino = daxcore::Ino(slot.header.owner),
      .generation = slot.generation,
      .mode = slot.mode,
      .nlink = slot.nlink,
      .uid = slot.uid,
      .gid = slot.gid,
      .rdev = slot.rdev,
      .size = slot.size,
      .blocks = slot.blocks * (daxcore::kBlockSize / kStatUnit),
      .atime = TimeOf(slot.atime_sec, slot.atime_nsec),
      .mtime = TimeOf(slot.mtime_sec, slot.mtime_nsec),
      .ctime = TimeOf(slot.ctime_sec, slot.ctime_nsec),
      .btime = TimeOf(slot.btime_sec, slot.btime_nsec),
  };
}

timespec Now() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now;
}

}  // namespace holdfast::fsmeta
