// SPDX-License-Identifier: Apache-2.0
// Inode slots in transactions: choosing a cluster, its bitmap, and growing the inode file.
#include "fsmeta/inode_table.h"

#include <algorithm>
#include <bit>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "fsmeta/inode_cluster.h"

namespace holdfast::fsmeta {
namespace {

// A stream may leave most of a cluster unused, so small filesystems have few: one for each 32 MiB.
constexpr uint64_t kBlocksPerStream = 8192;
constexpr uint64_t kMostStreams = 16;
// Heads read in search of a free slot before the file grows.
constexpr uint64_t kLearnPerAllocation = 16;
constexpr uint64_t kLearnPerStep = 256;
// The trees that map a new cluster may need this many blocks.
constexpr uint64_t kTreeBlocks = 8;

// How many clusters could be added.
uint64_t ClustersIn(BlockCount available) {
  return available.value() < kTreeBlocks ? 0 : (available.value() - kTreeBlocks) / kClusterBlocks;
}

uint32_t StreamCount(const Medium& medium) {
  return static_cast<uint32_t>(
      std::clamp(medium.blocks().value() / kBlocksPerStream, uint64_t{1}, kMostStreams));
}

uint64_t ClusterOf(Ino ino) { return ino.value() / kInodesPerCluster; }

std::unexpected<Error> UnsoundInode(Ino ino, const char* why) {
  return Fail(EUCLEAN, absl::StrCat("inode ", ino.value(), " ", why, "; run fsck.holdfast"));
}

Result<void> CheckHead(const InodeCluster& head, uint64_t cluster) {
  constexpr uint64_t kBeyond = ~uint64_t{0} << (kInodesPerCluster % 64);
  const auto free =
      static_cast<uint32_t>(std::popcount(~head.used[0]) + std::popcount(~head.used[1]));
  if (head.first_ino == cluster * kInodesPerCluster && (head.used[1] & kBeyond) == kBeyond &&
      head.free_count == free) {
    return {};
  }
  return Fail(EUCLEAN, absl::StrCat("inode cluster ", cluster,
                                    ": its head contradicts itself; run fsck.holdfast"));
}

// Everything but the identity and the generation.
void Clear(InodeSlot* slot, uint32_t generation) {
  const ObjectHeader header = slot->header;
  *slot = InodeSlot{};
  slot->header = header;
  slot->generation = generation;
}

}  // namespace

InodeTable::InodeTable(Medium& medium, const ExtentMap& extents)
    : medium_(medium), extents_(extents), map_(medium, extents), room_(StreamCount(medium)) {}

Result<void> InodeTable::Open() {
  if (opened_.load(std::memory_order_acquire)) return {};
  HOLDFAST_ASSIGN(const uint64_t end, map_.End(medium_));
  room_.SetEnd(end);
  opened_.store(true, std::memory_order_release);
  return {};
}

Result<ObjectId> InodeTable::Locate(MetaReader& reader, Ino ino) {
  if (ino.value() == 0 || ino.value() >= kMaxInodes) return Fail(ESTALE);
  const uint64_t block = 1 + ino.value() % kInodesPerCluster / kSlotsPerBlock;
  HOLDFAST_ASSIGN(const Pfn place, map_.BlockOf(reader, ClusterOf(ino), block));
  return SlotIdInBlock(place, ino);
}

Result<const InodeSlot*> InodeTable::Read(MetaReader& reader, Ino ino) {
  HOLDFAST_ASSIGN(const ObjectId id, Locate(reader, ino));
  HOLDFAST_ASSIGN(const void* loaded, reader.Load(id));
  const auto* slot = static_cast<const InodeSlot*>(loaded);
  if (slot->mode == 0) return Fail(ESTALE);
  return slot;
}

Result<InodeSlot*> InodeTable::Edit(Transaction& tx, Ino ino) {
  HOLDFAST_ASSIGN(const ObjectId id, Locate(tx, ino));
  HOLDFAST_ASSIGN(void* edited, tx.Edit(id));
  auto* slot = static_cast<InodeSlot*>(edited);
  if (slot->mode == 0) return Fail(ESTALE);
  return slot;
}

// Fibonacci hashing: neighbouring directories are in different streams.
uint32_t InodeTable::StreamOf(Ino parent) const {
  constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;
  return static_cast<uint32_t>((parent.value() * kGolden >> 32) % room_.streams());
}

Result<ObjectId> InodeTable::HeadOf(MetaReader& reader, uint64_t cluster) {
  HOLDFAST_ASSIGN(const Pfn head, map_.BlockOf(reader, cluster, 0));
  return ClusterHeadId(head);
}

Result<uint32_t> InodeTable::ReadFree(uint64_t cluster) {
  HOLDFAST_ASSIGN(const ObjectId id, HeadOf(medium_, cluster));
  HOLDFAST_ASSIGN(const void* loaded, medium_.Load(id));
  const auto* head = static_cast<const InodeCluster*>(loaded);
  HOLDFAST_TRY(CheckHead(*head, cluster));
  return head->free_count;
}

// Takes the cluster's lock; its count is known before it can change.
Result<InodeCluster*> InodeTable::EditHead(Transaction& tx, uint64_t cluster) {
  HOLDFAST_TRY(tx.Lock({ResourceClass::kInodeCluster, cluster}));
  HOLDFAST_TRY(room_.Know(cluster, [this](uint64_t c) { return ReadFree(c); }));
  HOLDFAST_ASSIGN(const ObjectId id, HeadOf(tx, cluster));
  HOLDFAST_ASSIGN(void* edited, tx.Edit(id));
  auto* head = static_cast<InodeCluster*>(edited);
  HOLDFAST_TRY(CheckHead(*head, cluster));
  return head;
}

Result<std::pair<Ino, InodeSlot*>> InodeTable::Allocate(Transaction& tx, Ino parent) {
  HOLDFAST_TRY(Open());
  // Clusters that turned out to be full: others were faster, or this transaction filled them.
  absl::InlinedVector<uint64_t, 4> full;
  for (;;) {
    HOLDFAST_ASSIGN(const uint64_t cluster, ChooseCluster(tx, parent, full));
    HOLDFAST_ASSIGN(const std::optional<Ino> ino, TakeSlot(tx, cluster));
    if (ino) {
      HOLDFAST_ASSIGN(InodeSlot * slot, EditFreeSlot(tx, *ino));
      return std::pair(*ino, slot);
    }
    full.push_back(cluster);
  }
}

Result<uint64_t> InodeTable::ChooseCluster(Transaction& tx, Ino parent, Clusters full) {
  // What this transaction added is nobody else's before the commit.
  HOLDFAST_ASSIGN(const uint64_t committed, map_.End(medium_));
  HOLDFAST_ASSIGN(const uint64_t end, map_.End(tx));
  for (uint64_t cluster = committed; cluster < end; ++cluster) {
    if (std::ranges::find(full, cluster) == full.end()) return cluster;
  }
  const auto read = [this](uint64_t cluster) { return ReadFree(cluster); };
  const auto choose = [&](bool any) {
    return room_.Choose(StreamOf(parent), ClusterOf(parent), full, any);
  };
  if (const auto cluster = choose(false)) return *cluster;
  HOLDFAST_TRY(room_.KnowMore(kLearnPerAllocation, read));
  if (const auto cluster = choose(false)) return *cluster;
  HOLDFAST_ASSIGN(const std::optional<uint64_t> grown, Grow(tx, parent, full));
  if (grown) return *grown;
  // The filesystem is full: any free slot there is will do.
  for (bool more = true; more;) {
    HOLDFAST_ASSIGN(more, room_.KnowMore(kLearnPerStep, read));
  }
  if (const auto cluster = choose(true)) return *cluster;
  return Fail(ENOSPC);
}

// Adds a cluster for the parent's stream; nothing if there is no space, and then nothing was
// changed. Any error, ENOSPC too, leaves the transaction half changed.
Result<std::optional<uint64_t>> InodeTable::Grow(Transaction& tx, Ino parent, Clusters full) {
  HOLDFAST_TRY(tx.Lock({ResourceClass::kInodeFile}));
  const uint32_t stream = StreamOf(parent);
  if (const auto cluster = room_.Choose(stream, ClusterOf(parent), full, false)) {
    return cluster;  // somebody grew the file while this waited for the lock
  }
  HOLDFAST_ASSIGN(const SpaceTotals space, extents_.tools().allocator.Totals());
  if (ClustersIn(space.available) == 0) return std::nullopt;
  HOLDFAST_ASSIGN(const uint64_t cluster, map_.End(tx));
  HOLDFAST_TRY(tx.Lock({ResourceClass::kInodeCluster, cluster}));
  auto blocks = AllocateCluster(tx, cluster);
  if (!blocks && blocks.error().code == ENOSPC) return std::nullopt;
  if (!blocks) return Pass(std::move(blocks));
  HOLDFAST_TRY(map_.Grow(tx, *blocks));
  WriteCluster(tx, cluster, *blocks);
  tx.OnCommit([this, cluster, stream] { room_.AddEmpty(cluster, stream); });
  return cluster;
}

// In one piece after the last cluster, or anywhere, or in pieces. ENOSPC changes nothing.
Result<ClusterBlocks> InodeTable::AllocateCluster(Transaction& tx, uint64_t cluster) {
  constexpr BlockCount kWant{kClusterBlocks};
  Allocator& allocator = extents_.tools().allocator;
  HOLDFAST_ASSIGN(const Pfn last, map_.BlockOf(tx, cluster - 1, kClusterBlocks - 1));
  const Pfn goal = last + BlockCount(1);
  BlockRuns runs;
  auto whole = allocator.Allocate(tx, kWant, goal, AllocFor::kMetadata, /*exact=*/true);
  if (whole) {
    runs.push_back(*whole);
  } else if (whole.error().code == ENOSPC) {
    HOLDFAST_ASSIGN(runs, allocator.AllocateAll(tx, kWant, goal, AllocFor::kMetadata));
  } else {
    return Pass(std::move(whole));
  }
  ClusterBlocks blocks;
  size_t n = 0;
  for (const BlockRun& run : runs) {
    for (uint64_t i = 0; i < run.length.value(); ++i) blocks[n++] = run.start + BlockCount(i);
  }
  return blocks;
}

void InodeTable::WriteCluster(Transaction& tx, uint64_t cluster, const ClusterBlocks& blocks) {
  const InodeCluster empty = EmptyClusterHead(cluster);
  *static_cast<InodeCluster*>(tx.Create(ClusterHeadId(blocks[0]))) = empty;
  const uint64_t sequence = medium_.NextSequence();
  for (uint64_t i = 1; i < kClusterBlocks; ++i) {
    WriteFreeSlots(medium_.region(), medium_.uuid(), blocks[i],
                   Ino(empty.first_ino + (i - 1) * kSlotsPerBlock), sequence);
  }
}

// The first free slot of the cluster; nothing if it is full.
Result<std::optional<Ino>> InodeTable::TakeSlot(Transaction& tx, uint64_t cluster) {
  HOLDFAST_ASSIGN(InodeCluster * head, EditHead(tx, cluster));
  if (head->free_count == 0) return std::nullopt;
  const size_t word = head->used[0] != ~uint64_t{0} ? 0 : 1;
  const auto bit = static_cast<uint64_t>(std::countr_one(head->used[word]));
  head->used[word] |= uint64_t{1} << bit;
  --head->free_count;
  tx.OnCommit([this, cluster] { room_.Change(cluster, -1); });
  return Ino(cluster * kInodesPerCluster + word * 64 + bit);
}

Result<InodeSlot*> InodeTable::EditFreeSlot(Transaction& tx, Ino ino) {
  HOLDFAST_ASSIGN(const ObjectId id, Locate(tx, ino));
  HOLDFAST_ASSIGN(void* edited, tx.Edit(id));
  auto* slot = static_cast<InodeSlot*>(edited);
  if (slot->mode != 0) return UnsoundInode(ino, "is in use, but its cluster says it is free");
  Clear(slot, slot->generation == ~uint32_t{0} ? 1 : slot->generation + 1);
  return slot;
}

Result<void> InodeTable::Free(Transaction& tx, Ino ino) {
  HOLDFAST_TRY(Open());
  if (ino.value() < kInoFirstFree) return UnsoundInode(ino, "is reserved and cannot be freed");
  HOLDFAST_ASSIGN(const ObjectId id, Locate(tx, ino));
  const uint64_t cluster = ClusterOf(ino);
  HOLDFAST_ASSIGN(InodeCluster * head, EditHead(tx, cluster));
  const uint64_t slot_number = ino.value() % kInodesPerCluster;
  uint64_t& word = head->used[slot_number / 64];
  const uint64_t bit = uint64_t{1} << (slot_number % 64);
  HOLDFAST_ASSIGN(void* edited, tx.Edit(id));
  auto* slot = static_cast<InodeSlot*>(edited);
  if ((word & bit) == 0) return UnsoundInode(ino, "is freed, but its cluster says it is free");
  word &= ~bit;
  ++head->free_count;
  Clear(slot, slot->generation);
  tx.OnCommit([this, cluster] { room_.Change(cluster, +1); });
  return {};
}

Result<InodeTable::Totals> InodeTable::Count() {
  HOLDFAST_TRY(Open());
  for (bool more = true; more;) {
    HOLDFAST_ASSIGN(more, room_.KnowMore(kLearnPerStep,
                                         [this](uint64_t cluster) { return ReadFree(cluster); }));
  }
  HOLDFAST_ASSIGN(const uint64_t end, End(medium_));
  HOLDFAST_ASSIGN(const SpaceTotals space, extents_.tools().allocator.Totals());
  const uint64_t possible =
      std::min(ClustersIn(space.available) * kInodesPerCluster, kMaxInodes - end);
  // The root counts, the other reserved numbers do not.
  return Totals{end - (kInoFirstFree - 1) + possible, room_.free() + possible};
}

Result<uint64_t> InodeTable::End(MetaReader& reader) {
  HOLDFAST_ASSIGN(const uint64_t clusters, map_.End(reader));
  return clusters * kInodesPerCluster;
}

}  // namespace holdfast::fsmeta
