// SPDX-License-Identifier: Apache-2.0
// File handles and share tokens.
#include "daemon/handle_table.h"

#include <gtest/gtest.h>

#include <thread>

namespace holdfast::daemon {
namespace {

using daxcore::Ino;

TEST(Handle, SaysHowTheFileWasOpened) {
  const Handle reader(7, O_RDONLY);
  const Handle writer(7, O_WRONLY | O_APPEND | O_TRUNC);
  const Handle both(7, O_RDWR);
  EXPECT_TRUE(reader.readable() && !reader.writable());
  EXPECT_TRUE(!writer.readable() && writer.writable());
  EXPECT_TRUE(both.readable() && both.writable());
  EXPECT_EQ(Handle(both.value()).writable(), true);
}

TEST(HandleTable, HandlesAreUniqueAlsoAfterARestart) {
  HandleTable before;
  const Handle first = before.New(O_RDWR);
  EXPECT_NE(first.value(), before.New(O_RDWR).value());
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  HandleTable after;
  EXPECT_GT(after.New(O_RDONLY).value(), before.New(O_RDWR).value());
}

TEST(HandleTable, ATokenLivesAsLongAsItsHandle) {
  HandleTable table;
  const Handle handle = table.New(O_RDONLY);
  const auto token = table.Share(handle, Ino(42));
  ASSERT_TRUE(token);
  EXPECT_EQ(table.FindShared(*token), Ino(42));
  EXPECT_EQ(*table.Share(handle, Ino(42)), *token);
  table.Close(table.New(O_RDONLY));
  EXPECT_EQ(table.FindShared(*token), Ino(42));
  table.Close(handle);
  EXPECT_EQ(table.FindShared(*token), std::nullopt);
}

TEST(HandleTable, UnknownTokensAreNothing) {
  HandleTable table;
  EXPECT_EQ(table.FindShared(ShareToken{}), std::nullopt);
}

}  // namespace
}  // namespace holdfast::daemon
