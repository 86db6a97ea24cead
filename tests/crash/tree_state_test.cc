// SPDX-License-Identifier: Apache-2.0
// What the crash tests compare: it must see every difference, and mixtures for what they are.
#include "tests/support/tree_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/falloc.h>

#include <functional>

#include "tests/crash/file_steps.h"
#include "tests/support/mounted_filesystem.h"

namespace holdfast::tests {
namespace {

using ::testing::HasSubstr;

TreeState Read(MountedFilesystem& fs) { return *ReadTree(fs.fs()); }

TEST(TreeState, SeesEveryKindOfChange) {
  using Step = std::function<fsmeta::Result<void>(MountedFilesystem&)>;
  MountedFilesystem fs;
  ASSERT_TRUE(fs.Create("file"));
  ASSERT_TRUE(fs.MakeDirectory("directory"));
  ASSERT_TRUE(WriteFile(fs, "file", 0, 10'000, 1));
  const fsmeta::Ino file = *fs.Find("file");
  const Step steps[] = {
      [](auto& m) { return m.Create("other"); },
      [](auto& m) { return m.Rename("other", "directory/other"); },
      [](auto& m) { return m.Link("file", "link"); },
      [](auto& m) { return m.Unlink("link"); },
      [](auto& m) { return m.Symlink("target", "symlink"); },
      [](auto& m) { return WriteFile(m, "file", 5000, 1, 2); },
      [](auto& m) { return Truncate(m, "file", 9999); },
      [](auto& m) { return Fallocate(m, "file", FALLOC_FL_KEEP_SIZE, 1 << 20, 4096); },
      [file](auto& m) { return m.fs().SetXattr(m.op(), file, "user.a", "1", 0); },
      [file](auto& m) { return m.fs().SetXattr(m.op(), file, "user.a", "2", 0); },
      [file](auto& m) -> fsmeta::Result<void> {
        fsmeta::AttributeChange change;
        change.mode = 0600;
        HOLDFAST_TRY(m.fs().SetAttributes(m.op(), file, change));
        return {};
      }};
  TreeState before = Read(fs);
  EXPECT_EQ(before, Read(fs)) << "looking changes nothing";
  for (size_t i = 0; i < std::size(steps); ++i) {
    ASSERT_TRUE(steps[i](fs)) << i;
    const TreeState after = Read(fs);
    EXPECT_NE(before, after) << "step " << i;
    EXPECT_FALSE(Differences("before", before, "after", after).empty());
    before = after;
  }
  ASSERT_TRUE(RemoveTree(fs.fs()));
  EXPECT_EQ(Read(fs).size(), 1U) << "the root";
}

TreeState OneFile(const std::string& data, const std::string& attributes = "a") {
  return {{"", {"root", ""}}, {"file", {attributes, data}}};
}
const std::string kOld(20, 'o');
const std::string kNew(20, 'n');

TEST(TreeState, BetweenIsAMixtureOfAlignedWords) {
  const auto is_between = [](const TreeState& found) {
    return IsBetween(found, OneFile(kOld), OneFile(kNew));
  };
  EXPECT_TRUE(is_between(OneFile(kOld)));
  EXPECT_TRUE(is_between(OneFile(kNew)));
  EXPECT_TRUE(is_between(OneFile("nnnnnnnnoooooooonnnn")));
  EXPECT_FALSE(is_between(OneFile("nnnnoooooooooooooooo"))) << "half a word";
  EXPECT_FALSE(is_between(OneFile("xxxxxxxxoooooooooooo"))) << "neither's";
  EXPECT_FALSE(is_between(OneFile(kOld, "b"))) << "other attributes";
  TreeState more = OneFile(kOld);
  more["file2"] = {"a", ""};
  EXPECT_FALSE(is_between(more));
  EXPECT_FALSE(is_between({{"", {"root", ""}}})) << "a name is missing";
}

TEST(TreeState, PartialHasAnySizeInBetween) {
  const auto is_partial = [](const TreeState& found) {
    return IsPartial(found, OneFile(kOld, "before"), OneFile(kNew + kNew, "after"));
  };
  EXPECT_TRUE(is_partial(OneFile(kOld, "before")));
  EXPECT_TRUE(is_partial(OneFile(kNew + "nnnnnnnnnnnn", "between")));
  EXPECT_FALSE(is_partial(OneFile("nnnnnnnn", "between"))) << "shorter than it was";
  EXPECT_FALSE(is_partial(OneFile(kNew + kNew + "n", "between"))) << "longer than it would be";
}

TEST(TreeState, DifferencesNameThePathAndTheByte) {
  std::string changed = kOld;
  changed[7] = 'x';
  const std::string text = Differences("left", OneFile(kOld), "right", OneFile(changed));
  EXPECT_THAT(text, HasSubstr("/file"));
  EXPECT_THAT(text, HasSubstr("7"));
  EXPECT_THAT(Differences("left", OneFile(kOld), "right", {{"", {"root", ""}}}), HasSubstr("left"));
}

}  // namespace
}  // namespace holdfast::tests
