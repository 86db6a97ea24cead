// SPDX-License-Identifier: Apache-2.0
// Owners by the reverse map, inodes by the cache of live ones.
#include "fsmeta/volume_failure_holder.h"

#include <algorithm>

#include "fsmeta/block_owners.h"

namespace holdfast::fsmeta {

using daxcore::FileRun;
using daxcore::PageOwner;
using daxcore::PfnRange;

Result<std::vector<PageOwner>> VolumeFailureHolder::OwnersOf(PfnRange pages) {
  HOLDFAST_ASSIGN(const std::vector<BlockUse> uses, UsesOf(volume_, pages.start, pages.length));
  std::vector<PageOwner> owners;
  for (const BlockUse& use : uses) {
    const bool metadata = use.kind == BlockUse::Kind::kMetadata;
    if (!metadata && use.kind != BlockUse::Kind::kFileData) continue;
    owners.push_back({FileRun{use.file_block, use.run.start, use.run.length}, use.ino, metadata});
  }
  return owners;
}

void VolumeFailureHolder::WithLiveInode(Ino ino,
                                        const std::function<void(daxcore::InodeLayout&)>& fn) {
  if (const InodeRef inode = volume_.live().Find(ino)) fn(inode->layout);
}

void VolumeFailureHolder::Shutdown(const std::string& reason) { volume_.medium().Shutdown(reason); }

}  // namespace holdfast::fsmeta
