// SPDX-License-Identifier: Apache-2.0
// "Where are the bytes": the question daxcore asks the filesystem above it.
#pragma once

#include "daxcore/ranges.h"
#include "daxcore/result.h"

namespace holdfast::daxcore {

/// What a file has at a block.
enum class ExtentState : uint8_t {
  kHole,       ///< no pages
  kUnwritten,  ///< pages that must read as zeroes, whatever they hold
  kWritten,
};

/// A piece of a file with one state. `pfn` means nothing for a hole.
struct MappedExtent {
  FileBlock index;
  BlockCount length;
  Pfn pfn;
  ExtentState state = ExtentState::kHole;
  bool shared = false;  ///< other files (or this one elsewhere) own these pages too
};

/// Implemented by the filesystem. Called with the layout lock of the inode held (shared or
/// exclusive) and its entry lock; may take the inode's metadata lock and what comes after it, must
/// not call back into the layout, and must not wait for clients.
class ExtentMapper {
 public:
  virtual ~ExtentMapper() = default;
  /// The extent at `index`, cut at `index` and at `end`, as long as it has one state and one
  /// sharing. At least one block. EIO or EUCLEAN as the medium has it.
  virtual Result<MappedExtent> Map(Ino ino, FileBlock index, FileBlock end) = 0;
};

}  // namespace holdfast::daxcore
