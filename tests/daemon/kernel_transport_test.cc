// SPDX-License-Identifier: Apache-2.0
// The daemon's requests as the real kernel sends them, over /dev/fuse and over io_uring: waiting,
// interrupted and cut off ones. The mount is served by this process and used by others.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "daemon/kernel_mount.h"
#include "daemon/service.h"
#include "daemon/session.h"
#include "daxcore/process.h"
#include "fsmeta/file_extent_mapper.h"
#include "fsmeta/format_region.h"
#include "tests/support/scratch_dir.h"

extern char** environ;

namespace holdfast::daemon {
namespace {

using namespace std::chrono_literals;

constexpr char kSwitch[] = "/sys/module/fuse/parameters/enable_uring";
constexpr auto kLongEnough = 60s;  // for anything that does happen

// What the clients run: truncates files, each in a thread of its own, and prints the errnos.
constexpr char kTruncate[] = R"(
import ctypes, os, signal, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
interval, files = float(sys.argv[1]), sys.argv[2:]
signal.signal(signal.SIGALRM, lambda *_: None)
def truncate(path):
    if libc.truncate(path.encode(), ctypes.c_long(0)) == 0: return 0
    return ctypes.get_errno()
if interval:
    signal.setitimer(signal.ITIMER_REAL, interval, interval)
    print(*[truncate(path) for path in files])
else:
    results = []
    threading.stack_size(64 << 10)
    threads = [threading.Thread(target=lambda p=path: results.append(truncate(p))) for path in files]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print(*results)
)";

// A process that is ended with its object.
class Client {
 public:
  explicit Client(std::vector<std::string> words) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    output_ = FileDescriptor(ends[0]);
    const FileDescriptor theirs(ends[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDOUT_FILENO);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    EXPECT_EQ(posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
  }
  ~Client() {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  bool HasEnded() {
    if (pid_ != 0 && waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = 0;
    return pid_ == 0;
  }
  // What it printed; "hangs" if it does not end.
  std::string Output() {
    for (const auto end = std::chrono::steady_clock::now() + kLongEnough; !HasEnded();) {
      if (std::chrono::steady_clock::now() > end) return "hangs";
      std::this_thread::sleep_for(1ms);
    }
    std::string text;
    char buffer[4096];
    for (ssize_t n = 0; (n = read(output_.get(), buffer, sizeof(buffer))) > 0;) {
      text.append(buffer, static_cast<size_t>(n));
    }
    while (text.ends_with('\n')) text.pop_back();
    return text;
  }

 private:
  pid_t pid_ = 0;
  int status_ = 0;
  FileDescriptor output_;
};

class KernelTransport : public testing::TestWithParam<TransportChoice> {
 protected:
  void SetUp() override {
    if (geteuid() != 0 || access("/dev/fuse", R_OK) != 0) GTEST_SKIP() << "needs root to mount";
    if (GetParam() == TransportChoice::kIoUring && !SwitchOn()) {
      GTEST_SKIP() << "needs a kernel with FUSE over io_uring";
    }
    Options options;
    options.transport = GetParam();
    options.layout.busy_policy = daxcore::BusyPolicy::kWait;
    auto region = daxcore::Region::InMemory(uint64_t{64} << 20);
    ASSERT_TRUE(fsmeta::FormatRegion(*region, {}));
    fsmeta::MountOptions how;
    how.layout = options.layout;
    auto filesystem = fsmeta::Filesystem::Mount(std::move(region), how);
    ASSERT_TRUE(filesystem) << filesystem.error().Text();
    service_ = std::make_unique<Service>(options, *std::move(filesystem));
    ASSERT_EQ(mkdir(mountpoint_.c_str(), 0755), 0);
    auto mount = KernelMount::Make({"test", mountpoint_}, options);
    ASSERT_TRUE(mount) << mount.error().Text();
    mount_ = *std::move(mount);
    auto session = Session::Create(*service_, mount_->TakeChannel(), Session::Channel::kDevice);
    ASSERT_TRUE(session) << session.error().Text();
    session_ = *std::move(session);
    session_->Start([this] { ended_.Notify(); });
    const auto settled = session_->SettleTransport(absl::Seconds(10));
    ASSERT_TRUE(settled) << settled.error().Text();
    ASSERT_EQ(service_->over_io_uring(), GetParam() == TransportChoice::kIoUring);
  }

  void TearDown() override { Unmount(); }

  void Unmount() {
    if (mount_ != nullptr) mount_->Cut();
    if (session_ != nullptr) session_->Stop();
    if (service_ != nullptr) {
      EXPECT_TRUE(service_->Finish());
      for (const auto& [node, pin] : pins_) {
        const fsmeta::InodeRef inode = volume().live().Get(daxcore::Ino(node));
        volume().layouts().CloseSession(inode->layout, daxcore::SessionId(1));
      }
      pins_.clear();
    }
    service_.reset();
    session_.reset();
    mount_.reset();
  }

  fsmeta::Volume& volume() { return service_->filesystem().volume(); }
  std::string Path(std::string_view name) { return mountpoint_ + "/" + std::string(name); }
  static std::string Shell(const std::string& command) {
    return Client({"sh", "-c", command}).Output();
  }

  // A file with two blocks of x, the second of which is pinned as a client's process would.
  std::string MakePinned(const std::string& name) {
    const std::string path = Path(name);
    EXPECT_EQ(Shell("head -c 8192 /dev/zero | tr '\\0' x >" + path + "; stat -c %s " + path),
              "8192");
    Pin(std::stoull(Shell("stat -c %i " + path)), 1);
    return path;
  }
  void Pin(uint64_t node, uint64_t block) {
    const fsmeta::InodeRef inode = volume().live().Get(daxcore::Ino(node));
    daxcore::PinRequest request;
    request.holder = {daxcore::SessionId(1), *daxcore::Identify(getpid())};
    request.range = {daxcore::FileBlock(block), daxcore::FileBlock(block + 1)};
    fsmeta::FileExtentMapper mapper(volume());
    absl::ReaderMutexLock layout(&inode->layout.layout_lock());
    const auto pinned = volume().layouts().Pin(inode->layout, request, mapper);
    ASSERT_TRUE(pinned) << pinned.error().Text();
    pins_[node] = pinned->id;
  }
  void UnpinAll() {
    for (const auto& [node, pin] : std::exchange(pins_, {})) {
      const fsmeta::InodeRef inode = volume().live().Get(daxcore::Ino(node));
      EXPECT_TRUE(volume().layouts().Unpin(inode->layout, daxcore::SessionId(1), pin));
    }
  }
  testing::AssertionResult AwaitParked(size_t count) {
    for (const auto end = std::chrono::steady_clock::now() + kLongEnough;
         service_->parking_lot().size() != count;) {
      if (std::chrono::steady_clock::now() > end) {
        return testing::AssertionFailure() << service_->parking_lot().size() << " are parked";
      }
      std::this_thread::sleep_for(1ms);
    }
    return testing::AssertionSuccess();
  }
  static Client Truncate(const std::string& interval, const std::vector<std::string>& files,
                         std::vector<std::string> words = {}) {
    words.insert(words.end(), {"python3", "-c", kTruncate, interval});
    words.insert(words.end(), files.begin(), files.end());
    return Client(std::move(words));
  }

  absl::Notification& ended() { return ended_; }
  Service& service() { return *service_; }

 private:
  // It stays on; posix/transport_test.sh, which turns it off, has it locked then.
  bool SwitchOn() {
    lock_ = FileDescriptor(open(kSwitch, O_RDONLY | O_CLOEXEC));
    if (!lock_ || flock(lock_.get(), LOCK_SH) != 0) return false;
    std::ofstream(kSwitch) << "Y";
    return true;
  }

  const tests::ScratchDir folder_;
  const std::string mountpoint_ = folder_ / "mnt";
  FileDescriptor lock_;
  std::map<uint64_t, daxcore::PinId> pins_;  // by file
  absl::Notification ended_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<KernelMount> mount_;
  std::unique_ptr<Session> session_;
};

std::string Repeated(const std::string& word, size_t count) {
  std::string text = word;
  for (size_t i = 1; i < count; ++i) text += " " + word;
  return text;
}

TEST_P(KernelTransport, L3_WhatWaitsIsDoneWhenThePinGoesAndOthersAreServedMeanwhile) {
  const std::string file = MakePinned("file");
  Client waiting = Truncate("0", {file});
  ASSERT_TRUE(AwaitParked(1));
  EXPECT_EQ(Shell("echo other >" + Path("other") + "; cat " + Path("other")), "other");
  EXPECT_EQ(Shell("head -c 3 " + file), "xxx") << "readers of the same file, too";
  EXPECT_FALSE(waiting.HasEnded());
  UnpinAll();
  EXPECT_EQ(waiting.Output(), "0");
  EXPECT_EQ(Shell("stat -c %s " + file), "0");
}

TEST_P(KernelTransport, L5_WhatWaitsEndsWithEintrWhenASignalComes) {
  const std::string file = MakePinned("file");
  EXPECT_EQ(Truncate("0.2", {file}).Output(), std::to_string(EINTR));
  EXPECT_EQ(Shell("stat -c %s " + file), "8192");
  EXPECT_EQ(Shell("tail -c 3 " + file), "xxx");
  EXPECT_EQ(service().parking_lot().size(), 0U);
}

// The signals come at any time of the call, also before the request has been handed to us.
TEST_P(KernelTransport, L5_NoSignalIsLostWheneverItComes) {
  const std::string file = MakePinned("file");
  for (const char* interval : {"0.001", "0.0003", "0.0001"}) {
    EXPECT_EQ(Truncate(interval, std::vector<std::string>(200, file)).Output(),
              Repeated(std::to_string(EINTR), 200))
        << interval;
  }
  EXPECT_EQ(Shell("stat -c %s " + file), "8192");
}

// All threads of a CPU are busy, more requests queue up in the kernel, and then all have to wait:
// making room for more must also fetch what is queued.
TEST_P(KernelTransport, L3_RequestsThatQueuedUpBehindOnesThatWaitAreServed) {
  constexpr size_t kBusy = 8;  // more than there are threads
  constexpr size_t kAll = 20;
  std::vector<std::string> files;
  std::vector<fsmeta::InodeRef> busy;
  std::vector<std::unique_ptr<absl::MutexLock>> held;
  for (size_t i = 0; i < kAll; ++i) {
    files.push_back(MakePinned("f" + std::to_string(i)));
    if (i >= kBusy) continue;
    busy.push_back(volume().live().Get(daxcore::Ino(std::stoull(Shell("stat -c %i " + files[i])))));
    held.push_back(std::make_unique<absl::MutexLock>(&busy.back()->layout.layout_lock()));
  }
  Client waiting = Truncate("0", files, {"taskset", "-c", "0"});
  std::this_thread::sleep_for(500ms);
  held.clear();
  EXPECT_TRUE(AwaitParked(kAll));
  UnpinAll();
  EXPECT_EQ(waiting.Output(), Repeated("0", kAll));
}

TEST_P(KernelTransport, L3_AThousandRequestsThatWaitStopNobody) {
  constexpr size_t kMany = 1000;
  std::istringstream inodes(Shell("cd " + Path("") + " && for i in $(seq 1000); do echo >$i; " +
                                  "done && stat -c %i $(seq 1000)"));
  std::vector<std::string> files;
  for (uint64_t node = 0; inodes >> node;) {
    files.push_back(Path(std::to_string(files.size() + 1)));
    Pin(node, 0);
  }
  ASSERT_EQ(files.size(), kMany);
  Client waiting = Truncate("0", files);
  ASSERT_TRUE(AwaitParked(kMany));
  EXPECT_EQ(
      Shell("for i in $(seq 50); do echo $i >" + Path("other") + "; done; cat " + Path("other")),
      "50");
  UnpinAll();
  EXPECT_EQ(waiting.Output(), Repeated("0", kMany));
  EXPECT_EQ(Shell("echo again >" + Path("other") + "; cat " + Path("other")), "again");
}

TEST_P(KernelTransport, L5_TheEndOfTheMountEndsWhatWaits) {
  const std::string file = MakePinned("file");
  Client waiting = Truncate("0", {file});
  ASSERT_TRUE(AwaitParked(1));
  Unmount();
  EXPECT_THAT(waiting.Output(),
              testing::AnyOf(std::to_string(ENOTCONN), std::to_string(ECONNABORTED)));
  EXPECT_TRUE(ended().HasBeenNotified());
}

INSTANTIATE_TEST_SUITE_P(Over, KernelTransport,
                         testing::Values(TransportChoice::kFuse, TransportChoice::kIoUring),
                         [](const auto& test) {
                           return test.param == TransportChoice::kFuse ? "DevFuse" : "IoUring";
                         });

}  // namespace
}  // namespace holdfast::daemon
