// SPDX-License-Identifier: Apache-2.0
// Records of a directory block: entries stay where they are, free space joins, damage is noticed.
#include "fsmeta/directory_block.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/support/error_of.h"

namespace holdfast::fsmeta {
namespace {

using daxcore::Ino;
using tests::ErrorOf;

HashedName Name(const std::string& name) { return {name, std::hash<std::string>()(name)}; }

class DirectoryBlockTest : public testing::Test {
 protected:
  DirectoryBlockTest() { InitDirectoryBlock(&block_); }

  uint32_t Insert(const std::string& name, uint64_t ino = 7) {
    const auto at = InsertEntry(&block_, Name(name), {Ino(ino), 8});
    EXPECT_TRUE(at && *at) << name;
    return at && *at ? **at : 0;
  }
  bool Fits(const std::string& name) {
    const auto at = InsertEntry(&block_, Name(name), {Ino(7), 8});
    EXPECT_TRUE(at);
    return at && at->has_value();
  }
  std::optional<DirectoryRecord> Find(const std::string& name) {
    const auto found = FindName(block_, Name(name));
    EXPECT_TRUE(found);
    return found ? *found : std::nullopt;
  }
  DirectoryRoom Room() {
    const auto room = RoomIn(block_);
    EXPECT_TRUE(room);
    return room.value_or(DirectoryRoom());
  }
  void Poke(uint32_t offset, const DirectoryEntry& head) {
    std::memcpy(reinterpret_cast<std::byte*>(&block_) + offset, &head, sizeof(head));
  }
  DirectoryEntry Peek(uint32_t offset) {
    DirectoryEntry head;
    std::memcpy(&head, reinterpret_cast<std::byte*>(&block_) + offset, sizeof(head));
    return head;
  }

