// SPDX-License-Identifier: Apache-2.0
// What a run of the region's blocks is used for, and by whom (rule F2, `holdfast owner`).
#pragma once

#include <string_view>
#include <vector>

#include "daxcore/result.h"
#include "fsmeta/volume.h"

namespace holdfast::fsmeta {

/// One use of a run of blocks. A block that files share has several.
struct BlockUse {
  enum class Kind : uint8_t {
    kFree,
    kFileData,    ///< of `ino`, at `file_block`; targets of symlinks too
    kMetadata,    ///< of the filesystem; of `ino` if that is not 0
    kQuarantine,  ///< left `ino` while somebody could touch it
  };
  BlockRun run;
  Kind kind = Kind::kFree;
  Ino ino{0};
  FileBlock file_block{0};
  std::string_view what;  ///< for people: "journal", "directory", ...; empty for file data
};

/// Everything that the blocks of [start, start + length), inside the filesystem, are used for, by
/// ascending block; takes inode and group locks, one group after the other: what is said of two
/// groups may be of two moments. O(records of the groups). EUCLEAN, EIO: the maps cannot be read.
Result<std::vector<BlockUse>> UsesOf(Volume& volume, Pfn start, BlockCount length);

std::string_view NameOf(BlockUse::Kind kind);

}  // namespace holdfast::fsmeta
