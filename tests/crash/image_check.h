// SPDX-License-Identifier: Apache-2.0
// What every crash image must stand: recovery, the checker, a tree that was promised, removal of it
// all.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/crash/image_memory.h"
#include "tests/support/tree_state.h"

namespace holdfast::tests {

/// The trees an image may show. Pointers belong to the caller.
struct Promise {
  std::vector<const TreeState*> trees;  ///< any of these
  /// Or a mixture of one and the next, word by word: a write in place was under way.
  bool may_mix = false;
};

/// Replays the journal as a mount begins with. False if that fails. What mounts after it depends on
/// nothing but the image's RecoveredHash().
bool Recover(ImageMemory& memory);

/// Checks the image in `memory` (not recovered yet): a mount, the checker before and after, the
/// tree, the removal of all of it and the checker again. Returns what is wrong, or nothing. Leaves
/// the image changed.
std::optional<std::string> CheckImage(ImageMemory& memory, const Promise& promise);

}  // namespace holdfast::tests