  DirectoryBlock block_{};
};

TEST_F(DirectoryBlockTest, NewBlockIsOneFreeRecord) {
  EXPECT_TRUE(Room().empty);
  EXPECT_EQ(Room().largest, kRecordsEnd - kRecordsBegin);
}

TEST_F(DirectoryBlockTest, EntriesAreFoundByNameAndHash) {
  Insert("a", 20);
  Insert("bb", 21);
  ASSERT_TRUE(Find("bb"));
  EXPECT_EQ(Find("bb")->target.ino, Ino(21));
  EXPECT_EQ(Find("bb")->target.type, 8);
  EXPECT_FALSE(Find("b"));
  // The same name under another hash is not it: hashes are compared first.
  const auto other = FindName(block_, {"a", Name("a").hash + 1});
  ASSERT_TRUE(other);
  EXPECT_FALSE(*other);
  EXPECT_FALSE(Room().empty);
}

TEST_F(DirectoryBlockTest, LongestNamesFillTheBlock) {
  const std::string longest(kMaxNameBytes, 'x');
  int n = 0;
  while (Fits(std::string(longest).replace(0, 4, std::to_string(1000 + n)))) ++n;
  EXPECT_EQ(n, static_cast<int>((kRecordsEnd - kRecordsBegin) / RecordBytes(kMaxNameBytes)));
  EXPECT_EQ(Find(std::string(longest).replace(0, 4, "1003"))->name.size(), kMaxNameBytes);
}

TEST_F(DirectoryBlockTest, RemainderTooSmallForARecordBelongsToTheEntry) {
  // Free exactly 32 bytes, then put a 24-byte entry there: 8 bytes cannot be a record.
  const uint32_t hole = Insert(std::string(16, 'a'));
  Insert("next");
  ASSERT_TRUE(EraseEntry(&block_, hole));
  EXPECT_EQ(Insert("b"), hole);
  EXPECT_EQ(Find("b")->length, 32U);
  ASSERT_TRUE(EraseEntry(&block_, hole));
  EXPECT_EQ(Insert(std::string(16, 'c')), hole);
}

TEST_F(DirectoryBlockTest, ErasingJoinsFreeNeighboursAndMovesNothing) {
  const uint32_t a = Insert("aaaa");
  const uint32_t b = Insert("bbbb");
  const uint32_t c = Insert("cccc");
  const uint32_t d = Insert("dddd");
  ASSERT_TRUE(EraseEntry(&block_, a));
  ASSERT_TRUE(EraseEntry(&block_, c));
  ASSERT_TRUE(EraseEntry(&block_, b));
  const auto joined = RecordAt(block_, a);
  ASSERT_TRUE(joined);
  EXPECT_TRUE(joined->free());
  EXPECT_EQ(joined->length, d - a);
  EXPECT_EQ(Find("dddd")->offset, d);
  ASSERT_TRUE(EraseEntry(&block_, d));
  EXPECT_TRUE(Room().empty);
  EXPECT_EQ(Room().largest, kRecordsEnd - kRecordsBegin);
}

TEST_F(DirectoryBlockTest, RetargetKeepsNameAndPlace) {
  const uint32_t at = Insert("name", 30);
  ASSERT_TRUE(RetargetEntry(&block_, at, {Ino(31), 4}));
  EXPECT_EQ(Find("name")->target.ino, Ino(31));
  EXPECT_EQ(Find("name")->target.type, 4);
  EXPECT_EQ(Find("name")->offset, at);
}

TEST_F(DirectoryBlockTest, RandomHistoryAgreesWithAModel) {
  std::mt19937 random(1);
  std::map<std::string, uint32_t> model;
  for (int step = 0; step < 20000; ++step) {
    const std::string name(1 + random() % 40, static_cast<char>('a' + random() % 26));
    if (model.contains(name)) {
      ASSERT_TRUE(EraseEntry(&block_, model[name]));
      model.erase(name);
    } else {
      const uint32_t room = Room().largest;
      const auto at = InsertEntry(&block_, Name(name), {Ino(step + 1), 8});
      ASSERT_TRUE(at);
      ASSERT_EQ(at->has_value(), room >= RecordBytes(name.size()));
      if (*at) model[name] = **at;
    }
    if (step % 100 != 0) continue;
    std::map<std::string, uint32_t> found;
    ASSERT_TRUE(ForEachRecord(block_, [&](const DirectoryRecord& record) {
      if (!record.free()) found[std::string(record.name)] = record.offset;
      return true;
    }));
    ASSERT_EQ(found, model) << step;
  }
}

TEST_F(DirectoryBlockTest, DamageIsEuclean) {
  const uint32_t at = Insert("victim");
  const DirectoryEntry sound = Peek(at);
  const auto damaged = [&](auto change) {
    DirectoryEntry head = sound;
    change(head);
    Poke(at, head);
    return ErrorOf(RoomIn(block_));
  };
  EXPECT_EQ(damaged([](auto& head) { head.record_length = 0; }), EUCLEAN);
  EXPECT_EQ(damaged([](auto& head) { head.record_length = 12; }), EUCLEAN);
  EXPECT_EQ(damaged([](auto& head) { head.record_length = 8; }), EUCLEAN);
  EXPECT_EQ(damaged([](auto& head) { head.record_length = 8192; }), EUCLEAN);
  EXPECT_EQ(damaged([](auto& head) { head.record_length = 4024; }), EUCLEAN);  // cuts the next off
  EXPECT_EQ(damaged([](auto& head) { head.name_length = 0; }), EUCLEAN);
  EXPECT_EQ(damaged([](auto& head) { head.name_length = 200; }), EUCLEAN);
  EXPECT_EQ(damaged([](auto&) {}), 0);
}

TEST_F(DirectoryBlockTest, PositionsThatAreNoEntryAreEuclean) {
  const uint32_t at = Insert("one");
  for (const uint32_t offset : {0U, 56U, at + 8, at + 1, 4088U, 4096U, 1U << 20}) {
    EXPECT_EQ(ErrorOf(EraseEntry(&block_, offset)), EUCLEAN) << offset;
  }
  ASSERT_TRUE(EraseEntry(&block_, at));
  EXPECT_EQ(ErrorOf(EraseEntry(&block_, at)), EUCLEAN);
  EXPECT_EQ(ErrorOf(RetargetEntry(&block_, at, {Ino(1), 4})), EUCLEAN);
}

}  // namespace
}  // namespace holdfast::fsmeta
