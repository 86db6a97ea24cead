// SPDX-License-Identifier: Apache-2.0
// mount.holdfast: what mount(8) says becomes what holdfastd is told.
#include "tools/mount.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/tools/tool_run.h"

namespace holdfast::tools {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using tests::ToolRun;

class MountTest : public testing::Test {
 protected:
  ToolRun Mount(const Arguments& arguments) {
    return tests::RunTool(
        [this](const Arguments& words, const Streams& streams) {
          return MountMain(words, streams,
                           [this](const std::string& program, const Arguments& told) {
                             program_ = program;
                             told_ = told;
                             errno = ENOENT;
                           });
        },
        arguments);
  }
  std::string program_;
  Arguments told_;
};

TEST_F(MountTest, PassesOptionsThrough) {
  Mount({"/dev/dax0.0", "/mnt/x", "-o", "rw,noatime,busy_policy=wait,x-systemd.automount"});
  EXPECT_THAT(program_, EndsWith("holdfastd"));
  EXPECT_THAT(told_, ElementsAre("/dev/dax0.0", "/mnt/x", "-o",
                                 "rw,noatime,busy_policy=wait,x-systemd.automount"));
}

TEST_F(MountTest, TakesWhatMountPutsBetween) {
  Mount({"/dev/dax0.0", "/mnt/x", "-n", "-s", "-t", "holdfast", "-o", "ro"});
  EXPECT_THAT(told_, ElementsAre("/dev/dax0.0", "/mnt/x", "-o", "ro"));
}

TEST_F(MountTest, FakeMountsNothing) {
  const ToolRun run = Mount({"/dev/dax0.0", "/mnt/x", "-f", "-v"});
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(program_, "");
  EXPECT_THAT(run.err, HasSubstr("holdfastd /dev/dax0.0 /mnt/x"));
}

TEST_F(MountTest, DaemonThatIsNotThereIsAFailure) {
  const ToolRun run = Mount({"/dev/dax0.0", "/mnt/x"});
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.err, HasSubstr("cannot run"));
}

TEST_F(MountTest, UsageErrors) {
  EXPECT_EQ(Mount({"/dev/dax0.0"}).code, 2);
  EXPECT_EQ(Mount({"/dev/dax0.0", "/mnt/x", "-N", "/proc/1/ns/mnt"}).code, 2);
  EXPECT_EQ(program_, "");
}

}  // namespace
}  // namespace holdfast::tools
