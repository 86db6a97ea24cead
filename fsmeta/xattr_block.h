// SPDX-License-Identifier: Apache-2.0
// One block of extended attributes: entries packed from the front.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "daxcore/result.h"
#include "daxcore/types.h"
#include "fsmeta/format.h"

namespace holdfast::fsmeta {

inline constexpr size_t kMaxXattrNameBytes = 255;
inline constexpr size_t kXattrAreaBytes = sizeof(XattrBlock::entries);

/// One attribute of a block. The views point into the block.
struct XattrRecord {
  uint32_t offset;  ///< in XattrBlock::entries
  uint32_t length;  ///< of the record, bytes
  std::string_view name;
  std::string_view value;    ///< empty if external
  uint32_t value_length;     ///< bytes
  uint64_t value_block = 0;  ///< head of the value's chain; 0: the value is here
  bool external() const { return value_block != 0; }
};

/// What is to be stored: the value itself, or where it is.
struct XattrContent {
  std::string_view name;
  std::string_view value;
  uint64_t value_block = 0;  ///< if not 0: the chain that holds `value`
};

/// Bytes of the record that `content` needs.
uint32_t XattrRecordBytes(const XattrContent& content);

// Bounds-checked: entries that do not add up are EUCLEAN. The caller holds the inode's metadata
// lock.

/// Calls `fn` with each attribute until it returns false.
daxcore::Result<void> ForEachXattr(const XattrBlock& block,
                                   const std::function<bool(const XattrRecord&)>& fn);
/// The attribute of that name.
daxcore::Result<std::optional<XattrRecord>> FindXattr(const XattrBlock& block,
                                                      std::string_view name);
/// Bytes that are free at the end of the block; EUCLEAN if more are in use than there are.
daxcore::Result<uint32_t> XattrRoom(const XattrBlock& block);
/// Appends a record; there must be room for it.
void AppendXattr(XattrBlock* block, const XattrContent& content);
/// Takes a record out and closes the gap.
void RemoveXattrRecord(XattrBlock* block, const XattrRecord& record);

}  // namespace holdfast::fsmeta
