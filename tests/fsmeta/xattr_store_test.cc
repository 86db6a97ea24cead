// SPDX-License-Identifier: Apache-2.0
// Chains of attribute blocks: any number of attributes, long values, no block left behind.
#include "fsmeta/xattr_store.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "tests/support/error_of.h"
#include "tests/support/formatted_medium.h"

namespace holdfast::fsmeta {
namespace {

using tests::ErrorOf;
using Model = std::map<std::string, std::string>;

// The slot is not on the medium: the store only ever sees a pointer to it.
class XattrStoreTest : public testing::Test {
 protected:
  XattrStoreTest() {
    slot_.header.owner = 100;
    free_at_start_ = FreeBlocks();
  }

  uint64_t FreeBlocks() { return allocator_.Totals()->free.value(); }
  template <typename F>
  int Run(F body) {
    const InodeSlot before = slot_;
    const auto done = parts_.runner().Run([&](Transaction& tx) -> Result<void> {
      slot_ = before;
      return body(tx);
    });
    if (!done) slot_ = before;
    return ErrorOf(done);
  }
  int Write(std::string_view name, std::string_view value) {
    return Run([&](Transaction& tx) { return store_.Write(tx, &slot_, name, value); });
  }
  int Erase(std::string_view name) {
    return Run([&](Transaction& tx) -> Result<void> {
      HOLDFAST_ASSIGN(const bool erased, store_.Erase(tx, &slot_, name));
      return erased ? Result<void>() : Fail(ENODATA);
    });
  }
  std::optional<std::string> Read(std::string_view name) {
    auto value = store_.Read(parts_.medium(), slot_, name);
    EXPECT_TRUE(value) << value.error().Text();
    return value ? *value : std::nullopt;
  }
  Model ReadAll() {
    Model all;
    EXPECT_TRUE(store_.ForEachName(parts_.medium(), slot_, [&](std::string_view name) {
      all[std::string(name)] = Read(name).value_or("?");
    }));
    return all;
  }
  const XattrBlock& FirstBlock() {
    return **parts_.medium().Block<XattrBlock>(Pfn(slot_.xattr_block), ObjectType::kXattr, 100);
  }
  // Damages the first block, as a sound commit of nonsense.
  void Damage(std::function<void(XattrBlock*)> change) {
    ASSERT_EQ(Run([&](Transaction& tx) -> Result<void> {
                HOLDFAST_ASSIGN(auto* block, tx.EditBlock<XattrBlock>(Pfn(slot_.xattr_block),
                                                                      ObjectType::kXattr, 100));
                change(block);
                return {};
              }),
              0);
  }

