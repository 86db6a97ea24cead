// SPDX-License-Identifier: Apache-2.0
// A service over a region in memory, with one file for direct clients.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "daemon/service.h"
#include "fsmeta/direct_access.h"
#include "fsmeta/format_region.h"

namespace holdfast::daemon {

/// Owns the service. The file has `kBlocks` blocks and stays open. One thread.
class DirectFixture : public testing::Test {
 protected:
  static constexpr uint64_t kBlocks = 4;
  static constexpr uint64_t kBytes = kBlocks * daxcore::kBlockSize;

  DirectFixture() {
    auto region = daxcore::Region::InMemory(uint64_t{8} << 20);
    EXPECT_TRUE(fsmeta::FormatRegion(*region, {}));
    auto direct = std::make_unique<DirectSessions>();
    fsmeta::MountOptions options;
    options.events = direct.get();
    auto mounted = fsmeta::Filesystem::Mount(std::move(region), options);
    EXPECT_TRUE(mounted);
    service_ = std::make_unique<Service>(Options{}, *std::move(mounted), std::move(direct));
    const auto made = filesystem().MakeNode({}, daxcore::Ino(1), "file", S_IFREG | 0644, 0);
    EXPECT_TRUE(made);
    file_ = made->ino;
    EXPECT_TRUE(filesystem().Open(file_));
    const std::string bytes(kBytes, 'x');
    EXPECT_TRUE(filesystem().Write({}, file_, 0, std::as_bytes(std::span(bytes)), /*kill=*/false));
  }
  ~DirectFixture() override { filesystem().Release(file_); }

  Service& service() { return *service_; }
  fsmeta::Filesystem& filesystem() { return service_->filesystem(); }
  DirectSessions& sessions() { return service_->direct(); }
  daxcore::Ino file() const { return file_; }
  size_t HoldersNow() { return filesystem().volume().layouts().Holders().size(); }

  /// A process that does nothing until it is killed.
  static pid_t StartChild() {
    const pid_t child = fork();
    if (child == 0) {
      pause();
      _exit(0);
    }
    return child;
  }
  static void Kill(pid_t child) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }

 private:
  std::unique_ptr<Service> service_;
  daxcore::Ino file_;
};

}  // namespace holdfast::daemon
