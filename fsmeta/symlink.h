// SPDX-License-Identifier: Apache-2.0
// The target of a symbolic link: in the slot while it is short, else in one data block.
#pragma once

#include <string>
#include <string_view>

#include "daxcore/result.h"
#include "fsmeta/slot_fields.h"
#include "fsmeta/volume.h"

namespace holdfast::fsmeta {

/// Gives a new slot its target, of 1 to kMaxSymlinkBytes bytes. ENOSPC.
Result<void> WriteSymlink(Volume& volume, Transaction& tx, InodeSlot* slot,
                          std::string_view target);
/// The target. The caller holds the metadata lock (shared). EINVAL: not a symlink.
Result<std::string> ReadSymlink(Volume& volume, const InodeSlot& slot);

}  // namespace holdfast::fsmeta
