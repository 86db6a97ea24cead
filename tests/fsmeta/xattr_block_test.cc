// SPDX-License-Identifier: Apache-2.0
// Entries of an attribute block: packed, closed up, and checked.
#include "fsmeta/xattr_block.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/support/error_of.h"

namespace holdfast::fsmeta {
namespace {

using testing::ElementsAre;

class XattrBlockTest : public testing::Test {
 protected:
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    EXPECT_TRUE(ForEachXattr(block_, [&](const XattrRecord& record) {
      names.emplace_back(record.name);
      return true;
    }));
    return names;
  }
  XattrRecord Get(std::string_view name) {
    const auto found = FindXattr(block_, name);
    EXPECT_TRUE(found && *found) << name;
    return found && *found ? **found : XattrRecord{};
  }
  int Error() {
    return tests::ErrorOf(ForEachXattr(block_, [](const XattrRecord&) { return true; }));
  }

  XattrBlock block_{};
};

TEST_F(XattrBlockTest, KeepsNamesAndValues) {
  AppendXattr(&block_, {"user.a", "one"});
  AppendXattr(&block_, {"user.empty", ""});
  AppendXattr(&block_, {"user.long", "elsewhere", 77});
  EXPECT_THAT(Names(), ElementsAre("user.a", "user.empty", "user.long"));
  EXPECT_EQ(Get("user.a").value, "one");
  EXPECT_EQ(Get("user.empty").value, "");
  EXPECT_TRUE(Get("user.long").external());
  EXPECT_EQ(Get("user.long").value_block, 77U);
  EXPECT_EQ(Get("user.long").value_length, 9U);
  EXPECT_EQ(block_.count, 3);
}

TEST_F(XattrBlockTest, RemovingClosesTheGap) {
  AppendXattr(&block_, {"user.a", std::string(100, 'a')});
  AppendXattr(&block_, {"user.b", "bee"});
  AppendXattr(&block_, {"user.c", "sea"});
  RemoveXattrRecord(&block_, Get("user.a"));
  EXPECT_THAT(Names(), ElementsAre("user.b", "user.c"));
  EXPECT_EQ(Get("user.c").value, "sea");
  RemoveXattrRecord(&block_, Get("user.c"));
  RemoveXattrRecord(&block_, Get("user.b"));
  EXPECT_EQ(block_.used, 0);
  EXPECT_EQ(block_.count, 0);
}

TEST_F(XattrBlockTest, HoldsWhatFitsExactly) {
  const size_t rest = kXattrAreaBytes - sizeof(XattrEntry) - 6;
  const XattrContent content{"user.a", std::string_view()};
  const std::string value(rest / 8 * 8 - 8, 'v');
  XattrContent big = content;
  big.value = value;
  ASSERT_LE(XattrRecordBytes(big), kXattrAreaBytes);
  AppendXattr(&block_, big);
  EXPECT_EQ(Get("user.a").value, value);
  EXPECT_EQ(*XattrRoom(block_), kXattrAreaBytes - XattrRecordBytes(big));
}

TEST_F(XattrBlockTest, DamageIsEuclean) {
  AppendXattr(&block_, {"user.a", "one"});
  const XattrBlock sound = block_;
  const auto damaged = [&](auto change) {
    block_ = sound;
    XattrEntry head;
    std::memcpy(&head, block_.entries, sizeof(head));
    change(head);
    std::memcpy(block_.entries, &head, sizeof(head));
    return Error();
  };
  EXPECT_EQ(damaged([](auto&) {}), 0);
  EXPECT_EQ(damaged([](auto& head) { head.record_length = 0; }), EUCLEAN);
  EXPECT_EQ(damaged([](auto& head) { head.record_length = 20; }), EUCLEAN);
  EXPECT_EQ(damaged([](auto& head) { head.record_length = 4096; }), EUCLEAN);
  EXPECT_EQ(damaged([](auto& head) { head.name_length = 0; }), EUCLEAN);
  EXPECT_EQ(damaged([](auto& head) { head.name_length = 255; }), EUCLEAN);
  EXPECT_EQ(damaged([](auto& head) { head.value_length = 0xffffffff; }), EUCLEAN);
  EXPECT_EQ(damaged([](auto& head) { head.external = 1; }), EUCLEAN);
  EXPECT_EQ(damaged([](auto& head) { head.external = 2; }), EUCLEAN);
  EXPECT_EQ(damaged([](auto& head) { head.value_block = 3; }), EUCLEAN);
  block_ = sound;
  block_.used = 0xffff;
  EXPECT_EQ(Error(), EUCLEAN);
  block_ = sound;
  block_.used = 8;
  EXPECT_EQ(Error(), EUCLEAN);
}

}  // namespace
}  // namespace holdfast::fsmeta
