// SPDX-License-Identifier: Apache-2.0
// The pass over the groups.
#include "fsmeta/check_space.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fsmeta/check_bitmap.h"
#include "fsmeta/check_tree.h"
#include "fsmeta/group_layout.h"

namespace holdfast::fsmeta {
namespace {

constexpr char kGroup[] = "group";

// A stretch of blocks with the same count of two or more.
struct SharedRun {
  uint64_t start;
  uint64_t length;
  uint32_t count;
};

Result<const GroupHeader*> LoadHeader(CheckImage& image, uint64_t group) {
  return image.Block<GroupHeader>(LayoutOfGroup(image.superblock(), group).header,
                                  ObjectType::kGroupHeader, group);
}

TreeName NameOfTree(TreeKind kind, uint64_t group) {
  return {kind, group, kGroup,
          absl::StrCat(group, kind == TreeKind::kRefcount ? " refcounts" : " reverse map")};
}

void CheckHeader(CheckState& state, uint64_t group, const GroupHeader& header) {
  const GroupLayout layout = LayoutOfGroup(state.image.superblock(), group);
  const std::string location = absl::StrCat(group);
  CheckReport& report = state.report;
  report.Expect(kGroup, location, "start", header.start, layout.start.value());
  report.Expect(kGroup, location, "blocks", header.blocks, layout.blocks.value());
  report.Expect(kGroup, location, "bitmap_start", header.bitmap_start, layout.bitmap.value());
  report.Expect(kGroup, location, "bitmap_blocks", header.bitmap_blocks,
                layout.bitmap_blocks.value());
  if (std::ranges::any_of(header.reserved, [](uint8_t b) { return b != 0; }) ||
      std::ranges::any_of(header.reserved0, [](uint64_t w) { return w != 0; })) {
    report.Error(kGroup, location, "reserved fields are not 0");
  }
}

void ClaimStatic(CheckState& state, uint64_t start, uint64_t length) {
  state.claims.Add({start, 0, 0, static_cast<uint32_t>(length), 0, ClaimKind::kMetadata});
}

// Checks the claims of one group against what the medium says of it.
class SpaceCheck {
 public:
  SpaceCheck(CheckState& state, uint64_t group)
      : state_(state),
        group_(group),
        layout_(LayoutOfGroup(state.image.superblock(), group)),
        location_(absl::StrCat(group)) {}

  void Run() {
    CheckOwnersAndBits();
    const auto header = LoadHeader(state_.image, group_);
    if (!header) return;  // reported when its trees were claimed
    CheckRefcounts((*header)->refcounts);
    CheckReverseMap((*header)->reverse_map);
    if (bits_complete_) {
      state_.report.Expect(kGroup, location_, "free_blocks", (*header)->free_blocks, zero_bits_);
    }
  }

 private:
  uint64_t start() const { return layout_.start.value(); }
  uint64_t end() const { return start() + layout_.blocks.value(); }
  void Error(std::string what) { state_.report.Error(kGroup, location_, std::move(what)); }

  void CheckOwnersAndBits() {
    const GroupBits bits(state_.image, state_.report, group_, layout_);
    bits_complete_ = bits.complete();
    state_.claims.ForEachCoverage(start(), end(), [&](const Coverage& coverage) {
      CheckBits(bits, coverage);
      if (coverage.owners == 0) return;
      CheckNotLent(coverage);
      state_.report.totals.used_blocks += coverage.length;
      if (coverage.owners < 2) return;
      state_.report.totals.shared_blocks += coverage.length;
      coverage.may_share ? AddShared(coverage) : ReportClash(coverage);
    });
    const uint64_t blocks = layout_.blocks.value();
    const uint64_t beyond = layout_.bitmap_blocks.value() * kBitsPerBitmapBlock;
    if (bits.Compare(blocks, beyond, true).count != 0) {
      Error("bits past its end are not set");
    }
    zero_bits_ = bits.Compare(0, blocks, true).count;
  }

  void CheckBits(const GroupBits& bits, const Coverage& coverage) {
    const uint64_t from = coverage.start - start();
    const bool owned = coverage.owners > 0;
    const auto wrong = bits.Compare(from, from + coverage.length, owned);
    if (wrong.count == 0) return;
    Error(absl::StrCat(
        wrong.count,
        owned ? " owned blocks are marked free" : " blocks without an owner are marked used",
        ", the first is ", start() + wrong.first));
  }

  // What a record of the journal borrowed must not be anybody's.
  void CheckNotLent(const Coverage& coverage) {
    for (const Spill& spill : state_.spills) {
      const uint64_t lent = spill.start.value();
      if (coverage.start < lent + spill.length.value() && lent < coverage.start + coverage.length) {
        Error(absl::StrCat("blocks ", lent, " + ", spill.length.value(),
                           " hold a record of the journal, but have an owner"));
      }
    }
  }

  void AddShared(const Coverage& coverage) {
    if (!shared_.empty()) {
      SharedRun& last = shared_.back();
      if (last.start + last.length == coverage.start && last.count == coverage.owners) {
        last.length += coverage.length;
        return;
      }
    }
    shared_.push_back({coverage.start, coverage.length, coverage.owners});
  }

  void ReportClash(const Coverage& coverage) {
    std::vector<const Claim*> claims(coverage.claims.begin(), coverage.claims.end());
    std::ranges::sort(claims);  // in the order of all claims
    std::string owners;
    for (const Claim* claim : claims) {
      absl::StrAppend(&owners, owners.empty() ? "" : ", ",
                      claim->kind == ClaimKind::kQuarantine ? "quarantine"
                      : claim->ino == 0                     ? "the filesystem"
                                                            : absl::StrCat("inode ", claim->ino));
    }
    Error(absl::StrCat("blocks ", coverage.start, " to ", coverage.start + coverage.length - 1,
                       " have several owners that may not share: ", owners));
  }