  tests::FormattedMedium parts_{uint64_t{16} << 20};
  Allocator allocator_{parts_.medium()};
  XattrStore store_{allocator_};
  InodeSlot slot_{};
  uint64_t free_at_start_ = 0;
};

TEST_F(XattrStoreTest, NothingThere) {
  EXPECT_EQ(Read("user.a"), std::nullopt);
  EXPECT_EQ(Erase("user.a"), ENODATA);
  EXPECT_EQ(ReadAll(), Model());
}

TEST_F(XattrStoreTest, SmallOnesShareABlock) {
  for (int i = 0; i < 20; ++i) ASSERT_EQ(Write("user." + std::to_string(i), "value"), 0);
  EXPECT_EQ(FreeBlocks(), free_at_start_ - 1);
  EXPECT_EQ(Read("user.7"), "value");
}

TEST_F(XattrStoreTest, ReplacingWithTheSameLengthTakesNoSpace) {
  ASSERT_EQ(Write("user.a", "first"), 0);
  const uint64_t block = slot_.xattr_block;
  ASSERT_EQ(Write("user.a", "other"), 0);
  EXPECT_EQ(slot_.xattr_block, block);
  EXPECT_EQ(Read("user.a"), "other");
}

TEST_F(XattrStoreTest, LongValuesLiveInChains) {
  std::string longest(kMaxXattrValueBytes, 'v');
  longest.front() = 'a';
  longest.back() = 'z';
  ASSERT_EQ(Write("user.long", longest), 0);
  EXPECT_EQ(Read("user.long"), longest);
  EXPECT_EQ(FreeBlocks(), free_at_start_ - 1 - 17);  // 64 KiB in blocks of 4016 bytes
  ASSERT_EQ(Write("user.long", "short"), 0);
  EXPECT_EQ(FreeBlocks(), free_at_start_ - 1);
  ASSERT_EQ(Erase("user.long"), 0);
  EXPECT_EQ(slot_.xattr_block, 0U);
  EXPECT_EQ(FreeBlocks(), free_at_start_);
}

TEST_F(XattrStoreTest, RandomHistoryAgreesWithAModelAndLeaksNothing) {
  std::mt19937 random(7);
  Model model;
  for (int step = 0; step < 3000; ++step) {
    const std::string name = "user." + std::to_string(random() % 60);
    if (random() % 3 == 0) {
      ASSERT_EQ(Erase(name), model.erase(name) == 1 ? 0 : ENODATA);
    } else {
      const size_t length = random() % 10 == 0 ? random() % 20000 : random() % 1500;
      model[name] = std::string(length, static_cast<char>('a' + random() % 26));
      ASSERT_EQ(Write(name, model[name]), 0);
    }
    if (step % 250 == 0) {
      ASSERT_EQ(ReadAll(), model) << step;
    }
  }
  ASSERT_EQ(ReadAll(), model);
  for (const auto& [name, value] : model) ASSERT_EQ(Erase(name), 0);
  EXPECT_EQ(slot_.xattr_block, 0U);
  EXPECT_EQ(FreeBlocks(), free_at_start_);
}

TEST_F(XattrStoreTest, FreeSomeFreesAllInAnyNumberOfTransactions) {
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(Write("user." + std::to_string(i), std::string(i * 100, 'x')), 0);
  }
  int transactions = 0;
  for (bool done = false; !done; ++transactions) {
    ASSERT_EQ(Run([&](Transaction& tx) -> Result<void> {
                HOLDFAST_ASSIGN(done, store_.FreeSome(tx, &slot_));
                return {};
              }),
              0);
  }
  EXPECT_GE(transactions, 1);
  EXPECT_EQ(slot_.xattr_block, 0U);
  EXPECT_EQ(FreeBlocks(), free_at_start_);
}

TEST_F(XattrStoreTest, NoSpaceLeavesEverythingAsItWas) {
  ASSERT_EQ(Write("user.a", "before"), 0);
  int n = 0;
  while (Write("user.fill" + std::to_string(n), std::string(60000, 'x')) == 0) ++n;
  ASSERT_GT(n, 0);
  const Model before = ReadAll();
  const uint64_t free = FreeBlocks();
  EXPECT_EQ(Write("user.a", std::string(60000, 'y')), ENOSPC);
  EXPECT_EQ(ReadAll(), before);
  EXPECT_EQ(FreeBlocks(), free);
  EXPECT_EQ(Write("user.a", "change"), 0);  // as long as before
  EXPECT_EQ(Erase("user.fill0"), 0);
  EXPECT_GT(FreeBlocks(), free);
}

TEST_F(XattrStoreTest, ChainThatRunsInACircleIsEuclean) {
  ASSERT_EQ(Write("user.a", "one"), 0);
  Damage([&](XattrBlock* block) { block->next = slot_.xattr_block; });
  EXPECT_EQ(ErrorOf(store_.Read(parts_.medium(), slot_, "user.b")), EUCLEAN);
  EXPECT_EQ(Write("user.b", "two"), EUCLEAN);
}

TEST_F(XattrStoreTest, ValueChainOfTheWrongLengthIsEuclean) {
  ASSERT_EQ(Write("user.a", std::string(5000, 'x')), 0);
  Damage([&](XattrBlock* block) {
    XattrEntry head;
    std::memcpy(&head, block->entries, sizeof(head));
    head.value_length = 60000;
    std::memcpy(block->entries, &head, sizeof(head));
  });
  EXPECT_EQ(ErrorOf(store_.Read(parts_.medium(), slot_, "user.a")), EUCLEAN);
  EXPECT_EQ(Erase("user.a"), EUCLEAN);
}

TEST_F(XattrStoreTest, BlockOfAnotherInodeIsEuclean) {
  ASSERT_EQ(Write("user.a", "one"), 0);
  InodeSlot thief{};
  thief.header.owner = 101;
  thief.xattr_block = slot_.xattr_block;
  EXPECT_EQ(ErrorOf(store_.Read(parts_.medium(), thief, "user.a")), EUCLEAN);
}

}  // namespace
}  // namespace holdfast::fsmeta
