// SPDX-License-Identifier: Apache-2.0
// Random operations on a small filesystem, with a complete check after every single transaction.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <random>
#include <string>

#include "fsmeta/checker.h"
#include "fsmeta/filesystem.h"
#include "tests/support/mounted_filesystem.h"

namespace holdfast::fsmeta {
namespace {

using tests::MountedFilesystem;

// Names come from a small set, so that operations meet each other.
class RandomOperations {
 public:
  RandomOperations(MountedFilesystem& mounted, unsigned seed) : mounted_(mounted), random_(seed) {}

  void Step() {
    switch (Below(16)) {
      case 0:
      case 1:
        return Ignore(mounted_.Create(Path()));
      case 2:
        return Ignore(mounted_.MakeDirectory(Path()));
      case 3:
        return Ignore(mounted_.Symlink(std::string(Below(2) == 0 ? 20 : 2000, 's'), Path()));
      case 4:
        return Ignore(mounted_.Link(Path(), Path()));
      case 5:
        return Ignore(mounted_.Unlink(Path()));
      case 6:
        return Ignore(mounted_.RemoveDirectory(Path()));
      case 7:
        return Ignore(mounted_.Rename(Path(), Path()));
      case 8:
        return Ignore(mounted_.Rename(Path(), Path(), RENAME_EXCHANGE));
      case 9:
        return Attribute();
      case 10:
        return Node();
      case 11:
        return Resize();
      case 12:
        return Allocate();
      case 13:
        return Share();
      default:
        return Write();
    }
  }

 private:
  uint64_t Below(uint64_t n) { return random_() % n; }
  std::string Path() {
    std::string path;
    for (uint64_t depth = Below(3); depth > 0; --depth)
      path += "d" + std::to_string(Below(3)) + "/";
    const char* kinds[] = {"f", "d", "a-rather-long-name-to-fill-directory-blocks-with-entries-"};
    return path + kinds[Below(3)] + std::to_string(Below(12));
  }
  // Most operations fail on such names, which is as good a test as success.
  template <typename T>
  void Ignore(const Result<T>& result) {
    if (!result) {
      EXPECT_NE(result.error().code, EUCLEAN) << result.error().Text();
      EXPECT_NE(result.error().code, EIO) << result.error().Text();
    }
  }
  std::optional<Ino> File() {
    const auto found = mounted_.Stat(Path());
    if (!found || !S_ISREG(found->mode)) return std::nullopt;
    return found->ino;
  }
  uint64_t Offset() { return Below(2) == 0 ? Below(64) * 4096 : Below(300000); }

  void Attribute() {
    const auto found = mounted_.Find(Path());
    if (!found) return;
    const std::string name = "user.attribute" + std::to_string(Below(5));
    constexpr size_t kSizes[] = {3, 500, 3000, 9000};
    if (Below(3) == 0) return Ignore(mounted_.fs().RemoveXattr(mounted_.op(), *found, name));
    Ignore(
        mounted_.fs().SetXattr(mounted_.op(), *found, name, std::string(kSizes[Below(4)], 'v'), 0));
  }
  void Node() {
    const auto temporary =
        mounted_.fs().MakeTemporary(mounted_.op(), Ino(kInoRoot), S_IFREG | 0600);
    if (temporary) mounted_.fs().Forget(temporary->ino, 1);
    const auto made = mounted_.fs().MakeNode(mounted_.op(), Ino(kInoRoot),
                                             "node" + std::to_string(Below(4)), S_IFCHR | 0600, 5);
    if (made) mounted_.fs().Forget(made->ino, 1);
  }
  void Resize() {
    AttributeChange change;
    change.size = Offset();
    if (const auto file = File()) {
      Ignore(mounted_.fs().SetAttributes(mounted_.op(), *file, change));
    }
  }
  void Allocate() {
    constexpr int kModes[] = {0,
                              FALLOC_FL_KEEP_SIZE,
                              FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                              FALLOC_FL_ZERO_RANGE,
                              FALLOC_FL_COLLAPSE_RANGE,
                              FALLOC_FL_INSERT_RANGE,
                              FALLOC_FL_UNSHARE_RANGE};
    if (const auto file = File()) {
      Ignore(mounted_.fs().Allocate(mounted_.op(), *file, kModes[Below(7)], Below(60) * 4096,
                                    (1 + Below(20)) * 4096));
    }
  }
  void Share() {
    const auto source = File();
    const auto destination = File();
    if (!source || !destination) return;
    Ignore(mounted_.fs().Reflink(mounted_.op(), *source, Below(20) * 4096, *destination,
                                 Below(60) * 4096, Below(20) * 4096));
  }
  void Write() {
    const auto file = File();
    if (!file) return;
    const std::vector<std::byte> data(1 + Below(20000),
                                      std::byte{static_cast<uint8_t>(Below(256))});
    Ignore(mounted_.fs().Write(mounted_.op(), *file, Offset(), data, false));
  }

  MountedFilesystem& mounted_;
  std::mt19937 random_;
};

// The first findings, as text.
std::string Findings(const CheckReport& report) {
  std::string text;
  for (const auto& finding : report.findings()) {
    if (finding.severity == Severity::kError) text += finding.Text() + "\n";
    if (text.size() > 2000) break;
  }
  return text;
}

class Consistency : public testing::TestWithParam<unsigned> {
 protected:
  std::string Check(MountedFilesystem& mounted) {
    const Region& region = mounted.volume().region();
    const auto report = CheckFilesystem({region.base(), region.size()}, "mounted");
    return report ? Findings(*report) : report.error().Text();
  }
};

TEST_P(Consistency, HoldsAfterEveryTransaction) {
  MountedFilesystem mounted(16 << 20);
  uint64_t commits = 0;
  std::string broken;
  mounted.volume().transactions().set_after_commit([&] {
    ++commits;
    if (broken.empty()) broken = Check(mounted);
  });
  RandomOperations operations(mounted, GetParam());
  for (int step = 0; step < 1500 && broken.empty(); ++step) {
    operations.Step();
    ASSERT_EQ(broken, "") << "step " << step << ", commit " << commits;
  }
  EXPECT_GT(commits, 300U);
  mounted.volume().transactions().set_after_commit({});
  mounted.Remount();
  EXPECT_EQ(Check(mounted), "");
}

INSTANTIATE_TEST_SUITE_P(Seeds, Consistency, testing::Range(0U, 6U));

// The same until nothing fits any more: what fails for want of space leaves nothing half done.
TEST_P(Consistency, HoldsOnAFullFilesystem) {
  MountedFilesystem mounted(4 << 20);
  RandomOperations operations(mounted, GetParam() + 100);
  for (int step = 0; step < 300; ++step) operations.Step();
  mounted.FillUp();
  std::string broken;
  mounted.volume().transactions().set_after_commit([&] {
    if (broken.empty()) broken = Check(mounted);
  });
  for (int step = 0; step < 500 && broken.empty(); ++step) {
    operations.Step();
    ASSERT_EQ(broken, "") << "step " << step;
  }
  mounted.volume().transactions().set_after_commit({});
  mounted.Remount();
  EXPECT_EQ(Check(mounted), "");
}

}  // namespace
}  // namespace holdfast::fsmeta
