// SPDX-License-Identifier: Apache-2.0
// Owners to and from the medium.
#include "fsmeta/owner.h"

namespace holdfast::fsmeta {

TreeRecord ToTreeRecord(const Owner& owner) {
  return {{{owner.run.start.value(), owner.ino.value(), owner.file_block.value()}},
          {owner.run.length.value() | uint64_t{owner.flags} << 32}};
}

Owner ToOwner(const TreeRecord& record) {
  return {{Pfn(record.key.words[0]), BlockCount(record.value[0] & 0xffffffff)},
          Ino(record.key.words[1]),
          FileBlock(record.key.words[2]),
          static_cast<uint32_t>(record.value[0] >> 32)};
}

}  // namespace holdfast::fsmeta
