// SPDX-License-Identifier: Apache-2.0
// From the command line to the last unmount.
#include "daemon/daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <memory>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "daemon/background.h"
#include "daemon/housekeeping.h"
#include "daemon/info.h"
#include "daemon/kernel_mount.h"
#include "daemon/log.h"
#include "daemon/prometheus.h"
#include "daemon/service.h"
#include "daemon/session.h"
#include "daxcore/region.h"
#include "spdlog/spdlog.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

namespace holdfast::daemon {
namespace {

using daxcore::Fail;
using daxcore::Region;
using daxcore::Result;

// How long what waits may take to notice that the filesystem has shut down.
constexpr std::chrono::seconds kShutdownLook{1};
constexpr absl::Duration kInitTimeout = absl::Seconds(10);
// After SIGTERM: for programs that use the mount to let go of it.
constexpr absl::Duration kUnmountGrace = absl::Seconds(2);
constexpr absl::Duration kUnmountRetry = absl::Milliseconds(100);

// Nothing of the shell that started us matters to a filesystem; and it should be the last to go
// when memory runs out. What is not permitted is left as it is.
void BecomeDaemon() {
  // The distribution's abseil looks for lock cycles at every lock, under a lock of its own: tests
  // do that, and clang's analysis; a daemon that serves does not pay for it.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  umask(0);
  if (chdir("/") != 0) spdlog::warn("cannot change to /");
  prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
  std::ofstream("/proc/self/oom_score_adj") << -900;
}

Result<std::unique_ptr<fsmeta::Filesystem>> OpenFilesystem(const std::string& path,
                                                           const Options& options,
                                                           DirectSessions& direct) {
  daxcore::RegionOptions how;
  how.read_only = options.read_only;
  how.owner_wait = options.owner_wait;
  HOLDFAST_ASSIGN(auto region, Region::Open(path, how));
  fsmeta::MountOptions mount;
  mount.read_only = options.read_only;
  mount.data = options.data;
  mount.atime = options.atime;
  mount.layout = options.layout;
  mount.events = &direct;
  return fsmeta::Filesystem::Mount(std::move(region), mount);
}

// Owns everything of one mount. Belongs to the main thread.
class Daemon {
 public:
  explicit Daemon(const CommandLine& command) : command_(command) {}

  /// Opens, mounts, serves. On failure nothing is left mounted.
  Result<void> Start();
  /// Until the end of the mount or a signal to stop.
  void Run();
  /// Unmounts and leaves everything durable.
  Result<void> Finish();

 private:
  Result<void> StartSession();
  void ScheduleChores();
  void SyncLazily();
  void WriteMetrics();
  void FlushPageCache();

