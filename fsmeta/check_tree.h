// SPDX-License-Identifier: Apache-2.0
// Walking a tree that may be damaged: everything is looked at, nothing is relied on.
#pragma once

#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "fsmeta/btree.h"
#include "fsmeta/check_image.h"
#include "fsmeta/check_report.h"

namespace holdfast::fsmeta {

/// Which tree, and how findings name it.
struct TreeName {
  TreeKind kind;
  uint64_t owner;
  std::string_view structure;
  std::string location;
};

/// Asked for each node before it is read; false: do not, it is somebody else's.
using OnTreeNode = absl::FunctionRef<bool(Pfn)>;
using OnTreeRecord = absl::FunctionRef<void(const TreeRecord&)>;

/// A root without a tree: never used, or emptied.
bool IsEmptyRoot(const TreeRoot& root, TreeKind kind);

/// Visits the records of a tree in order. Checks root, nodes, levels, and that keys keep the bounds
/// their parents set; a subtree that is unsound is reported and left out. `report` may be null, for
/// a second walk. False if anything was unsound. Visits each node once, whatever the medium holds.
bool WalkTree(CheckImage& image, CheckReport* report, const TreeName& name, const TreeRoot& root,
              OnTreeNode on_node, OnTreeRecord on_record);

}  // namespace holdfast::fsmeta
