// SPDX-License-Identifier: Apache-2.0
// Making and unmaking a live inode, where its parts' types are complete.
#include "fsmeta/live_inode.h"

#include "fsmeta/directory_hints.h"

namespace holdfast::fsmeta {

LiveInode::LiveInode(daxcore::LayoutManager& layouts, Ino number)
    : ino(number), layout(layouts, number) {}

LiveInode::~LiveInode() = default;

}  // namespace holdfast::fsmeta