  const CommandLine& command_;
  std::unique_ptr<Housekeeping> house_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<KernelMount> mount_;
  std::unique_ptr<Session> session_;
  absl::Notification session_ended_;
};

Result<void> Daemon::Start() {
  HOLDFAST_TRY(StartLog(command_.options, command_.foreground));
  HOLDFAST_ASSIGN(house_, Housekeeping::Create());
  auto direct = std::make_unique<DirectSessions>();
  HOLDFAST_ASSIGN(auto filesystem, OpenFilesystem(command_.region, command_.options, *direct));
  service_ = std::make_unique<Service>(command_.options, std::move(filesystem), std::move(direct));
  service_->set_mountpoint(command_.mountpoint);
  HOLDFAST_ASSIGN(mount_,
                  KernelMount::Make({command_.region, command_.mountpoint}, command_.options));
  HOLDFAST_TRY(StartSession());
  ScheduleChores();
  spdlog::info("mounted {} on {}", command_.region, command_.mountpoint);
  return {};
}

Result<void> Daemon::StartSession() {
  HOLDFAST_ASSIGN(session_,
                  Session::Create(*service_, mount_->TakeChannel(), Session::Channel::kDevice));
  session_->Start([this] {
    session_ended_.Notify();
    house_->End();
  });
  if (!service_->WaitUntilNegotiated(kInitTimeout)) {
    return Fail(EPROTO, "the kernel did not agree on a FUSE protocol: see the log");
  }
  return session_->SettleTransport(kInitTimeout);
}

void Daemon::ScheduleChores() {
  const Options& options = command_.options;
  if (options.sync_interval.count() != 0 && !options.read_only) {
    house_->Every(options.sync_interval, [this] { SyncLazily(); });
  }
  if (!options.metrics_file.empty()) {
    house_->Every(options.metrics_interval, [this] { WriteMetrics(); });
    WriteMetrics();
  }
  house_->Every(kShutdownLook, [this] {
    // What waits for others when the filesystem shuts down runs again, and ends with EIO (F5).
    if (service_->filesystem().volume().medium().is_shut_down()) service_->parking_lot().WakeAll();
  });
  house_->OnSignal(SIGUSR1, [this] { spdlog::info("state: {}", JsonText(InfoOf(*service_))); });
  house_->OnSignal(SIGHUP, [this] {
    if (auto log = StartLog(command_.options, command_.foreground); !log) {
      spdlog::error("{}", log.error().Text());
    }
  });
  service_->workers().Post([this] {
    if (auto done = service_->filesystem().FinishOrphans(); !done) {
      spdlog::error("files that were being removed: {}", done.error().Text());
    }
  });
}

void Daemon::SyncLazily() {
  if (auto done = service_->filesystem().Sync(); !done) {
    spdlog::error("writing timestamps: {}", done.error().Text());
  }
}

void Daemon::WriteMetrics() {
  if (auto done = WriteMetricsFile(*service_, command_.options.metrics_file); !done) {
    spdlog::warn("{}", done.error().Text());
  }
}

void Daemon::Run() {
  const int signal = house_->Run();
  if (signal == 0) return;
  spdlog::info("{}: unmounting {}", sigabbrev_np(signal), command_.mountpoint);
  FlushPageCache();
  const absl::Time give_up = absl::Now() + kUnmountGrace;
  while (!mount_->TryUnmount()) {
    if (absl::Now() > give_up) {
      spdlog::warn("{} is still in use: its open files are cut off", command_.mountpoint);
      return;
    }
    session_ended_.WaitForNotificationWithTimeout(kUnmountRetry);
  }
}

void Daemon::FlushPageCache() {
  if (!service_->features().writeback_cache) return;
  const FileDescriptor root(open(command_.mountpoint.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (root) syncfs(root.get());
}

// The order matters: no request may come when the parked ones are answered, and none may be left
// when the filesystem goes.
Result<void> Daemon::Finish() {
  if (mount_ != nullptr) mount_->Cut();
  if (session_ != nullptr) session_->Stop();
  Result<void> finished;
  if (service_ != nullptr) finished = service_->Finish();
  service_.reset();  // until then it tells clients of events, through the session
  session_.reset();
  return finished;
}

int Remount(const CommandLine& command) {
  auto changed = KernelMount::Change({command.region, command.mountpoint}, command.options);
  if (changed) return 0;
  fprintf(stderr, "holdfastd: %s\n", changed.error().Text().c_str());
  return kExitFailure;
}

bool KeepsTerminal(const CommandLine& command) {
  return command.foreground || command.options.log_file == "stderr";
}

}  // namespace

int RunDaemon(const CommandLine& command) {
  if (command.options.remount) return Remount(command);
  ReadyPipe ready;
  if (!command.foreground) {
    auto pipe = GoToBackground();
    if (!pipe) return ready.Failed(pipe.error().Text()), kExitFailure;
    ready = *std::move(pipe);
  }
  BecomeDaemon();
  Daemon daemon(command);
  if (auto started = daemon.Start(); !started) {
    (void)daemon.Finish();
    ready.Failed(started.error().Text());
    return kExitFailure;
  }
  if (!KeepsTerminal(command)) LeaveTerminal();
  ready.Ready();
  daemon.Run();
  if (auto finished = daemon.Finish(); !finished) {
    spdlog::error("unmounting {}: {}", command.mountpoint, finished.error().Text());
    return kExitFailure;
  }
  spdlog::info("unmounted {}", command.mountpoint);
  return 0;
}

}  // namespace holdfast::daemon
