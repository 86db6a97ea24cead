// SPDX-License-Identifier: Apache-2.0
// Directories of any size: names are found, positions stay, blocks come and go, work is bounded.
#include "fsmeta/directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "fsmeta/refcounts.h"
#include "fsmeta/reverse_map.h"
#include "tests/support/error_of.h"
#include "tests/support/formatted_medium.h"

namespace holdfast::fsmeta {
namespace {

using tests::ErrorOf;

// A reader that counts the directory blocks it is asked for.
class CountingReader : public MetaReader {
 public:
  explicit CountingReader(MetaReader& reader) : reader_(reader) {}
  Result<const void*> Load(const ObjectId& id) override {
    ++loads;
    return reader_.Load(id);
  }
  int loads = 0;

 private:
  MetaReader& reader_;
};

// The slot is not on the medium: directories only ever see a pointer to it.
class DirectoryTest : public testing::Test {
 protected:
  explicit DirectoryTest(uint64_t bytes = uint64_t{16} << 20) : parts_(bytes) {
    slot_.header.owner = 100;
    slot_.header.self = 512 * 1000;
    free_at_start_ = FreeBlocks();
  }

  uint64_t FreeBlocks() { return allocator_.Totals()->free.value(); }
  HashedName Name(std::string_view name) const { return directories_.Hashed(name); }

  template <typename F>
  int Run(F body) {
    const InodeSlot before = slot_;
    const auto done = parts_.runner().Run([&](Transaction& tx) -> Result<void> {
      slot_ = before;
      return body(tx, DirectoryEdit{&slot_, &hints_});
    });
    if (!done) slot_ = before;
    return ErrorOf(done);
  }
  int Insert(std::string_view name, uint64_t ino = 200) {
    return Run([&](Transaction& tx, const DirectoryEdit& dir) {
      return directories_.Insert(tx, dir, Name(name), {Ino(ino), 8});
    });
  }
  int Erase(std::string_view name) {
    const auto entry = Find(name);
    if (!entry) return ENOENT;
    return Run([&](Transaction& tx, const DirectoryEdit& dir) {
      return directories_.Erase(tx, dir, Name(name), *entry);
    });
  }
  int Rename(std::string_view name, std::string_view new_name) {
    const auto entry = Find(name);
    if (!entry) return ENOENT;
    return Run([&](Transaction& tx, const DirectoryEdit& dir) {
      return directories_.Rename(tx, dir, Name(name), *entry, Name(new_name));
    });
  }
  std::optional<PlacedEntry> Find(std::string_view name) {
    auto found = directories_.Find(parts_.medium(), slot_, Name(name));
    EXPECT_TRUE(found) << found.error().Text();
    return found ? *found : std::nullopt;
  }
  std::map<std::string, uint64_t> List() {
    std::map<std::string, uint64_t> all;
    for (std::optional<EntryPosition> from = 0; from;) {
      const auto next = directories_.ListBlock(
          parts_.medium(), slot_, *from, [&](EntryPosition, const DirectoryRecord& record) {
            all[std::string(record.name)] = record.target.ino.value();
          });
      EXPECT_TRUE(next) << next.error().Text();
      from = next ? *next : std::nullopt;
    }
    return all;
  }
  // Damages a block of the directory, as a sound commit of nonsense.
  void Damage(FileBlock block, std::function<void(DirectoryBlock*)> change) {
    ASSERT_EQ(Run([&](Transaction& tx, const DirectoryEdit&) -> Result<void> {
                HOLDFAST_ASSIGN(const auto extent, extents_.Find(tx, slot_, block));
                const Pfn at = extent->run.start + (block - extent->file_block);
                HOLDFAST_ASSIGN(auto* data,
                                tx.EditBlock<DirectoryBlock>(at, ObjectType::kDirectory, 100));
                change(data);
                return {};
              }),
              0);
  }
  static std::string Numbered(int i) { return "file-" + std::to_string(i); }

