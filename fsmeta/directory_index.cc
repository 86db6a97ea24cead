// SPDX-License-Identifier: Apache-2.0
// Records of the directory index: {hash, position} -> {inode}.
#include "fsmeta/directory_index.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "absl/strings/str_format.h"

namespace holdfast::fsmeta {
namespace {

TreeKey KeyOf(uint64_t hash, EntryPosition position) { return {{hash, position, 0}}; }

// The tree says there is, or is not, such a record: entries and index disagree.
Result<void> ExpectInStep(Result<void> done, const InodeSlot& slot, EntryPosition position) {
  if (done || (done.error().code != ENOENT && done.error().code != EEXIST)) return done;
  return Fail(EUCLEAN, absl::StrFormat(
                           "directory %d: the index disagrees with the entry at position %d; run "
                           "fsck.holdfast",
                           slot.header.owner, position));
}

}  // namespace

uint64_t HashName(std::string_view name, uint64_t seed) {
  return XXH3_64bits_withSeed(name.data(), name.size(), seed);
}

Result<void> DirectoryIndex::ForEach(MetaReader& reader, const InodeSlot& slot, uint64_t hash,
                                     const std::function<Result<bool>(EntryPosition)>& fn) const {
  Result<void> failed;
  HOLDFAST_TRY(tree_.ForEach(reader, slot.dir_index, KeyOf(hash, 0), [&](const TreeRecord& record) {
    if (record.key.words[0] != hash) return false;
    const Result<bool> more = fn(record.key.words[1]);
    if (!more) failed = std::unexpected(more.error());
    return more.value_or(false);
  }));
  return failed;
}

Result<void> DirectoryIndex::Insert(Transaction& tx, InodeSlot* slot, uint64_t hash,
                                    EntryPosition position, Ino ino) const {
  AllocatorNodeSpace space(allocator_, goal_, AllocFor::kMetadata);
  return ExpectInStep(
      tree_.Insert(tx, &slot->dir_index, {KeyOf(hash, position), {ino.value(), 0}}, space), *slot,
      position);
}

Result<void> DirectoryIndex::Update(Transaction& tx, InodeSlot* slot, uint64_t hash,
                                    EntryPosition position, Ino ino) const {
  return ExpectInStep(tree_.Update(tx, &slot->dir_index, {KeyOf(hash, position), {ino.value(), 0}}),
                      *slot, position);
}

Result<void> DirectoryIndex::Erase(Transaction& tx, InodeSlot* slot, uint64_t hash,
                                   EntryPosition position) const {
  AllocatorNodeSpace space(allocator_, goal_, AllocFor::kRemoval);
  return ExpectInStep(tree_.Erase(tx, &slot->dir_index, KeyOf(hash, position), space), *slot,
                      position);
}

Result<void> DirectoryIndex::Drop(Transaction& tx, InodeSlot* slot) const {
  AllocatorNodeSpace space(allocator_, goal_, AllocFor::kRemoval);
  return tree_.FreeAll(tx, &slot->dir_index, space);
}

}  // namespace holdfast::fsmeta
