// SPDX-License-Identifier: Apache-2.0
// A real mount for the tests of libholdfast: made and served by the programs that were built. Where
// HOLDFAST_VM_REGION names real memory, on that.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "tests/support/scratch_dir.h"

namespace holdfast::tests {

/// Runs a command line; true if it ended with 0.
inline bool Succeeds(const std::string& command) { return std::system(command.c_str()) == 0; }

/// Owns a mounted region of 32 MiB, or the device that there is; the test is skipped where nothing
/// can be mounted. At the end the mount must go and the region be sound. One thread.
class MountedRegion : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0 || access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "cannot mount";
    mkdir(mount().c_str(), 0755);
    ASSERT_TRUE(Succeeds(MakeRegion() + " > /dev/null"));
    Serve();
  }
  void Serve() {
    ASSERT_TRUE(Succeeds(bin("holdfastd") + " " + region() + " " + mount() + " -o " + options()));
    mounted_ = true;
  }
  void TearDown() override {
    if (!mounted_) return;
    EXPECT_TRUE(Succeeds("umount " + mount() + " || { umount -l " + mount() + "; false; }"));
    // The daemon leaves a moment later; fsck waits for it.
    bool sound = false;
    for (int i = 0; i < 100 && !sound; ++i) {
      sound =
          Succeeds(bin("fsck.holdfast") + " -n " + region() + " > " + scratch_ / "fsck" + " 2>&1");
      if (!sound) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    EXPECT_TRUE(sound);
    if (!sound) Succeeds("cat " + scratch_ / "fsck");
  }
  virtual std::string options() const { return "break_time=5"; }

  std::string bin(const std::string& program) const { return HOLDFAST_BIN_DIR "/" + program; }
  std::string region() const {
    const char* const real = std::getenv("HOLDFAST_VM_REGION");
    return real != nullptr ? real : scratch_ / "region";
  }
  /// The unit that the region is mapped in, bytes.
  size_t alignment() const {
    const std::string name = std::filesystem::path(region()).filename().string();
    std::ifstream file("/sys/bus/dax/devices/" + name + "/align");
    size_t alignment = 4096;
    file >> alignment;
    return file ? alignment : 4096;
  }
  std::string mount() const { return scratch_ / "mnt"; }
  std::string path(const std::string& name) const { return mount() + "/" + name; }

 private:
  std::string MakeRegion() const {
    if (std::getenv("HOLDFAST_VM_REGION") == nullptr)
      return bin("mkfs.holdfast") + " --emulate --size 32M " + region();
    struct stat st{};
    const bool device = stat(region().c_str(), &st) == 0 && S_ISCHR(st.st_mode);
    const std::string file =
        "rm -f " + region() + " && fallocate --length 32M " + region() + " && ";
    return (device ? "" : file) + bin("mkfs.holdfast") + " --force " + region();
  }

  ScratchDir scratch_;
  bool mounted_ = false;
};

}  // namespace holdfast::tests