  tests::FormattedMedium parts_;
  Allocator allocator_{parts_.medium()};
  Refcounts refcounts_{allocator_};
  ReverseMap reverse_map_{allocator_};
  ExtentMap extents_{{allocator_, refcounts_, reverse_map_}};
  Directories directories_{parts_.medium(), allocator_, extents_};
  InodeSlot slot_{};
  DirectoryHints hints_;
  uint64_t free_at_start_ = 0;
};

TEST_F(DirectoryTest, EmptyDirectoryHasNoBlock) {
  EXPECT_FALSE(Find("a"));
  EXPECT_TRUE(List().empty());
  EXPECT_EQ(slot_.size, 0U);
}

TEST_F(DirectoryTest, OneBlockHasNoIndexTwoHave) {
  int n = 0;
  while (slot_.blocks < 2) {
    ASSERT_EQ(Insert(Numbered(n), 200 + static_cast<uint64_t>(n)), 0);
    ++n;
    EXPECT_EQ(DirectoryIndex::Exists(slot_), slot_.blocks >= 2);
  }
  EXPECT_EQ(slot_.size, 2 * kBlockSize);
  EXPECT_EQ(slot_.dir_entries, static_cast<uint64_t>(n));
  // Those of the first block are in the index as well.
  for (int i = 0; i < n; ++i) {
    ASSERT_TRUE(Find(Numbered(i))) << i;
    EXPECT_EQ(Find(Numbered(i))->target.ino, Ino(200 + static_cast<uint64_t>(i)));
  }
  // The second block's only entry goes: the block and the index go with it.
  ASSERT_EQ(Erase(Numbered(n - 1)), 0);
  EXPECT_EQ(slot_.blocks, 1U);
  EXPECT_EQ(slot_.size, kBlockSize);
  EXPECT_FALSE(DirectoryIndex::Exists(slot_));
  EXPECT_TRUE(Find(Numbered(0)));
}

TEST_F(DirectoryTest, ThousandsOfNamesComeAndGo) {
  constexpr int kNames = 5000;
  for (int i = 0; i < kNames; ++i) ASSERT_EQ(Insert(Numbered(i)), 0) << i;
  EXPECT_EQ(List().size(), static_cast<size_t>(kNames));
  EXPECT_TRUE(Find(Numbered(4321)));
  EXPECT_FALSE(Find("file-5000"));
  std::vector<int> order(kNames);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::shuffle(order, std::mt19937(3));
  for (const int i : order) ASSERT_EQ(Erase(Numbered(i)), 0) << i;
  EXPECT_EQ(slot_.dir_entries, 0U);
  EXPECT_EQ(slot_.blocks, 1U);  // the first block stays
  EXPECT_FALSE(DirectoryIndex::Exists(slot_));
}

TEST_F(DirectoryTest, LookupsLoadFewBlocks) {
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(Insert(Numbered(i)), 0);
  CountingReader reader(parts_.medium());
  ASSERT_TRUE(directories_.Find(reader, slot_, Name(Numbered(4999))));
  EXPECT_LE(reader.loads, 8);
}

TEST_F(DirectoryTest, RoomIsFoundAgainByWhoKnowsNothing) {
  for (int i = 0; i < 3000; ++i) ASSERT_EQ(Insert(Numbered(i)), 0);
  for (int i = 0; i < 3000; i += 2) ASSERT_EQ(Erase(Numbered(i)), 0);
  const uint64_t size = slot_.size;
  const uint64_t blocks = slot_.blocks;
  hints_ = DirectoryHints();  // as after a mount
  for (int i = 0; i < 3000; i += 2) ASSERT_EQ(Insert(Numbered(i)), 0);
  EXPECT_EQ(slot_.size, size);
  EXPECT_EQ(slot_.blocks, blocks);
  EXPECT_EQ(List().size(), 3000U);
}

TEST_F(DirectoryTest, InsertionLooksAtFewBlocksOfAFullDirectory) {
  const std::string longest(255, 'x');
  for (int i = 0; i < 5000 || hints_.BlockWithRoom(RecordBytes(longest.size())); ++i) {
    ASSERT_EQ(Insert(Numbered(i)), 0);
  }
  hints_ = DirectoryHints();
  const uint64_t blocks = slot_.blocks;
  ASSERT_GT(blocks, 20U);
  // Nothing known, no block has room for this: it must not search them all.
  ASSERT_EQ(Insert(longest), 0);
  EXPECT_EQ(slot_.blocks, blocks + 1);
  EXPECT_LT(hints_.cursor().value(), 8U);
}

TEST_F(DirectoryTest, EmptiedBlocksAreHolesAndHolesAreFilledAgain) {
  for (int i = 0; i < 3000; ++i) ASSERT_EQ(Insert(Numbered(i)), 0);
  const uint64_t blocks = slot_.blocks;
  // All that is in the second and third block.
  std::vector<std::string> in_middle;
  for (const auto& [name, ino] : List()) {
    const uint64_t block = BlockOf(Find(name)->position).value();
    if (block == 1 || block == 2) in_middle.push_back(name);
  }
  for (const std::string& name : in_middle) ASSERT_EQ(Erase(name), 0);
  EXPECT_EQ(slot_.blocks, blocks - 2);
  EXPECT_EQ(slot_.size, blocks * kBlockSize);
  EXPECT_EQ(List().size(), 3000 - in_middle.size());
  for (const std::string& name : in_middle) ASSERT_EQ(Insert(name), 0);
  EXPECT_EQ(slot_.size, blocks * kBlockSize);
  EXPECT_EQ(slot_.blocks, blocks);
}

TEST_F(DirectoryTest, PositionsNeverChange) {
  std::mt19937 random(5);
  std::map<std::string, EntryPosition> positions;
  for (int step = 0; step < 4000; ++step) {
    const std::string name = Numbered(static_cast<int>(random() % 600));
    if (positions.contains(name)) {
      ASSERT_EQ(Find(name)->position, positions[name]);
      ASSERT_EQ(Erase(name), 0);
      positions.erase(name);
    } else {
      ASSERT_EQ(Insert(name), 0);
      positions[name] = Find(name)->position;
    }
  }
  for (const auto& [name, position] : positions) EXPECT_EQ(Find(name)->position, position);
}

TEST_F(DirectoryTest, ListingGoesOnWhereItStopped) {
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(Insert(Numbered(i)), 0);
  // From the middle of a block, with what stood there erased meanwhile.
  const EntryPosition middle = Find(Numbered(30))->position;
  ASSERT_EQ(Erase(Numbered(30)), 0);
  std::set<std::string> rest;
  ASSERT_TRUE(directories_.ListBlock(parts_.medium(), slot_, middle + 1,
                                     [&](EntryPosition position, const DirectoryRecord& record) {
                                       EXPECT_GT(position, middle);
                                       rest.emplace(record.name);
                                     }));
  EXPECT_FALSE(rest.contains(Numbered(29)));
  EXPECT_TRUE(rest.contains(Numbered(31)));
}

TEST_F(DirectoryTest, RenamingStaysInTheBlockWhereItFits) {
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(Insert(Numbered(i), 200 + static_cast<uint64_t>(i)), 0);
  const EntryPosition before = Find(Numbered(500))->position;
  const uint64_t blocks = slot_.blocks;
  ASSERT_EQ(Rename(Numbered(500), "elif-500"), 0);
  EXPECT_EQ(Find("elif-500")->position, before);
  EXPECT_FALSE(Find(Numbered(500)));
  ASSERT_EQ(Rename("elif-500", std::string(255, 'z')), 0);
  EXPECT_EQ(Find(std::string(255, 'z'))->target.ino, Ino(700));
  EXPECT_EQ(slot_.dir_entries, 1000U);
  EXPECT_LE(slot_.blocks, blocks + 1);
}

TEST_F(DirectoryTest, RetargetingChangesEntryAndIndex) {
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(Insert(Numbered(i)), 0);
  const auto entry = Find(Numbered(7));
  ASSERT_EQ(Run([&](Transaction& tx, const DirectoryEdit& dir) {
              return directories_.Retarget(tx, dir, Name(Numbered(7)), *entry, {Ino(999), 4});
            }),
            0);
  EXPECT_EQ(Find(Numbered(7))->target.ino, Ino(999));
  EXPECT_EQ(Find(Numbered(7))->target.type, 4);
  const BTree tree(TreeKind::kDirectory, 100);
  const auto record =
      tree.Find(parts_.medium(), slot_.dir_index, {{Name(Numbered(7)).hash, entry->position, 0}});
  ASSERT_TRUE(record && *record);
  EXPECT_EQ((*record)->value[0], 999U);
}

TEST_F(DirectoryTest, AFullRegionRefusesAndChangesNothing) {
  int n = 0;
  int error = 0;
  while ((error = Insert(std::string(250, 'x') + std::to_string(n))) == 0) ++n;
  EXPECT_EQ(error, ENOSPC);
  EXPECT_EQ(slot_.dir_entries, static_cast<uint64_t>(n));
  EXPECT_EQ(List().size(), static_cast<size_t>(n));
  // Removing works, and makes room.
  for (int i = 0; i < n; ++i) ASSERT_EQ(Erase(std::string(250, 'x') + std::to_string(i)), 0) << i;
  EXPECT_EQ(Insert("again"), 0);
}

TEST_F(DirectoryTest, AbortedInsertionLeavesHintsUsable) {
  ASSERT_EQ(Insert("first"), 0);
  EXPECT_EQ(Run([&](Transaction& tx, const DirectoryEdit& dir) -> Result<void> {
              HOLDFAST_TRY(directories_.Insert(tx, dir, Name("second"), {Ino(5), 8}));
              return Fail(EINTR);
            }),
            EINTR);
  EXPECT_FALSE(Find("second"));
  EXPECT_EQ(Insert("second"), 0);
  EXPECT_EQ(slot_.blocks, 1U);
}

TEST_F(DirectoryTest, ComingInCoreForEveryEntryCostsNoBlocks) {
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(Insert(Numbered(i)), 0);
  const uint64_t blocks_at_once = slot_.blocks;
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(Erase(Numbered(i)), 0);
  for (int i = 0; i < 2000; ++i) {
    hints_ = DirectoryHints();
    ASSERT_EQ(Insert(Numbered(i)), 0);
  }
  EXPECT_EQ(slot_.blocks, blocks_at_once);
}

TEST_F(DirectoryTest, IndexThatDisagreesIsEuclean) {
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(Insert(Numbered(i)), 0);
  const auto entry = Find(Numbered(7));
  Damage(BlockOf(entry->position),
         [&](DirectoryBlock* block) { EXPECT_TRUE(EraseEntry(block, OffsetIn(entry->position))); });
  EXPECT_EQ(ErrorOf(directories_.Find(parts_.medium(), slot_, Name(Numbered(7)))), EUCLEAN);
  // The entry is there, but the index has never heard of it.
  const PlacedEntry other{Find(Numbered(8))->position, {Ino(200), 8}};
  EXPECT_EQ(Run([&](Transaction& tx, const DirectoryEdit& dir) {
              return directories_.Erase(tx, dir, Name("never"), other);
            }),
            EUCLEAN);
}

TEST_F(DirectoryTest, DamagedBlockIsEuclean) {
  ASSERT_EQ(Insert("a"), 0);
  Damage(FileBlock(0), [](DirectoryBlock* block) { block->entries[8] = 3; });
  EXPECT_EQ(ErrorOf(directories_.Find(parts_.medium(), slot_, Name("a"))), EUCLEAN);
  EXPECT_EQ(Insert("b"), EUCLEAN);
}

TEST_F(DirectoryTest, BlocksPastTheSizeAreNotOverwritten) {
  for (int i = 0; i < 500; ++i) ASSERT_EQ(Insert(Numbered(i)), 0);
  ASSERT_GT(slot_.blocks, 2U);
  slot_.size = kBlockSize;  // damage
  hints_ = DirectoryHints();
  EXPECT_EQ(Insert("one more"), EUCLEAN) << "the block after the last one is taken";
  const auto left = List();
  EXPECT_EQ(left.size(), 500U);
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(left.contains(Numbered(i))) << i;
}

}  // namespace
}  // namespace holdfast::fsmeta