  void CheckRefcounts(const TreeRoot& root) {
    auto expected = shared_.begin();
    const auto missing = [&] {
      Error(absl::StrCat("no reference count for blocks ", expected->start, " + ", expected->length,
                         ", which have ", expected->count, " owners"));
      ++expected;
    };
    WalkTree(
        state_.image, nullptr, NameOfTree(TreeKind::kRefcount, group_), root,
        [](Pfn) { return true; },
        [&](const TreeRecord& record) {
          const uint64_t block = record.key.words[0];
          const uint64_t length = record.value[0] & 0xffffffff;
          const uint64_t count = record.value[0] >> 32;
          while (expected != shared_.end() && expected->start < block) missing();
          if (expected != shared_.end() && expected->start == block && expected->length == length &&
              expected->count == count) {
            ++expected;
          } else {
            Error(absl::StrCat("reference count ", count, " for blocks ", block, " + ", length,
                               " does not agree with their owners"));
            if (expected != shared_.end() && expected->start == block) missing();
          }
        });
    while (expected != shared_.end()) missing();
    MarkSharing();
  }

  // An inode that shares a block must say that it may.
  void MarkSharing() {
    for (const Claim& claim : state_.claims.InBlocks(start(), end())) {
      if (claim.kind != ClaimKind::kFileData) continue;
      auto run = std::ranges::upper_bound(shared_, claim.start, {}, &SharedRun::start);
      const bool before =
          run != shared_.begin() && std::prev(run)->start + std::prev(run)->length > claim.start;
      const bool within = run != shared_.end() && run->start < claim.end();
      if (before || within) state_.inodes[claim.ino].shares = true;
    }
  }

  void CheckReverseMap(const TreeRoot& root) {
    const auto claims = state_.claims.InBlocks(start(), end());
    auto expected = claims.begin();
    const auto skip_others = [&] {
      while (expected != claims.end() && !expected->is_extent()) ++expected;
    };
    const auto key_of = [](const Claim& claim) {
      return TreeKey{{claim.start, claim.ino, claim.file_block}};
    };
    const auto missing = [&] {
      Error(absl::StrCat("reverse map lacks blocks ", expected->start, " + ", expected->length,
                         " of inode ", expected->ino));
      ++expected;
      skip_others();
    };
    skip_others();
    WalkTree(
        state_.image, nullptr, NameOfTree(TreeKind::kReverseMap, group_), root,
        [](Pfn) { return true; },
        [&](const TreeRecord& record) {
          while (expected != claims.end() && key_of(*expected) < record.key) missing();
          if (expected == claims.end() || key_of(*expected) != record.key) {
            return Error(absl::StrCat("reverse map has block ", record.key.words[0], " as inode ",
                                      record.key.words[1], "'s, which has no such extent"));
          }
          const uint64_t value = expected->length | uint64_t{expected->flags} << 32;
          state_.report.Expect(kGroup, location_,
                               absl::StrCat("length and flags of the reverse-map record of block ",
                                            expected->start, ", inode ", expected->ino),
                               record.value[0], value);
          ++expected;
          skip_others();
        });
    while (expected != claims.end()) missing();
  }

  CheckState& state_;
  const uint64_t group_;
  const GroupLayout layout_;
  const std::string location_;
  std::vector<SharedRun> shared_;
  uint64_t zero_bits_ = 0;
  bool bits_complete_ = true;
};

}  // namespace

void ClaimFixedBlocks(CheckState& state) {
  const Superblock& superblock = state.image.superblock();
  ClaimStatic(state, 0, 1);
  ClaimStatic(state, superblock.block_count - 1, 1);
  for (uint32_t lane = 0; lane < superblock.lane_count; ++lane) {
    ClaimStatic(state, superblock.journal_start + uint64_t{lane} * superblock.lane_blocks,
                superblock.lane_blocks);
  }
  for (uint64_t group = 0; group < superblock.group_count; ++group) {
    const GroupLayout layout = LayoutOfGroup(superblock, group);
    ClaimStatic(state, layout.header.value(), 1 + layout.bitmap_blocks.value());
  }
}

void ClaimGroups(CheckState& state) {
  ClaimFixedBlocks(state);
  for (uint64_t group = 0; group < state.image.superblock().group_count; ++group) {
    const auto header = LoadHeader(state.image, group);
    if (!header) {
      state.report.Error(kGroup, absl::StrCat(group), ReasonOf(header.error()));
      continue;
    }
    CheckHeader(state, group, **header);
    for (const auto& [kind, root] : {std::pair(TreeKind::kRefcount, (*header)->refcounts),
                                     std::pair(TreeKind::kReverseMap, (*header)->reverse_map)}) {
      WalkTree(
          state.image, &state.report, NameOfTree(kind, group), root,
          [&](Pfn node) { return state.claims.AddBlock(node, 0); }, [](const TreeRecord&) {});
    }
  }
}

void CheckSpace(CheckState& state) {
  state.claims.Sort();
  for (uint64_t group = 0; group < state.image.superblock().group_count; ++group) {
    SpaceCheck(state, group).Run();
  }
  for (uint64_t ino = 0; ino < state.inodes.size(); ++ino) {
    if (state.inodes[ino].shares && (state.inodes[ino].flags & kInodeMayShare) == 0) {
      state.report.Error("inode", absl::StrCat(ino),
                         "shares blocks, but its flags say that it does not");
    }
  }
}

}  // namespace holdfast::fsmeta
