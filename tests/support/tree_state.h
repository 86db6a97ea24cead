// SPDX-License-Identifier: Apache-2.0
// A filesystem as its users see it: every name, attribute and byte, for comparing.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "fsmeta/filesystem.h"

namespace holdfast::tests {

/// What one name leads to. Timestamps are left out: they are lazy.
struct TreeEntry {
  std::string attributes;  ///< mode, owner, links, size, space, layout, target, xattrs: one line
  std::string data;        ///< of regular files

  bool operator==(const TreeEntry&) const = default;
};

/// The inode that a name leads to.
uint64_t InodeOf(const TreeEntry& entry);

/// By path from the root, "" is the root itself.
using TreeState = std::map<std::string, TreeEntry>;

/// Reads everything. Errors as the operations that it uses.
daxcore::Result<TreeState> ReadTree(fsmeta::Filesystem& fs);

/// Removes everything below the root.
daxcore::Result<void> RemoveTree(fsmeta::Filesystem& fs);

/// Is `found` what a write that is not atomic may leave of going from `before` to `after`? The same
/// names; each with the attributes of either; in files, each aligned 8 bytes those of either.
bool IsBetween(const TreeState& found, const TreeState& before, const TreeState& after);

/// Is `found` what a write that ends early may leave? The same names; each is that of either, or a
/// file of a size in between, each aligned 8 bytes of it those of either.
bool IsPartial(const TreeState& found, const TreeState& before, const TreeState& after);

/// Where two trees differ, a line for each path, at most `most`.
std::string Differences(std::string_view left_name, const TreeState& left,
                        std::string_view right_name, const TreeState& right, size_t most = 8);

}  // namespace holdfast::tests
