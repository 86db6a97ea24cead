// SPDX-License-Identifier: Apache-2.0
// What happens when nobody uses an inode any more: its times are written, or it is deleted.
#pragma once

#include "daxcore/result.h"
#include "fsmeta/volume.h"

namespace holdfast::fsmeta {

/// LiveInodes::Evict of a volume. An inode with a name gets its lazy times written; one without is
/// deleted. Errors are logged: an inode that could not be deleted stays on the orphan list, for the
/// next mount. Nothing happens on a read-only volume or after a shutdown.
void EvictInode(Volume& volume, LiveInode& inode);

/// Deletes an inode without names: its data, attributes and index, then its slot, as a chain of as
/// many transactions as that takes. Other inodes' operations go on meanwhile; a crash in between
/// leaves an orphan with less to delete. Never waits for clients: blocks that somebody still
/// touches go to quarantine (rule L10). Nothing if it has a name. No inode lock may be held.
Result<void> DeleteInode(Volume& volume, LiveInode& inode);

}  // namespace holdfast::fsmeta
