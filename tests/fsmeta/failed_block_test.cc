// SPDX-License-Identifier: Apache-2.0
// Each kind of block fails: before a mount, under a mounted filesystem, in a check and in a repair.
// Every time it is a clear error, nothing ends or hangs, and no file is lost but those it is part
// of.
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daxcore/media_failure.h"
#include "fsmeta/block_owners.h"
#include "fsmeta/byte_span.h"
#include "fsmeta/checker.h"
#include "fsmeta/filesystem.h"
#include "fsmeta/repairer.h"
#include "tests/support/rich_image.h"
#include "tests/support/tree_state.h"

namespace holdfast::fsmeta {
namespace {

using daxcore::MediaFailure;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using tests::TreeState;

// A block to fail, and the inodes that have a part of themselves in it.
struct Victim {
  std::string kind;
  uint64_t offset = 0;
  bool is_data = false;
  std::set<uint64_t> inodes = {};
};

std::unique_ptr<Region> RegionOf(std::span<const std::byte> image) {
  auto region = Region::InMemory(image.size());
  region->persist().CopyNt(region->Target(0), image.data(), image.size());
  return region;
}

// What the memory holds, as if none of it had failed.
std::vector<std::byte> BytesOf(const Region& region) {
  std::vector<std::byte> bytes(region.size());
  EXPECT_EQ(pread(region.fd(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  return bytes;
}

// The offset of the block that a message names.
uint64_t FailedBlockIn(const std::string& text) {
  constexpr std::string_view kBefore = "failed at offset ";
  const size_t at = text.find(kBefore);
  uint64_t offset = 1;
  if (at == std::string::npos) return offset;
  std::from_chars(text.data() + at + kBefore.size(), text.data() + text.size(), offset);
  return offset / daxcore::kBlockSize * daxcore::kBlockSize;
}

// The kinds of nodes are told by their owners' names for them.
std::string KindOf(const BlockUse& use, const ObjectHeader& header) {
  if (use.kind == BlockUse::Kind::kFileData) return "data";
  if (use.what != "tree") return std::string(use.what);
  if (header.magic != static_cast<uint32_t>(ObjectType::kTreeNode)) return "attributes";
  TreeNodeHeader node;
  std::memcpy(&node, &header, sizeof(node));
  switch (static_cast<TreeKind>(node.kind)) {
    case TreeKind::kExtents:
      return "extents";
    case TreeKind::kRefcount:
      return "reference counts";
    case TreeKind::kReverseMap:
      return "reverse map";
    case TreeKind::kDirectory:
      return "directory index";
  }
  return "unknown";
}

// The inodes in a block of the inode file; none in a cluster's head.
std::set<uint64_t> InodesIn(FileBlock block) {
  std::set<uint64_t> inodes;
  const uint64_t in_cluster = block.value() % kClusterBlocks;
  const uint64_t first = block.value() / kClusterBlocks * kInodesPerCluster;
  for (uint64_t i = 0; in_cluster > 0 && i < kSlotsPerBlock; ++i) {
    inodes.insert(first + (in_cluster - 1) * kSlotsPerBlock + i);
  }
  return inodes;
}

class FailedBlockTest : public testing::Test {
 protected:
  FailedBlockTest() : image_(tests::MakeRichImage()) {
    auto fs = Filesystem::Mount(RegionOf(image_), {});
    EXPECT_TRUE(fs);
    before_ = *tests::ReadTree(**fs);
    FindVictims((*fs)->volume());
  }

  // Up to three of each kind: the first, the last, one between.
  void FindVictims(Volume& volume) {
    const BlockCount all(volume.medium().superblock().block_count);
    std::map<uint64_t, Victim> by_offset;
    const std::vector<BlockUse> uses = *UsesOf(volume, Pfn(0), all);
    for (const BlockUse& use : uses) {
      if (use.kind == BlockUse::Kind::kFree) continue;
      for (uint64_t i = 0; i < use.run.length.value(); ++i) Add(use, BlockCount(i), &by_offset);
    }
    std::map<std::string, std::vector<Victim>> by_kind;
    for (auto& [offset, victim] : by_offset) by_kind[victim.kind].push_back(victim);
    for (const auto& [kind, found] : by_kind) {
      for (const size_t i : std::set<size_t>{0, found.size() / 2, found.size() - 1}) {
        victims_.push_back(found[i]);
      }
    }
  }

  void Add(const BlockUse& use, BlockCount i, std::map<uint64_t, Victim>* found) {
    const uint64_t offset = ByteOffset(use.run.start + i);
    const auto* header = reinterpret_cast<const ObjectHeader*>(image_.data() + offset);
    Victim& victim = (*found)[offset];
    victim.kind = KindOf(use, *header);
    victim.offset = offset;
    victim.is_data = use.kind == BlockUse::Kind::kFileData;
    victim.inodes.insert(use.what == "tree" ? header->owner : use.ino.value());
    if (use.what == "inodes") victim.inodes.merge(InodesIn(use.file_block + i));
  }

  // Is the name's inode, or one on the way to it, among those?
  bool IsPartOf(const std::string& path, const Victim& victim) const {
    for (size_t end = path.size();; end = path.rfind('/', end - 1)) {
      const std::string parent = end == std::string::npos ? "" : path.substr(0, end);
      if (victim.inodes.contains(InodeOf(before_.at(parent)))) return true;
      if (parent.empty()) return false;
    }
  }

  static void Fail(Region& region, const Victim& victim) {
    const auto failure = MediaFailure::Watch(region);
    ASSERT_TRUE(failure);
    ASSERT_TRUE((*failure)->Inject(victim.offset, 1));
  }

  void UseAll(Filesystem& fs, const Victim& victim);
  void ExpectWhole(std::span<const std::byte> image, const Victim& victim);

  const std::vector<std::byte> image_;
  TreeState before_;
  std::vector<Victim> victims_;
  bool made_ = false;  // the new file
};

Result<Ino> Find(Filesystem& fs, const std::string& path) {
  Ino ino(kInoRoot);
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    HOLDFAST_ASSIGN(const Attributes child, fs.Lookup(ino, path.substr(at, end - at)));
    fs.Forget(child.ino, 1);
    ino = child.ino;
    at = end + 1;
  }
  return ino;
}

// As the kernel reads: a failed page is an error, not zeroes.
Result<std::string> ReadFile(Filesystem& fs, const std::string& path) {
  HOLDFAST_ASSIGN(const Ino ino, Find(fs, path));
  HOLDFAST_ASSIGN(const Attributes attributes, fs.GetAttributes(ino));
  HOLDFAST_TRY(fs.ListXattr(ino));
  if (!S_ISREG(attributes.mode)) return std::string();
  std::string data;
  bool failed = false;
  HOLDFAST_TRY(fs.Read(ino, 0, kMaxFileSize, [&](std::span<const iovec> pieces) {
    const Region& region = fs.volume().region();
    for (const auto& [base, length] : pieces) {
      const auto* from = static_cast<const std::byte*>(base);
      const bool in_region = from >= region.base() && from < region.base() + region.size();
      failed |= in_region && !fs.volume().failure().Probe(region.OffsetOf(from), length);
      if (!failed) data.append(static_cast<const char*>(base), length);
    }
  }));
  if (failed) return daxcore::Fail(EIO);
  return data;
}

Result<void> MakeNew(Filesystem& fs) {
  HOLDFAST_ASSIGN(const Attributes made, fs.MakeNode({}, Ino(kInoRoot), "new", S_IFREG | 0644, 0));
  fs.Forget(made.ino, 1);
  const std::string bytes(10'000, 'n');
  HOLDFAST_TRY(fs.Write({}, made.ino, 0, std::as_bytes(std::span(bytes)), false));
  return {};
}

// Reads all, and makes something new.
void FailedBlockTest::UseAll(Filesystem& fs, const Victim& victim) {
  for (const auto& [path, entry] : before_) {
    const auto data = ReadFile(fs, path);
    if (data) {
      EXPECT_TRUE(*data == entry.data) << path << " reads as something else";
      continue;
    }
    EXPECT_EQ(data.error().code, EIO) << path << ": " << data.error().Text();
    EXPECT_TRUE(!victim.is_data || IsPartOf(path, victim)) << path << " is not to be read";
  }
  const auto finished = fs.FinishOrphans();
  const auto made = MakeNew(fs);
  made_ = made.has_value();
  for (const auto& done : {finished, made}) {
    EXPECT_TRUE(done || done.error().code == EIO) << done.error().Text();
  }
  if (victim.is_data) {
    EXPECT_TRUE(finished && made);
    EXPECT_FALSE(fs.volume().medium().is_shut_down());
  } else if (fs.volume().medium().is_shut_down()) {
    EXPECT_EQ(FailedBlockIn(fs.volume().medium().shutdown_reason()), victim.offset);
  }
}

// With good memory under the same bytes.
void FailedBlockTest::ExpectWhole(std::span<const std::byte> image, const Victim& victim) {
  const auto report = CheckFilesystem(image, "(image)");
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->clean()) << report->findings()[0].Text();
  auto fs = Filesystem::Mount(RegionOf(image), {});
  ASSERT_TRUE(fs) << fs.error().Text();
  ASSERT_TRUE((*fs)->FinishOrphans());
  auto after = tests::ReadTree(**fs);
  ASSERT_TRUE(after) << after.error().Text();
  EXPECT_TRUE(!made_ || after->contains("new")) << "what was done is lost";
  after->erase("new");
  EXPECT_TRUE(*after == before_) << victim.kind << ": "
                                 << tests::Differences("after", *after, "before", before_);
}

TEST_F(FailedBlockTest, F1_ThereIsABlockOfEachKind) {
  std::set<std::string> kinds;
  for (const Victim& victim : victims_) kinds.insert(victim.kind);
  EXPECT_THAT(kinds, IsSupersetOf({"superblock", "superblock copy", "group header", "bitmap",
                                   "journal", "inodes", "orphan file", "quarantine file",
                                   "directory", "directory index", "extents", "reference counts",
                                   "reverse map", "attributes", "data"}));
}

TEST_F(FailedBlockTest, F5_ABlockThatFailedBeforeTheMount) {
  for (const Victim& victim : victims_) {
    SCOPED_TRACE(absl::StrCat(victim.kind, " at ", victim.offset));
    auto region = RegionOf(image_);
    ASSERT_NO_FATAL_FAILURE(Fail(*region, victim));
    const int fd = dup(region->fd());
    made_ = false;
    if (const auto fs = Filesystem::Mount(std::move(region), {})) {
      UseAll(**fs, victim);
      ExpectWhole(BytesOf((*fs)->volume().region()), victim);
    } else {
      EXPECT_EQ(fs.error().code, EIO);
      EXPECT_EQ(FailedBlockIn(fs.error().Text()), victim.offset);
      std::vector<std::byte> bytes(image_.size());
      ASSERT_EQ(pread(fd, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
      ExpectWhole(bytes, victim);
    }
    close(fd);
  }
}

TEST_F(FailedBlockTest, F5_ABlockThatFailsWhileMounted) {
  for (const Victim& victim : victims_) {
    SCOPED_TRACE(absl::StrCat(victim.kind, " at ", victim.offset));
    auto fs = Filesystem::Mount(RegionOf(image_), {});
    ASSERT_TRUE(fs);
    ASSERT_TRUE((*fs)->volume().failure().Inject(victim.offset, 1));
    UseAll(**fs, victim);
    ExpectWhole(BytesOf((*fs)->volume().region()), victim);
  }
}

TEST_F(FailedBlockTest, F5_ACheckNamesTheBlock) {
  for (const Victim& victim : victims_) {
    SCOPED_TRACE(absl::StrCat(victim.kind, " at ", victim.offset));
    const auto region = RegionOf(image_);
    ASSERT_NO_FATAL_FAILURE(Fail(*region, victim));
    const auto report = CheckRegion(*region);
    ASSERT_TRUE(report) << report.error().Text();
    std::string found;
    for (const Finding& finding : report->findings()) found += finding.Text() + "\n";
    if (report->clean()) {
      EXPECT_TRUE(victim.is_data) << "it reads everything but what files hold";
    } else {
      EXPECT_THAT(found, HasSubstr(absl::StrCat("at offset ", victim.offset)));
    }
  }
}

TEST_F(FailedBlockTest, F5_ARepairKeepsEveryFileThatTheBlockIsNoPartOf) {
  for (const Victim& victim : victims_) {
    SCOPED_TRACE(absl::StrCat(victim.kind, " at ", victim.offset));
    auto region = RegionOf(image_);
    ASSERT_NO_FATAL_FAILURE(Fail(*region, victim));
    const auto report = RepairRegion(*region, {.may_lose = true});
    ASSERT_TRUE(report) << report.error().Text();
    if (victim.kind == "quarantine file") {
      EXPECT_EQ(report->outcome, RepairOutcome::kRefused) << "L11: what it held is not known";
      EXPECT_TRUE(BytesOf(*region) == image_);
      continue;
    }
    EXPECT_TRUE(report->check.clean()) << report->check.findings()[0].Text() << report->why;
    const auto bytes = BytesOf(*region);
    EXPECT_TRUE((*CheckFilesystem(bytes, "(image)")).clean());
    auto fs = Filesystem::Mount(RegionOf(bytes), {});
    ASSERT_TRUE(fs) << fs.error().Text();
    const auto after = tests::ReadTree(**fs);
    ASSERT_TRUE(after) << after.error().Text();
    for (const auto& [path, entry] : before_) {
      if (IsPartOf(path, victim)) continue;
      const auto found = after->find(path);
      ASSERT_NE(found, after->end()) << path << " is lost";
      EXPECT_TRUE(found->second.data == entry.data) << path << " has other bytes";
    }
  }
}

}  // namespace
}  // namespace holdfast::fsmeta
