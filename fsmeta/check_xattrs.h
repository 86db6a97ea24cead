// SPDX-License-Identifier: Apache-2.0
// The attributes of an inode that may be damaged.
#pragma once

#include "fsmeta/check_state.h"
#include "fsmeta/format.h"

namespace holdfast::fsmeta {

struct XattrFacts {
  bool access_list = false;  ///< there is a POSIX access ACL
};

/// Checks the attribute blocks and value chains of a slot and claims them.
XattrFacts CheckXattrs(CheckState& state, const InodeSlot& slot);

}  // namespace holdfast::fsmeta
