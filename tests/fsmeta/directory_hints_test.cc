// SPDX-License-Identifier: Apache-2.0
// Hints: the tightest block with room, nothing about blocks that are gone.
#include "fsmeta/directory_hints.h"

#include <gtest/gtest.h>

namespace holdfast::fsmeta {
namespace {

using daxcore::FileBlock;

TEST(DirectoryHintsTest, GivesTheTightestFit) {
  DirectoryHints hints;
  hints.Learn(FileBlock(1), 500);
  hints.Learn(FileBlock(2), 40);
  hints.Learn(FileBlock(3), 100);
  EXPECT_EQ(hints.BlockWithRoom(32), FileBlock(2));
  EXPECT_EQ(hints.BlockWithRoom(41), FileBlock(3));
  EXPECT_EQ(hints.BlockWithRoom(101), FileBlock(1));
  EXPECT_EQ(hints.BlockWithRoom(501), std::nullopt);
}

TEST(DirectoryHintsTest, LearningAgainReplaces) {
  DirectoryHints hints;
  hints.Learn(FileBlock(1), 500);
  hints.Learn(FileBlock(1), 30);
  EXPECT_EQ(hints.BlockWithRoom(100), std::nullopt);
  EXPECT_EQ(hints.BlockWithRoom(24), FileBlock(1));
  hints.Learn(FileBlock(1), 0);
  EXPECT_EQ(hints.BlockWithRoom(24), std::nullopt);
  EXPECT_TRUE(hints.Knows(FileBlock(1)));
}

TEST(DirectoryHintsTest, ForgottenBlocksAreUnknownAndHoles) {
  DirectoryHints hints;
  hints.Learn(FileBlock(4), 500);
  hints.set_hole_cursor(FileBlock(9));
  hints.Forget(FileBlock(4));
  EXPECT_FALSE(hints.Knows(FileBlock(4)));
  EXPECT_EQ(hints.BlockWithRoom(24), std::nullopt);
  EXPECT_EQ(hints.hole_cursor(), FileBlock(4));
}

}  // namespace
}  // namespace holdfast::fsmeta
