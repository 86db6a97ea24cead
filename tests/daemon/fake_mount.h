// SPDX-License-Identifier: Apache-2.0
// A filesystem on memory, served to a fake kernel, as a fixture.
#pragma once

#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "absl/synchronization/notification.h"
#include "daemon/service.h"
#include "daemon/session.h"
#include "daxcore/process.h"
#include "fsmeta/file_extent_mapper.h"
#include "fsmeta/format_region.h"
#include "tests/support/fake_kernel.h"

namespace holdfast::daemon {

/// Serves 16 MiB, or the filesystem it is given; INIT was answered when a test begins. What a test
/// kept looked up or open is dropped as by a dying kernel.
class FakeMount : public testing::Test {
 protected:
  static constexpr uint64_t kRoot = FUSE_ROOT_ID;
  /// What today's kernel offers and the daemon may want.
  static constexpr uint64_t kOffers =
      FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_EXPORT_SUPPORT | FUSE_BIG_WRITES |
      FUSE_DONT_MASK | FUSE_IOCTL_DIR | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO |
      FUSE_ASYNC_DIO | FUSE_WRITEBACK_CACHE | FUSE_PARALLEL_DIROPS | FUSE_HANDLE_KILLPRIV |
      FUSE_POSIX_ACL | FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS | FUSE_EXPLICIT_INVAL_DATA;

  explicit FakeMount(Options options = {}) : FakeMount(std::move(options), Formatted()) {}
  FakeMount(Options options, std::unique_ptr<daxcore::Region> region) {
    fsmeta::MountOptions how;
    how.read_only = options.read_only;
    how.data = options.data;
    how.layout = options.layout;
    auto direct = std::make_unique<DirectSessions>();
    how.events = direct.get();
    auto filesystem = fsmeta::Filesystem::Mount(std::move(region), how);
    service_ = std::make_unique<Service>(std::move(options), Must(std::move(filesystem)),
                                         std::move(direct));
    auto session = Session::Create(*service_, FileDescriptor(kernel_.TakeDaemonEnd()),
                                   Session::Channel::kSocket);
    session_ = Must(std::move(session));
    session_->Start([this] { ended_.Notify(); });
    init_ = kernel_.Init(kOffers);
  }
  ~FakeMount() override { Unmount(); }

  /// In the daemon's order: no more requests, the parked ones answered, nothing left.
  void Unmount() {
    if (session_ != nullptr) session_->Stop();
    if (service_ != nullptr) {
      const auto finished = service_->Finish();
      EXPECT_TRUE(finished || volume().medium().is_shut_down()) << finished.error().Text();
      for (const uint64_t node : pinned_) {
        const fsmeta::InodeRef inode = volume().live().Get(daxcore::Ino(node));
        volume().layouts().CloseSession(inode->layout, daxcore::SessionId(1));
      }
      pinned_.clear();
    }
    service_.reset();
    session_.reset();
  }

  tests::FakeKernel& kernel() { return kernel_; }
  Service& service() { return *service_; }
  fsmeta::Volume& volume() { return service_->filesystem().volume(); }
  const fuse_init_out& init() const { return init_; }
  /// The channel was closed, from either side.
  absl::Notification& ended() { return ended_; }

  /// A file in the root, looked up once and open for reading and writing.
  struct OpenFile {
    uint64_t node = 0;
    uint64_t handle = 0;
  };
  OpenFile MakeFile(std::string_view name, std::string_view content = "") {
    const tests::FuseReply made = kernel_.Create(kRoot, name);
    EXPECT_EQ(made.error, 0);
    const OpenFile file{made.As<fuse_entry_out>().nodeid,
                        made.As<fuse_open_out>(sizeof(fuse_entry_out)).fh};
    if (!content.empty()) {
      EXPECT_EQ(kernel_.Write(file.node, file.handle, 0, content).As<fuse_write_out>().size,
                content.size());
    }
    return file;
  }
  uint64_t SizeOf(uint64_t node) { return kernel_.Attributes(node).As<fuse_attr_out>().attr.size; }

  /// Pins a block as a client's process would: what needs it gone then waits.
  daxcore::PinId Pin(uint64_t node, uint64_t block) {
    const fsmeta::InodeRef inode = volume().live().Get(daxcore::Ino(node));
    daxcore::PinRequest request;
    request.holder = {daxcore::SessionId(1), Must(daxcore::Identify(getpid()))};
    request.range = {daxcore::FileBlock(block), daxcore::FileBlock(block + 1)};
    fsmeta::FileExtentMapper mapper(volume());
    absl::ReaderMutexLock layout(&inode->layout.layout_lock());
    pinned_.insert(node);
    return Must(volume().layouts().Pin(inode->layout, request, mapper)).id;
  }
  void Unpin(uint64_t node, daxcore::PinId pin) {
    const fsmeta::InodeRef inode = volume().live().Get(daxcore::Ino(node));
    EXPECT_TRUE(volume().layouts().Unpin(inode->layout, daxcore::SessionId(1), pin));
  }
  /// Until so many requests are parked.
  void AwaitParked(size_t count) {
    while (service_->parking_lot().size() != count) std::this_thread::yield();
  }

 private:
  template <typename T>
  static T Must(daxcore::Result<T> result) {
    if (!result) std::fprintf(stderr, "test set-up failed: %s\n", result.error().Text().c_str());
    if (!result) std::abort();
    if constexpr (!std::is_void_v<T>) return *std::move(result);
  }
  static std::unique_ptr<daxcore::Region> Formatted() {
    auto region = daxcore::Region::InMemory(uint64_t{16} << 20);
    Must(fsmeta::FormatRegion(*region, {}));
    return region;
  }

  tests::FakeKernel kernel_;
  absl::Notification ended_;
  std::set<uint64_t> pinned_;  // files that Pin was called for
  std::unique_ptr<Service> service_;
  std::unique_ptr<Session> session_;
  fuse_init_out init_{};
};

}  // namespace holdfast::daemon
