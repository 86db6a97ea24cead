// SPDX-License-Identifier: Apache-2.0
// Showing where a file's bytes are.
#include <algorithm>

#include "fsmeta/file_data.h"

namespace holdfast::fsmeta {
namespace {

using State = LayoutPiece::State;

// Collects pieces of blocks [from, to), up to a limit, and puts the holes between them.
class PieceList {
 public:
  PieceList(FileRange range, size_t max) : next_(range.start), max_(max) {}

  bool full() const { return pieces_.size() >= max_; }
  void Add(const Extent& extent, State state) {
    HoleUpTo(extent.file_block);
    Push(extent.file_block, ByteOffset(extent.run.start), Bytes(extent.run.length), state);
    next_ = extent.end();
  }
  void HoleUpTo(FileBlock block) {
    if (next_ < block) Push(next_, 0, Bytes(block - next_), State::kHole);
    next_ = std::max(next_, block);
  }
  std::vector<LayoutPiece> Take() { return std::move(pieces_); }

 private:
  void Push(FileBlock at, uint64_t region_offset, uint64_t length, State state) {
    if (!full()) pieces_.push_back({ByteOffset(at), region_offset, length, state});
  }

  FileBlock next_;
  const size_t max_;
  std::vector<LayoutPiece> pieces_;
};

// One extent, split by how many owners its blocks have.
Result<void> AddExtent(Transaction& tx, const Refcounts& refcounts, bool may_share,
                       const Extent& extent, PieceList* pieces) {
  if (extent.unwritten() || !may_share) {
    pieces->Add(extent, extent.unwritten() ? State::kUnwritten : State::kWritten);
    return {};
  }
  HOLDFAST_ASSIGN(const auto counted, refcounts.Lookup(tx, extent.run));
  for (const CountedRun& part : counted) {
    const FileBlock at = extent.file_block + (part.run.start - extent.run.start);
    pieces->Add({at, part.run, 0}, part.count > 1 ? State::kShared : State::kWritten);
  }
  return {};
}

}  // namespace

Result<std::vector<LayoutPiece>> FileData::Layout(Ino ino, uint64_t offset, uint64_t length,
                                                  size_t max) {
  const InodeRef ref = volume_.live().Get(ino);
  LiveInode& inode = *ref;
  absl::ReaderMutexLock meta(&inode.meta);
  HOLDFAST_ASSIGN(const InodeSlot* slot, ReadRegular(inode));
  const bool may_share = (slot->flags & kInodeMayShare) != 0;
  offset = std::min(offset, kMaxFileSize);
  const FileRange range =
      ByteSpan{offset, offset + std::min(length, kMaxFileSize - offset)}.blocks();
  if (range.empty()) return std::vector<LayoutPiece>();
  // A transaction only to take the locks of the groups whose reference counts are asked.
  return volume_.transactions().Run([&](Transaction& tx) -> Result<std::vector<LayoutPiece>> {
    PieceList pieces(range, max);
    Result<void> looked;
    HOLDFAST_TRY(volume_.extents().ForEach(tx, *slot, range.start, range.end, [&](const Extent& e) {
      looked = AddExtent(tx, volume_.refcounts(), may_share, Clip(e, range), &pieces);
      return looked && !pieces.full();
    }));
    HOLDFAST_TRY(looked);
    pieces.HoleUpTo(std::min(range.end, FileBlockCeil(slot->size)));
    return pieces.Take();
  });
}

}  // namespace holdfast::fsmeta
